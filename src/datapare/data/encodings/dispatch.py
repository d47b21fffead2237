"""Encode examples as one array that a network reads, the same way for training data and for any later data."""

from collections.abc import Mapping

import numpy as np

from datapare.data.dataset import Dataset
from datapare.data.encodings import embedding, image, table, text
from datapare.data.encodings.base import Column, Encoding, Inputs
from datapare.data.json_annotations import Json
from datapare.errors import InputError


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
        Images (N, H, W, C) uint8, texts (N, L) int32, tables and embeddings (N, F) float32.

    Raises:
        InputError: For NaN in embeddings and for data of another kind than `encoding`.
    """
    if encoding is not None and encoding.kind != data.kind:
        raise InputError(f"the encoding is of {encoding.kind}s, but the dataset holds {data.kind}s.")
    if data.kind == "image":
        encoding = encoding or image.fit(data, image_size)
        return Inputs(image.apply(data, encoding), encoding)
    if data.kind == "text":
        encoding = encoding or text.fit(data, tokenizer)
        return Inputs(text.apply(data, encoding), encoding)
    if data.kind == "table":
        encoding = encoding or table.fit(data)
        return Inputs(table.apply(data, encoding), encoding)
    encoding = encoding or embedding.fit(data)
    return Inputs(embedding.apply(data, encoding), encoding)


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
