"""Encode examples as one array that a network reads, the same way for training data and for any later data."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from datapare.data.dataset import Dataset
from datapare.data.encodings import embedding, image, table, text
from datapare.data.encodings.base import IN_MEMORY, Column, Encoding, Inputs
from datapare.data.encodings.streamed import StreamedImages
from datapare.data.foreign_types import Array
from datapare.data.json_annotations import Json
from datapare.data.shard_copies import MOST_BYTES
from datapare.errors import InputError

HELD = 1536  # images of a stream in memory: three times as many as are predicted together (training/)
NOTED = 1 << 30  # bytes from which on it is said beforehand


def encode(
    data: Dataset, encoding: Encoding | None = None, *, image_size: int | None = None, tokenizer: str | None = None
) -> Inputs:
    """Encode all examples as one array.

    Images of one size up to 96 px stay as they are; others are resized to `image_size` at their shorter side (64 px if
    the median shorter side is up to 128 px, else 128) and cropped to the centre. Text is cut into words, or by a
    `tokenizer` of transformers. Numbers in tables are standardised and categories become indicators. Embeddings stay.

    Args:
        data: The examples.
        encoding: How to encode them; None finds what fits `data` best.
        image_size: Side of the square images in pixels.
        tokenizer: Name or path of a tokenizer of transformers.

    Returns:
        Images (N, H, W, C) uint8, texts (N, L) int32, tables and embeddings (N, F) float32. Images of a dataset that
        streams are `StreamedImages`: of the array there are the shape and the rows that one takes.

    Raises:
        InputError: For NaN in embeddings and for data of another kind than `encoding`.
    """
    if encoding is not None and encoding.kind != data.kind:
        raise InputError(f"the encoding is of {encoding.kind}s, but the dataset holds {data.kind}s.")
    if data.kind == "image":
        encoding = encoding or image.fit(data, image_size)
        if data.stream:
            return Inputs(cast("Array", StreamedImages(data, encoding)), encoding)  # rows of it are taken as of one
        return Inputs(image.apply(data, encoding), encoding)
    if data.kind == "text":
        encoding = encoding or text.fit(data, tokenizer)
        return Inputs(text.apply(data, encoding), encoding)
    if data.kind == "table":
        encoding = encoding or table.fit(data)
        return Inputs(table.apply(data, encoding), encoding)
    encoding = encoding or embedding.fit(data)
    return Inputs(embedding.apply(data, encoding), encoding)


def memory_note(data: Dataset, image_size: int | None = None) -> str | None:
    """Return a sentence on where the decoded images will be, beforehand; None where they are small or no images.

    >>> from datapare.data.dataset import Identity
    >>> label = np.zeros(2_000_000)
    >>> memory_note(Dataset(None, "image", ("x",), "y", label, (), Identity(np.zeros(0), label), [], "", None), 32)
    'the decoded images take up to 5.7 GiB, in a file in the folder for temporary files, mapped'
    """
    if data.kind != "image":
        return None
    side = image_size or image.LARGEST
    if data.stream:
        shards = f"; up to {MOST_BYTES / 2**30:.0f} GiB of shards at URLs are copied at a time" * (data.path is None)
        held = f"{HELD:,} ({HELD * side * side * 3 / 2**20:.0f} MiB), or three larger batches, are in memory"
        return f"images are decoded whenever they are needed; at most {held}{shards}"
    size = len(data) * side * side * 3 if data.array is None else data.array.nbytes
    if size < NOTED:
        return None
    place = "in memory" if size <= IN_MEMORY else "in a file in the folder for temporary files, mapped"
    return f"the decoded images take up to {size / 2**30:.1f} GiB, {place}"


def outline(data: Dataset, image_size: int | None = None) -> Inputs:
    """Return inputs of the kind and, for images, the size that `encode` gives, but empty: nothing is decoded."""
    if data.kind != "image":
        return Inputs(np.empty((len(data), 0), np.float32), Encoding(data.kind))
    fitted = image.fit(data, image_size)
    shape = (len(data), fitted.height, fitted.width, fitted.channels)
    return Inputs(np.broadcast_to(np.uint8(0), shape), fitted)


def encoding_from(fields: Mapping[str, Json]) -> Encoding:
    """Return the Encoding whose `dataclasses.asdict` went through JSON.

    >>> from dataclasses import asdict
    >>> encoding_from(asdict(Encoding("embedding", width=3)))
    Encoding(kind='embedding', height=0, width=3, channels=0, length=0, tokenizer='', pad=0, tokens=0)
    """
    known = dict(fields)
    known["vocabulary"] = tuple(known["vocabulary"])
    known["value_range"] = None if known.get("value_range") is None else tuple(known["value_range"])
    known["columns"] = tuple(
        Column(**{**one, "categories": None if one["categories"] is None else tuple(one["categories"])})
        for one in known["columns"]
    )
    return Encoding(**known)
