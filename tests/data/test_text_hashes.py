"""Hashes of texts on a column's own memory are those that a plain definition says, whatever the column is made of."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datapare.data.text_hashes import text_hashes

TEXT = st.one_of(st.none(), st.text(max_size=20), st.text("aä\0", max_size=40), st.sampled_from(["x" * 9, "x" * 200]))


def plain_mixed(one, other):
    z = (one * 0xD1342543DE82EF95 + other + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def plain(text):
    content = text.encode()
    words = [content[i : i + 8].ljust(8, b"\0") for i in range(0, max(len(content), 1), 8)]
    total = sum(plain_mixed(i, int.from_bytes(word, "little")) for i, word in enumerate(words))
    return plain_mixed(total % 2**64, len(content))


@given(st.lists(TEXT, max_size=30), st.integers(0, 5), st.sampled_from([pa.string(), pa.large_string()]))
def test_hashes_are_those_of_the_definition_in_any_slice_of_any_type(texts, start, kind):
    column = pa.chunked_array([pa.array(texts, kind), pa.array(["z", None], kind)]).slice(start)
    shown = [*texts, "z", None][start:]
    found = text_hashes(column).tolist()
    missing = text_hashes(pa.array([None], pa.string()))[0]
    assert found == [missing if text is None else plain(text) for text in shown]
    assert len(set(found)) == len(set(shown))


def test_a_text_of_many_words_between_short_ones_is_hashed_as_alone():
    texts = ["a", "b" * 300_000, "", "c"] * 3 + [str(i) for i in range(40_000)]
    found = text_hashes(pa.array(texts))
    assert found[:4].tolist() == [text_hashes(pa.array([one]))[0] for one in texts[:4]]
    assert len(np.unique(found)) == 4 + 40_000
