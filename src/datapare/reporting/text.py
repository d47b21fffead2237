"""Numbers and names as text: percentages, the steps of a provenance, names with nothing hidden in them."""

import unicodedata

from datapare.artifacts import Provenance

BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder the text that follows them


def percent(fraction: float) -> str:
    """Format a fraction as "30 %": three digits, more where rounding would claim all or nothing.

    >>> percent(0.3), percent(1 / 3), percent(0.99999), percent(1)
    ('30 %', '33.3 %', '99.999 %', '100 %')
    """
    for digits in range(3, 9):
        text = f"{100 * fraction:.{digits}g}"
        if float(text) < 100 or fraction >= 1:
            break
    return f"{text} %"


def lineage(provenance: Provenance) -> list[Provenance]:
    """List the steps that led to an artifact, oldest first, each once.

    >>> [r.method for r in lineage(Provenance(method="beta", parents=(Provenance(method="dual"),)))]
    ['dual', 'beta']
    """
    steps: list[Provenance] = []
    for parent in provenance.parents:
        steps += [step for step in lineage(parent) if step not in steps]
    return [*steps, provenance]


def visible(text: str) -> str:
    r"""Replace control characters, direction overrides and lone surrogates by their escapes.

    >>> visible("a\x1b[1m\u202eb\udcff")
    'a\\x1b[1m\\u202eb\\udcff'
    """
    return "".join(map(_visible, text))


def shorten(text: str, limit: int) -> str:
    """Put the text on one line and cut it after `limit` characters.

    >>> shorten("a  long line", 6)
    'a long…'
    """
    line = " ".join(text[: 20 * limit].split())
    return line if len(line) <= limit else line[:limit].rstrip() + "…"


def _visible(letter: str) -> str:
    if letter in BIDI or unicodedata.category(letter) in {"Cc", "Cs"}:
        return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
    return letter
