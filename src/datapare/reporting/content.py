"""What there is to look at in an example: a thumbnail, a shortened text, the fields of a row."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datapare.reporting.text import shorten

if TYPE_CHECKING:
    from PIL.Image import Image

    from datapare.data import Dataset

SIDE = 144  # pixels of a thumbnail; smaller images are enlarged by the browser, tiny ones without smoothing
TINY = 48  # pixels: up to here an image is stored exactly, and its pixels are shown
LETTERS = 300  # of a text
FIELDS = 12  # columns of a table row
BLOCK = 64  # examples decoded at a time


@dataclass(frozen=True)
class Content:
    """The one field that suits the kind of data: `image` is a data: URI with `width` × `height` CSS pixels."""

    image: str = ""
    width: int = 0
    height: int = 0
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """About how many bytes of the page it takes."""
        return len(self.image) + len(self.text) + sum(len(name) + len(value) + 6 for name, value in self.fields)

    @property
    def as_json(self) -> dict[str, object]:
        """The fields that hold something."""
        return {name: value for name, value in vars(self).items() if value}


def contents(data: "Dataset", index: Sequence[int]) -> Iterator[tuple[int, Content]]:
    """Yield each position with its content, decoded in blocks; embeddings have nothing to look at."""
    for start in range(0, len(index), BLOCK):
        block = list(index[start : start + BLOCK])
        yield from zip(block, _block(data, block), strict=True)


def thumbnail(image: "Image", side: int = SIDE) -> tuple[str, int, int]:
    """Return an RGB image as (data: URI, width, height): at most `side` pixels, small ones exact and enlarged.

    Tiny images are stored without loss, the others as WebP, about 3 kB each.
    """
    small = image.copy()
    small.thumbnail((side, side))
    factor = max(1, SIDE // max(small.size))
    exact = max(small.size) <= TINY
    buffer = io.BytesIO()
    small.convert("RGB").save(buffer, "PNG" if exact else "WEBP", quality=80, optimize=True)
    packed = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{'png' if exact else 'webp'};base64,{packed}", small.width * factor, small.height * factor


def _block(data: "Dataset", index: Sequence[int]) -> list[Content]:
    if data.kind == "image":
        from datapare.data import images

        return [Content(*thumbnail(image)) for image in images(data, index)]
    if data.kind == "text":
        from datapare.data import texts

        return [Content(text=shorten(text, LETTERS)) for text in texts(data, index)]
    if data.kind == "table":
        from datapare.data import records

        return [Content(fields=_fields(data, row)) for row in records(data, index)]
    return [Content() for _ in index]


def _fields(data: "Dataset", row: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    columns = [name for name in row if name != data.label_column]
    return tuple((str(name), shorten(_value(row[name]), 40)) for name in columns[:FIELDS])


def _value(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
