"""Values of a declared type: numbers, text, choices, lists of them, and unions of these."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, ForwardRef, Literal, Union, cast, get_args, get_origin

from datapare.errors import InputError

TypeForm = object  # a type as an annotation has it: a class, a union, a Literal
CallableType = get_origin(Callable[[], None])


def checked(
    name: str, value: object, type_: TypeForm, *, least: float | None = None, most: float | None = None
) -> Any:  # of the type `type_`
    """Return a value of the declared type, numpy numbers as plain ones.

    Args:
        name: Name of the option, for the message.
        value: The value, of any type: it comes from a user.
        type_: A type, a `Literal`, a `Sequence` of one, or a union of these.
        least: Smallest allowed number; sequences are checked item by item.
        most: Largest allowed number.

    Raises:
        InputError: When the value is of another type or out of range.

    >>> checked("epochs", 0, int, least=1)
    Traceback (most recent call last):
    datapare.errors.InputError: expected epochs as a whole number of at least 1, got 0.
    """
    for one in get_args(type_) if get_origin(type_) in {Union, UnionType} else (type_,):
        found, plain = _fits(value, one, least, most)
        if found:
            return plain
    raise InputError(f"expected {name} as {_describe(type_, least, most)}, got {value!r}.")


def _fits(value: object, type_: TypeForm, least: float | None, most: float | None) -> tuple[bool, object]:
    """Whether a value is of one plain type, and the value as that type has it."""
    if get_origin(type_) is Literal:
        return isinstance(value, str) and value in get_args(type_), value
    if get_origin(type_) is Sequence:
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
            return False, value
        items = [_fits(item, get_args(type_)[0], least, most) for item in value]
        return bool(items) and all(found for found, _ in items), tuple(item for _, item in items)
    if get_origin(type_) is CallableType:
        return callable(value), value
    if type_ in {int, float}:
        return _fits_number(value, type_, least, most)
    unchecked = type_ is Any or isinstance(type_, ForwardRef)  # by whoever uses it
    return unchecked or isinstance(value, cast("type", type_)), value


def _fits_number(value: object, type_: TypeForm, least: float | None, most: float | None) -> tuple[bool, object]:
    """Whether a value is such a number; whole ones fit in 64 bits, as arrays and files hold them."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if type_ is int else numbers.Real):
        return False, value
    plain = int(value) if isinstance(value, numbers.Integral) else float(value)
    if isinstance(plain, int) and not -(2**63) <= plain < 2**63:
        return False, value
    inside = (least is None or plain >= least) and (most is None or plain <= most)
    return not math.isnan(plain) and inside, plain


def _describe(type_: TypeForm, least: float | None, most: float | None) -> str:
    if get_origin(type_) in {Union, UnionType}:
        return " or ".join(_describe(one, least, most) for one in get_args(type_) if one is not NoneType)
    if get_origin(type_) is Literal:
        return f"one of {', '.join(map(str, get_args(type_)))}"
    if get_origin(type_) is Sequence:
        return f"a non-empty list, each {_describe(get_args(type_)[0], least, most)}"
    number = "" if least is None else f" of at least {least:g}"
    number = number if most is None else f" between {least or 0:g} and {most:g}"
    words: Mapping[TypeForm, str] = {
        int: f"a whole number{number}",
        float: f"a number{number}",
        str: "text",
        bool: "True or False",
    }
    return words.get(
        type_, "a function" if get_origin(type_) is CallableType else getattr(type_, "__name__", str(type_))
    )
