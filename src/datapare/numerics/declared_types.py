"""Values of a declared type: numbers, text, choices, paths, arrays, artifacts, lists of them, and unions of these."""

import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ForwardRef, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, is_typeddict

import numpy as np

from datapare.errors import InputError

TypeForm = object  # a type as an annotation has it: a class, a union, a Literal, a name
CallableType = get_origin(Callable[[], None])
MADE_BY = {  # what makes an object of a class, for the message
    "Comparison": "compare or sweep",
    "Dataset": "open_dataset",
    "Dynamics": "record, a Recorder or load",
    "Perturbation": "perturb",
    "Provenance": "Provenance(...)",
    "RunFolder": "RunFolder.open",
    "Scores": "score",
    "Subset": "select",
    "TrainingConfig": "datapare.training.TrainingConfig(...)",
}
LONGEST = 60  # characters of a value in a message
_SHOWN = (str, bytes, numbers.Number, Path, list, tuple, dict, set)
_PLAIN: Mapping[str, TypeForm] = {"int": int, "float": float, "bool": bool, "str": str, "Path": Path, "None": NoneType}
_KINDS = {"": "biufSU", "uint64": "u", "bool": "b", "bool_": "b"}  # of numpy; labels may be floats that are whole
_ARRAYS = {"int64": "whole numbers", "uint64": "uint64", "bool": "True and False", "bool_": "True and False"}


class Limits(NamedTuple):
    """What else is required: the smallest and the largest number, and whether a list may be empty."""

    least: float | None = None
    most: float | None = None
    empty: bool = False


def checked(
    name: str,
    value: object,
    type_: TypeForm,
    *,
    least: float | None = None,
    most: float | None = None,
    empty: bool = False,
) -> Any:  # of the type `type_`
    """Return a value of the declared type, numpy numbers as plain ones.

    Args:
        name: Name of the option, for the message.
        value: The value, of any type: it comes from a user.
        type_: A type, a `Literal`, a `Sequence` or `Mapping` of one, an array type, the name of a class, or a union of
            these; a type of another form is left to whoever uses the value.
        least: Smallest allowed number; sequences are checked item by item.
        most: Largest allowed number.
        empty: Whether an empty list is a list.

    Raises:
        InputError: When the value is of another type or out of range.

    >>> checked("epochs", 0, int, least=1)
    Traceback (most recent call last):
    datapare.errors.InputError: expected epochs as a whole number of at least 1, got 0.
    >>> checked("data", 3, "Dataset | None")
    Traceback (most recent call last):
    datapare.errors.InputError: expected data as a Dataset (made by open_dataset), got 3.
    """
    limits = Limits(least, most, empty)
    for one in sorted(_parts(type_), key=_effort):
        found, plain = _fits(value, one, limits)
        if found:
            return plain
    raise InputError(f"expected {name} as {_describe(type_, limits)}, got {shown(value)}.")


def shown(value: object) -> str:
    """Return a value as a message shows it: itself where it is short, else what it is.

    >>> shown([1, 2]), shown(np.zeros((2, 3))), shown(len)
    ('[1, 2]', 'an array of float64 of shape (2, 3)', 'a builtin_function_or_method')
    """
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value) if isinstance(value, _SHOWN) else ""
    if value is None or (text and len(text) <= LONGEST and "\n" not in text and " at 0x" not in text):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def is_declared(type_: TypeForm) -> bool:
    """Whether values of a type can be checked: whether every part of it has one of the forms that `checked` knows."""
    return all(map(_is_known, _parts(type_)))


def _parts(type_: TypeForm) -> Iterator[TypeForm]:
    """Yield the parts of a union, also of one that is written as text."""
    if isinstance(type_, ForwardRef):
        type_ = type_.__forward_arg__
    if isinstance(type_, str):
        yield from (NoneType if one == "None" else one for one in map(str.strip, _split(type_)))
    elif isinstance(type_, TypeVar):
        for one in type_.__constraints__ or (type_.__bound__,):
            yield from _parts(one)
    elif get_origin(type_) in {Union, UnionType}:
        for one in get_args(type_):
            yield from _parts(one)
    else:
        yield type_


def _effort(type_: TypeForm) -> int:
    """What checking a type takes: lists are looked through item by item, arrays are not."""
    form, _ = _form(type_)
    return 2 if form in {Sequence, Mapping} else int(form is np.ndarray)


def _split(text: str) -> list[str]:
    """Split the text of a union at the bars that stand in no brackets."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _form(type_: TypeForm) -> tuple[TypeForm, tuple[TypeForm, ...]]:
    """Return what a part of a type is made of: its origin, or its class, or its name; and its arguments."""
    if isinstance(type_, str):
        return (CallableType, ()) if type_.startswith("Callable[") else (_PLAIN.get(type_, type_), ())
    form, arguments = get_origin(type_) or type_, get_args(type_)
    if form is tuple and arguments[-1:] == (...,):
        return Sequence, arguments[:1]
    return (Mapping, ()) if is_typeddict(type_) else (form, arguments)


def _is_known(type_: TypeForm) -> bool:
    form, _ = _form(type_)
    if isinstance(form, str):
        return form in MADE_BY
    is_class = isinstance(form, type) and form not in {object, Any}
    return form is Literal or (is_class and not getattr(form, "_is_protocol", False))


def _fits(value: object, type_: TypeForm, limits: Limits) -> tuple[bool, object]:
    """Whether a value is of one plain type, and the value as that type has it."""
    form, arguments = _form(type_)
    if form in {Union, UnionType} or isinstance(form, ForwardRef):
        return next((fit for one in _parts(type_) if (fit := _fits(value, one, limits))[0]), (False, value))
    if form in {int, float}:
        return _fits_number(value, form, limits)
    if form is Sequence:
        return _fits_sequence(value, arguments[0], limits)
    if form is Literal:
        return isinstance(value, str | bool) and value in arguments, value
    return _is_of(value, form, arguments, limits), value


def _is_of(value: object, form: TypeForm, arguments: tuple[TypeForm, ...], limits: Limits) -> bool:
    """Whether a value is of a type whose values stay as they are; of an unknown one, everything is."""
    if form is Mapping:
        return _fits_mapping(value, arguments[1] if arguments else Any, limits)
    if form is tuple and arguments:
        return _fits_tuple(value, arguments, limits)
    if form is np.ndarray:
        return _fits_array(value, arguments[1])
    if _class_name(form) in MADE_BY:
        return _class_name(form) in (one.__name__ for one in type(value).__mro__)
    if not isinstance(form, type) or form is Any:
        return True
    return isinstance(value, form) and not (form is CallableType and isinstance(value, type))


def _fits_tuple(value: object, parts: Sequence[TypeForm], limits: Limits) -> bool:
    """Whether a value is a list of as many items, each of its own type."""
    if not isinstance(value, tuple | list) or len(value) != len(parts):
        return False
    return all(_fits(one, part, limits)[0] for one, part in zip(value, parts, strict=True))


def _fits_sequence(value: object, item: TypeForm, limits: Limits) -> tuple[bool, object]:
    """Whether a value is a list of such items, and the items as a tuple."""
    if isinstance(value, str | bytes | Mapping | AbstractSet | type) or not isinstance(value, Iterable):
        return False, value
    if isinstance(value, np.ndarray) and not value.ndim:
        return False, value
    items = [_fits(one, item, limits) for one in value]
    return (bool(items) or limits.empty) and all(found for found, _ in items), tuple(plain for _, plain in items)


def _fits_mapping(value: object, item: TypeForm, limits: Limits) -> bool:
    """Whether a value is a dict from names to such items."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    return all(any(_fits(one, part, limits)[0] for part in _parts(item)) for one in value.values())


def _fits_array(value: object, dtype: TypeForm) -> bool:
    """Whether a value is an array, a tensor or a list of numbers of the declared kind."""
    if value is None or isinstance(value, str | bytes | Mapping | type) or not hasattr(value, "__len__"):
        return False
    try:
        kind = np.asarray(value).dtype.kind
    except (TypeError, ValueError, RuntimeError):
        return False
    return kind in _KINDS.get(_dtype_name(dtype), "biuf") or not len(value)


def _dtype_name(dtype: TypeForm) -> str:
    return next((one.__name__ for one in get_args(dtype) if isinstance(one, type)), "")


def _fits_number(value: object, type_: TypeForm, limits: Limits) -> tuple[bool, object]:
    """Whether a value is such a number; whole ones fit in 64 bits, as arrays and files hold them."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if type_ is int else numbers.Real):
        return False, value
    plain = int(value) if isinstance(value, numbers.Integral) else float(value)
    if isinstance(plain, int) and not -(2**63) <= plain < 2**63:
        return False, value
    inside = (limits.least is None or plain >= limits.least) and (limits.most is None or plain <= limits.most)
    return not math.isnan(plain) and inside, plain


def _class_name(type_: TypeForm) -> str:
    return type_ if isinstance(type_, str) else str(getattr(type_, "__name__", ""))


def _describe(type_: TypeForm, limits: Limits) -> str:
    parts = [one for one in _parts(type_) if one is not NoneType]
    return " or ".join(_describe_part(one, limits) for one in parts)


def _describe_part(type_: TypeForm, limits: Limits) -> str:
    form, arguments = _form(type_)
    if form is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if form is Sequence:
        return f"a {'' if limits.empty else 'non-empty '}list, each {_describe(arguments[0], limits)}"
    if form is np.ndarray:
        return f"an array of {_ARRAYS.get(_dtype_name(arguments[1]), 'numbers')}"
    if form is tuple:
        return f"({', '.join(_describe(one, limits) for one in arguments)})"
    number = "" if limits.least is None else f" of at least {limits.least:g}"
    number = number if limits.most is None else f" between {limits.least or 0:g} and {limits.most:g}"
    words: Mapping[TypeForm, str] = {
        Mapping: "a dict by name", CallableType: "a function", Path: "a path", str: "text", bool: "True or False",
        int: f"a whole number{number}", float: f"a number{number}",
    }  # fmt: skip
    name = _class_name(form)
    return f"a {name} (made by {MADE_BY[name]})" if name in MADE_BY else words.get(form, name)
