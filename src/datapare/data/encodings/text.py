"""Texts as token ids (N, L): words of the training data, or the tokens of a transformers tokenizer."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, each_text
from datapare.data.encodings.base import Encoding, allocate
from datapare.data.foreign_types import Tokenizer
from datapare.data.hub import is_local_only
from datapare.errors import InputError, MissingExtraError

WORDS = 30_000
LONGEST = 256
BLOCK = 4096  # texts that a tokenizer gets at a time
_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and punctuation marks, in lower case.

    >>> words("It's GOOD, 10/10!")
    ['it', "'", 's', 'good', ',', '10', '/', '10', '!']
    """
    return _WORD.findall(text.lower())


def fit(data: Dataset, tokenizer: str | None) -> Encoding:
    """The 30,000 most frequent words (ties in alphabetical order), and the 99th percentile of lengths up to 256."""
    if tokenizer:
        return _fit_named(data, tokenizer)
    count: Counter[str] = Counter()
    length = np.empty(len(data), np.int64)
    for i, text in enumerate(each_text(data)):
        found = words(text)
        count.update(found)
        length[i] = len(found)
    vocabulary = tuple(sorted(count, key=lambda word: (-count[word], word))[:WORDS])
    return Encoding("text", length=_length(length), vocabulary=vocabulary, tokens=len(vocabulary) + 2)


def _length(lengths: NDArray[np.int64]) -> int:
    return int(np.clip(np.ceil(np.percentile(lengths, 99)), 1, LONGEST))


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.int32]:
    """Token ids (N, length), 0 = padding; what is longer is cut, and a text without words is one unknown word."""
    if encoding.tokenizer:
        return _apply_named(data, encoding)
    number = {word: i + 2 for i, word in enumerate(encoding.vocabulary)}
    out = allocate((len(data), encoding.length), np.int32)
    for i, text in enumerate(each_text(data)):
        ids = [number.get(word, 1) for word in words(text)[: encoding.length]] or [1]
        out[i, : len(ids)] = ids
    return out


def _fit_named(data: Dataset, name: str) -> Encoding:
    tokenizer = _tokenizer(name)
    limit = min(LONGEST, int(tokenizer.model_max_length))
    lengths = np.fromiter((len(ids) for ids in _ids(tokenizer, each_text(data), limit)), np.int64, len(data))
    pad = tokenizer.pad_token_id
    return Encoding("text", length=min(_length(lengths), limit), tokenizer=name, pad=pad or 0, tokens=len(tokenizer))


def _apply_named(data: Dataset, encoding: Encoding) -> NDArray[np.int32]:
    out = allocate((len(data), encoding.length), np.int32)  # 0 pads: it trades places with the tokenizer's own
    for i, ids in enumerate(_ids(_tokenizer(encoding.tokenizer), each_text(data), encoding.length)):
        row = np.array(ids, np.int32)
        zero, pad = row == 0, row == encoding.pad
        row[zero], row[pad] = encoding.pad, 0
        out[i, : len(row)] = row
    return out


def _ids(tokenizer: Tokenizer, text: Iterable[str], length: int) -> Iterator[list[int]]:
    """Yield the token ids of each text, which are made of a block of them at a time."""
    text = iter(text)
    while block := list(islice(text, BLOCK)):
        yield from tokenizer(block, truncation=True, max_length=length)["input_ids"]


def _tokenizer(name: str) -> Tokenizer:
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("transformers", "transformers", f"the tokenizer {name!r}") from None
    try:
        return transformers.AutoTokenizer.from_pretrained(name, local_files_only=is_local_only(name))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"no tokenizer {name!r} can be loaded ({type(error).__name__}); check its name or path."
        ) from error
