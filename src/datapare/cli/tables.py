"""Tables in the terminal: no column and no letter is lost, however narrow it is."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from datapare.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

FRAME = 3  # a border and a blank on both sides of a cell
LONGEST = 30  # longer words are folded


def print_table(console: "Console", headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table no wider than the console: wide cells are folded, and columns that do not fit come in another.

    Args:
        console: Where it is printed.
        headers: Names of the columns; the first column names the rows and begins every part.
        rows: The cells of each row, as text.
    """
    from rich.cells import cell_len
    from rich.table import Column, Table
    from rich.text import Text

    columns = list(zip(headers, *rows, strict=True))
    least = [min(LONGEST, max(cell_len(word) for cell in one for word in cell.split())) for one in columns]
    natural = [max(low, *(cell_len(cell) for cell in one)) for low, one in zip(least, columns, strict=True)]
    for part in parts(least, console.width):
        widths = column_widths([least[i] for i in part], [natural[i] for i in part], console.width)
        names = [Text(printable(headers[i])) for i in part]
        made = [Column(name, width=width, overflow="fold") for name, width in zip(names, widths, strict=True)]
        table = Table(*made)
        for row in rows:
            table.add_row(*(Text(printable(row[i])) for i in part))
        console.print(table)


def parts(least: Sequence[int], width: int) -> Iterator[list[int]]:
    """Yield which columns stand beside each other, the first one in front of each part.

    Args:
        least: Letters of the longest word of each column.
        width: Letters that a part may take with its frame; a part has two columns even where they need more.

    >>> list(parts([10, 8, 8, 8], 40)), list(parts([10, 8, 8, 8], 80))
    ([[0, 1, 2], [0, 3]], [[0, 1, 2, 3]])
    """
    part = [0]
    for i in range(1, len(least)):
        if len(part) > 1 and 1 + sum(least[j] + FRAME for j in [*part, i]) > width:
            yield part
            part = [0]
        part.append(i)
    yield part


def column_widths(least: Sequence[int], natural: Sequence[int], width: int) -> list[int]:
    """Return widths between the least and the natural one; what is to spare goes to those first that lack little.

    >>> column_widths([5, 5], [5, 25], 100), column_widths([5, 5], [15, 25], 32)
    ([5, 25], [12, 13])
    """
    spare = max(0, width - 1 - sum(low + FRAME for low in least))
    missing = [full - low for low, full in zip(least, natural, strict=True)]
    if sum(missing) <= spare:
        return list(natural)
    widths = list(least)
    for rank, i in enumerate(sorted(range(len(least)), key=lambda i: missing[i])):
        given = min(missing[i], spare // (len(least) - rank))
        widths[i] += given
        spare -= given
    return widths
