"""Which channels and arrays a scoring run records: the default ones, those that were named, and what these need."""

from collections.abc import Sequence

from datapare.methods.signals import DEFAULT
from datapare.recording.logit_signals import CHANNELS
from datapare.training.embeddings import EMBEDDING

LOGIT_MEAN = "logit_mean"
MAX_DEFAULT_BYTES = 512 * 2**20  # of mean logits: 50,000 examples of 100 classes take 20 MB, ImageNet-1k 5 GB


def expand(channels: Sequence[str] | None, count: int, classes: int) -> tuple[str, ...]:
    """Return the names to record, with `default` replaced by the default ones.

    Mean logits, which soft labels are made of, are among them up to MAX_DEFAULT_BYTES.

    Args:
        channels: Names of channels and arrays, of which `default` stands for the default ones; None for those alone.
        count: Number of examples, N.
        classes: Number of classes, K.

    Returns:
        Different names.

    >>> expand(("default", "embedding"), 100, 10)[-3:], expand(None, 10**6, 1000)[-1]
    (('loss', 'logit_mean', 'embedding'), 'loss')
    """
    fits = logit_mean_bytes(count, classes) <= MAX_DEFAULT_BYTES
    default = (*CHANNELS, LOGIT_MEAN) if fits else tuple(CHANNELS)
    named = [default if name == DEFAULT else (name,) for name in channels or (DEFAULT,)]
    return tuple(dict.fromkeys(name for names in named for name in names))


def logit_mean_bytes(count: int, classes: int) -> int:
    """Return the size of the mean logits (N, K) in a record.

    >>> logit_mean_bytes(50_000, 100)
    20000000
    """
    return 4 * count * classes


def unkept_logit_mean(channels: Sequence[str] | None, count: int, classes: int) -> str:
    """Return a sentence where the default channels lack the mean logits because of their size; else nothing.

    >>> unkept_logit_mean(None, 10**6, 1000)[:63]
    'no mean logits are kept for soft labels, which would take 4 GB;'
    """
    if DEFAULT not in (channels or (DEFAULT,)) or LOGIT_MEAN in expand(channels, count, classes):
        return ""
    size = logit_mean_bytes(count, classes) / 1e9
    return f"no mean logits are kept for soft labels, which would take {size:.2g} GB; --channel {LOGIT_MEAN} keeps them"


def as_begun(channels: tuple[str, ...], asked: Sequence[str] | None, begun: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a begun record has, where only mean logits by default are new to it; else the same names.

    Records of earlier versions have them on request only, and are continued and read as they are.

    >>> as_begun(("loss", "logit_mean"), None, ["loss"]), as_begun(("loss", "logit_mean"), ("logit_mean",), ["loss"])
    (('loss',), ('loss', 'logit_mean'))
    """
    by_default = LOGIT_MEAN not in (asked or ()) and DEFAULT in (asked or (DEFAULT,))
    without = tuple(name for name in channels if name != LOGIT_MEAN)
    return without if by_default and list(without) == list(begun) else channels


def needed(channels: tuple[str, ...], fraction: float | None) -> tuple[str, ...]:
    """Return the channels, with the embedding where only a fraction is scored: the rest is predicted from it.

    >>> needed(("loss",), 0.2), needed(("loss",), None)
    (('loss', 'embedding'), ('loss',))
    """
    added = (EMBEDDING,) if fraction is not None and EMBEDDING not in channels else ()
    return (*channels, *added)
