"""Texts as token ids (N, L): words of the training data, or the tokens of a transformers tokenizer."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, texts
from datapare.data.encodings.base import Encoding, allocate
from datapare.data.foreign_types import Tokenizer
from datapare.errors import InputError, MissingExtraError

WORDS = 30_000
LONGEST = 256
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
    tokens = [words(text) for text in texts(data)]
    count = Counter(word for one in tokens for word in one)
    vocabulary = tuple(sorted(count, key=lambda word: (-count[word], word))[:WORDS])
    return Encoding("text", length=_length(map(len, tokens)), vocabulary=vocabulary, tokens=len(vocabulary) + 2)


def _length(lengths: Iterable[int]) -> int:
    return int(np.clip(np.ceil(np.percentile(list(lengths), 99)), 1, LONGEST))


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.int32]:
    """Token ids (N, length), 0 = padding; what is longer is cut, and a text without words is one unknown word."""
    if encoding.tokenizer:
        return _apply_named(data, encoding)
    number = {word: i + 2 for i, word in enumerate(encoding.vocabulary)}
    out = allocate((len(data), encoding.length), np.int32)
    for i, text in enumerate(texts(data)):
        ids = [number.get(word, 1) for word in words(text)[: encoding.length]] or [1]
        out[i, : len(ids)] = ids
    return out


def _fit_named(data: Dataset, name: str) -> Encoding:
    tokenizer = _tokenizer(name)
    limit = min(LONGEST, int(tokenizer.model_max_length))
    lengths = [len(ids) for ids in _ids(tokenizer, texts(data), limit)]
    pad = tokenizer.pad_token_id
    return Encoding("text", length=min(_length(lengths), limit), tokenizer=name, pad=pad or 0, tokens=len(tokenizer))


def _apply_named(data: Dataset, encoding: Encoding) -> NDArray[np.int32]:
    out = np.full((len(data), encoding.length), encoding.pad, np.int32)
    for i, ids in enumerate(_ids(_tokenizer(encoding.tokenizer), texts(data), encoding.length)):
        out[i, : len(ids)] = ids
    zero, pad = out == 0, out == encoding.pad
    out[zero] = encoding.pad
    out[pad] = 0
    return out


def _ids(tokenizer: Tokenizer, text: Sequence[str], length: int) -> list[list[int]]:
    found: list[list[int]] = tokenizer(list(text), truncation=True, max_length=length)["input_ids"]
    return found


def _tokenizer(name: str) -> Tokenizer:
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("transformers", "transformers", f"the tokenizer {name!r}") from None
    try:
        return transformers.AutoTokenizer.from_pretrained(name)
    except Exception as error:
        raise InputError(
            f"no tokenizer {name!r} can be loaded ({type(error).__name__}); check its name or path."
        ) from error
