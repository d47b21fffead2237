"""Calls whose arguments are checked by their declared types before anything runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from datapare.errors import InputError, suggest
from datapare.numerics.declared_types import TypeForm, checked, is_declared

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LEAST: Mapping[str, float] = {"seed": 0, "margin": 0, "within": 0}  # of arguments that are in no table of options
MOST: Mapping[str, float] = {"margin": 0.99}
OPENING = frozenset({
    "label", "input", "id", "kind", "split", "on_bad_example", "classes", "group", "follow_links", "trust_images",
    "stream", "max_gib", "max_pixels",
})  # fmt: skip  # options of open_dataset
P = ParamSpec("P")
R = TypeVar("R")


class Declared(NamedTuple):
    """What is declared of an argument: its type, the smallest and largest number, whether a list may be empty."""

    type_: TypeForm
    least: float | None = None
    most: float | None = None
    empty: bool = True


def checked_call(function: Callable[P, R], options: Mapping[str, Declared] | None = None) -> Callable[P, R]:
    """Return a function that checks its arguments before it runs.

    Arguments are checked by their annotation where `checked` knows its form; a seed is at least 0. What another type
    is used as is left to the function.

    Args:
        function: The function.
        options: What is declared of arguments beside their annotation, by name.

    >>> import numpy as np
    >>> @checked_call
    ... def draw(keep: float, seed: int = 0) -> int:
    ...     return seed
    >>> draw(0.5, seed=np.int64(3))
    3
    >>> draw("half")
    Traceback (most recent call last):
    datapare.errors.InputError: expected keep as a number, got 'half'.
    >>> draw(0.5, seed=-1)
    Traceback (most recent call last):
    datapare.errors.InputError: expected seed as a whole number of at least 0, got -1.
    """
    parameters = inspect.signature(function).parameters
    extra = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    declared = {
        name: Declared(p.annotation, LEAST.get(name), MOST.get(name))
        for name, p in parameters.items()
        if p.kind not in {p.VAR_KEYWORD, p.VAR_POSITIONAL} and p.annotation is not p.empty and is_declared(p.annotation)
    } | dict(options or {})

    called = function.__qualname__.removesuffix(".__init__").rpartition("<locals>.")[2]

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in parameters and not extra:
                raise InputError(unknown_argument(called, name, list(parameters)))
        for name, value in zip(parameters, args, strict=False):
            _check(name, value, declared)
        given: dict[str, object] = kwargs
        for name in given.keys() & declared.keys():
            given[name] = _check(name, given[name], declared)
        return function(*args, **kwargs)

    return run


def unknown_argument(called: str, name: str, known: Sequence[str]) -> str:
    """Return what to say of an argument that a function does not have.

    >>> unknown_argument("record", "epoch", ["data", "epochs"])
    "record has no argument 'epoch'; did you mean epochs?"
    >>> unknown_argument("record", "label", ["data", "epochs"])
    "record has no argument 'label'; give it to open_dataset, and what that returns to record."
    """
    if name in OPENING and {"data", "source"} & {*known}:
        return f"{called} has no argument {name!r}; give it to open_dataset, and what that returns to {called}."
    return f"{called} has no argument {name!r}; {suggest(name, known)}"


def check_fields(instance: "DataclassInstance") -> None:
    """Raise InputError unless every field of a dataclass is of its declared type."""
    for one in fields(instance):
        checked(one.name, getattr(instance, one.name), one.type, empty=True)


def _check(name: str, value: object, declared: Mapping[str, Declared]) -> object:
    if name not in declared:
        return value
    type_, least, most, empty = declared[name]
    found: object = checked(name, value, type_, least=least, most=most, empty=empty)
    return found
