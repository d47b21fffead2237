"""Table rows as numbers (N, F): standardised numbers, indicators of categories, indicators of what is missing."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from datapare.data.dataset import Dataset, column
from datapare.data.encodings.base import Column, Encoding, allocate
from datapare.data.foreign_types import Array
from datapare.errors import InputError

RARE = 5
MISSING = ("", "?", "NA", "N/A", "nan", "NaN", "null", "None")


def fit(data: Dataset) -> Encoding:
    """Mean and standard deviation of each number, and the categories with at least 5 examples of each text column."""
    columns = tuple(_fit_column(name, _values(data, name)) for name in data.inputs)
    return Encoding("table", width=sum(one.width for one in columns), columns=columns)


def apply(data: Dataset, encoding: Encoding) -> NDArray[np.float32]:
    """Numbers (N, F), all finite: a missing number is the mean, a missing category no category."""
    out, start = allocate((len(data), encoding.width), np.float32), 0
    for one in encoding.columns:
        if one.name not in data.rows.column_names:
            raise InputError(
                f"the column {one.name!r} is missing; the columns are {', '.join(data.rows.column_names)}."
            )
        out[:, start : start + one.width] = _apply_column(one, _values(data, one.name))
        start += one.width
    return out


def _values(data: Dataset, name: str) -> Array:
    """A column as float64 with NaN, or as texts with None, where a value is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column(data.rows, name)
    if pa.types.is_temporal(values.type):
        days_or_seconds = pa.types.is_date32(values.type) or pa.types.is_time32(values.type)
        values = values.cast(pa.int32() if days_or_seconds else pa.int64())
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        try:
            number = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except pa.ArrowException:
            raise InputError(
                f"the column {name!r} holds {values.type}, which is neither numbers nor texts; name other columns "
                "with input= (--input)."
            ) from None
        return np.where(np.isfinite(number), number, np.nan)
    trimmed = pc.utf8_trim_whitespace(values)
    known = pc.if_else(pc.is_in(trimmed, pa.array(MISSING, trimmed.type)), None, trimmed)
    return np.asarray(known.to_numpy(zero_copy_only=False), dtype=object)


def _numbers(values: Array) -> NDArray[np.float64]:
    """Texts as numbers, NaN where missing or no number."""
    if values.dtype != object:
        return np.asarray(values, np.float64)
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        try:
            out[i] = float(value) if value is not None else np.nan
        except ValueError:
            continue
    return np.where(np.isfinite(out), out, np.nan)


def _fit_column(name: str, values: Array) -> Column:
    number = _numbers(values)
    absent = values == None if values.dtype == object else np.isnan(values)  # noqa: E711 (elementwise)
    known = np.clip(number[~np.isnan(number)], -1e150, 1e150)  # whose squares are finite
    if values.dtype != object or (len(known) and len(known) == int((~absent).sum())):
        std = float(known.std()) if len(known) else 1.0
        mean = float(known.mean()) if len(known) else 0.0
        return Column(name, mean, std if std > 0 else 1.0, None, bool(absent.any()))
    count = Counter(value for value in values if value is not None)
    categories = tuple(sorted(value for value, times in count.items() if times >= RARE))
    return Column(name, categories=categories, missing=bool(absent.any()))


def _apply_column(one: Column, values: Array) -> NDArray[np.float32]:
    out = np.zeros((len(values), one.width), np.float32)
    if one.categories is None:
        number = _numbers(values)
        absent = np.isnan(number)
        # a wild later value stays finite in float32
        out[:, 0] = np.where(absent, 0.0, np.clip((number - one.mean) / one.std, -1e6, 1e6))
    else:
        place = {value: i for i, value in enumerate(one.categories)}
        absent = values == None  # noqa: E711 (elementwise)
        at = np.array([place.get(value, len(place)) for value in values], np.int64)
        out[np.flatnonzero(~absent), at[~absent]] = 1.0
    if one.missing:
        out[:, -1] = absent
    return out
