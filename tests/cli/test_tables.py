"""Tables in the terminal keep every column and letter, whatever its width."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from datapare.cli.tables import print_table

CELL = st.text("abc0 é漢[", max_size=24)


def printed(headers, rows, width):
    file = io.StringIO()
    print_table(Console(file=file, width=width, legacy_windows=False), headers, rows)
    return file.getvalue()


def letters(text):
    return sorted(re.sub(r"[\s┏┓┗┛┡┩┳┻╇┷┴┬├┤│┃━─└┘]", "", text))


@given(
    st.integers(2, 8).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=3)),
    st.integers(70, 200),
)
def test_no_letter_is_lost_and_no_line_is_too_long(rows, width):
    headers = [f"h{i} of it" for i in range(len(rows[0]))]
    shown = printed(headers, rows, width)
    again = (len(re.findall("^┏", shown, flags=re.MULTILINE)) - 1) * [headers[0], *(row[0] for row in rows)]
    assert letters(shown) == letters("".join([*headers, *(cell for row in rows for cell in row), *again]))
    assert all(cell_len(line) <= width for line in shown.splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_numbers_stay_whole_where_a_terminal_is_narrow(width):
    headers = ["arm", "distinct examples", "updates", "accuracy %", "minus random, points (95 % interval)", "epochs"]
    shown = printed(
        headers, [["random-redrawn keep 0.1", "1,198", "123,456", "84.97", "+52.25 (+49.45 to +55.06)", "1.0"]], width
    )
    for word in ("random-redrawn", "1,198", "123,456", "84.97", "+52.25", "(+49.45", "+55.06)", "1.0"):
        assert word in shown
