"""The examples worth looking at: hardest kept, easiest dropped, most suspect labels, as cards for the page."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datapare.evaluation.record_summary import Floats, names_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from datapare.data import Dataset

CARDS = 24
SIDE = 144  # pixels of a thumbnail; smaller images are enlarged by the browser, tiny ones without smoothing
TINY = 48  # pixels: up to here an image travels exactly, and its pixels are shown
LETTERS = 300  # of a text
FIELDS = 12  # columns of a table row


@dataclass(frozen=True)
class Card:
    """One example: what it is called, what the run believed of it, and what a person can look at.

    `image` is a data: URI with `width` × `height` CSS pixels, `text` a shortened text, `fields` a table row; only the
    one that suits the kind of data is filled. `guess` is the class the model preferred on average, where known.
    """

    name: str
    label: str
    mean_prob: str
    margin: str
    score: str
    kept: bool
    guess: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Gallery:
    """A heading, a sentence that says how the cards were chosen, and the cards, in that order."""

    title: str
    caption: str
    cards: tuple[Card, ...]

    @property
    def guessed(self) -> bool:
        """Whether any card knows another class that the model preferred."""
        return any(card.guess for card in self.cards)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What is known of each example, (N,) each or None: the columns that order a gallery and caption its cards."""

    mask: NDArray[np.bool_]
    score: Floats | None = None
    mean_prob: Floats | None = None
    margin: Floats | None = None
    logit_mean: NDArray[Any] | None = None  # (N, K)


def galleries(data: "Dataset", beliefs: Beliefs) -> list[Gallery]:
    """The galleries that what is known allows; none when there is neither a record nor a score."""
    hard, order = (beliefs.mean_prob, "lowest mean probability of the label")
    easy = "highest mean probability of the label"
    if hard is None and beliefs.score is not None:
        hard, order, easy = -beliefs.score, "highest score", "lowest score"
    if hard is None:
        return []
    kept, dropped = beliefs.mask, ~beliefs.mask
    found = [
        _gallery(data, beliefs, "Hardest kept", f"Kept, {order} first.", first(hard, kept)),
        _gallery(data, beliefs, "Easiest dropped", f"Dropped, {easy} first.", first(-hard, dropped)),
    ]
    if beliefs.margin is not None:
        caption = (
            "The model was, on average over the epochs, more sure of another class than of the label: lowest mean "
            "margin first. Wrong labels gather here, and so do rare and ambiguous examples: look before you delete. "
            "datapare suspects lists them all in a file in which to decide about each."
        )
        if beliefs.logit_mean is None:
            caption += " Which class it was, a record with the channel logit_mean says."
        label_issues = first(beliefs.margin, beliefs.margin < 0)
        found.append(_gallery(data, beliefs, "Most suspect labels", caption, label_issues))
    return found


def first(key: Floats, among: NDArray[np.bool_], count: int = CARDS) -> NDArray[np.int64]:
    """Positions of the `count` smallest keys among the chosen; ties by position, NaN never.

    >>> first(np.array([0.3, np.nan, 0.1, 0.2]), np.array([True, True, False, True])).tolist()
    [3, 0]
    """
    place = np.flatnonzero(among & ~np.isnan(key))
    return place[np.argsort(key[place], kind="stable")[:count]]


def thumbnail(image: "Image") -> tuple[str, int, int]:
    """An RGB image as (data: URI, width, height): at most 144 pixels a side, small ones sent as they are and enlarged.

    Tiny images travel as PNG, exact; the others as JPEG, about 5 kB each.
    """
    small = image.copy()
    small.thumbnail((SIDE, SIDE))
    factor = max(1, SIDE // max(small.size))
    kind = "PNG" if max(small.size) <= TINY else "JPEG"
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, kind, quality=80, optimize=True)
    packed = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{packed}", small.width * factor, small.height * factor


def _gallery(data: "Dataset", beliefs: Beliefs, title: str, caption: str, index: NDArray[np.int64]) -> Gallery:
    names = names_of(int(data.label.max(initial=-1)) + 1, data.classes)
    shown = _content(data, index.tolist())
    cards = [_card(data, beliefs, names, int(i), show) for i, show in zip(index, shown, strict=True)]
    return Gallery(title, caption, tuple(cards))


def _card(data: "Dataset", beliefs: Beliefs, names: Sequence[str], i: int, shown: Mapping[str, Any]) -> Card:
    label = int(data.label[i])
    guess = label if beliefs.logit_mean is None else int(np.argmax(beliefs.logit_mean[i]))
    return Card(
        name=str(data.name[i]),
        label=names[label] if label >= 0 else "",
        mean_prob=_entry(beliefs.mean_prob, i, ".3f"),
        margin=_entry(beliefs.margin, i, ".2f"),
        score=_entry(beliefs.score, i, ".3g"),
        kept=bool(beliefs.mask[i]),
        guess="" if guess == label else names_of(guess + 1, data.classes)[guess],
        **shown,
    )


def _content(data: "Dataset", index: Sequence[int]) -> list[dict[str, Any]]:
    """What a card shows of each example, by the kind of data; embeddings have nothing to look at."""
    if data.kind == "image":
        from datapare.data import images

        parts = [thumbnail(image) for image in images(data, index)]
        return [{"image": uri, "width": width, "height": height} for uri, width, height in parts]
    if data.kind == "text":
        from datapare.data import texts

        return [{"text": shorten(text, LETTERS)} for text in texts(data, index)]
    if data.kind == "table":
        from datapare.data import records

        return [{"fields": _fields(data, row)} for row in records(data, index)]
    return [{} for _ in index]


def _fields(data: "Dataset", row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    columns = [name for name in row if name != data.label_column]
    return tuple((str(name), shorten(_value(row[name]), 40)) for name in columns[:FIELDS])


def _value(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut after `limit` characters.

    >>> shorten("a  long line", 6)
    'a long…'
    """
    line = " ".join(text[: 20 * limit].split())
    return line if len(line) <= limit else line[:limit].rstrip() + "…"


def _entry(values: Floats | None, i: int, form: str) -> str:
    return "" if values is None or math.isnan(values[i]) else format(values[i], form).replace("-", "−")
