"""The folder is the registry: file name = function name = command-line name.

A method is one pure function. Its positional parameters name the arrays it reads, its keyword-only parameters are its
options; flags, help, tables, error messages and tests are derived from the signature.
"""

import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from datapare.artifacts import Kind
from datapare.errors import InputError
from datapare.methods.epoch_range import MEANING, PARAMS
from datapare.methods.signals import SIGNALS, source_of
from datapare.methods.spec import MethodSpec, ParamValue, Range
from datapare.numerics.declared_types import checked

MethodGroup = Literal["score", "select", "extrapolate", "metric", "perturb"]
METHOD_GROUPS: tuple[MethodGroup, ...] = get_args(MethodGroup)
NOT_ARRAYS = {"n", "rng"}  # positional parameters that are no arrays


@dataclass(frozen=True)
class Method:
    """A method: its function, the arrays it reads, its parameters with defaults, its documentation and its spec.

    `reads_epochs`: whether it reads channels epoch by epoch; its parameters then include `first` and `count`.
    """

    name: str
    group_name: MethodGroup
    function: Callable[..., Any]  # returns what its group does: scores, positions, a number, changed rows
    reads: tuple[str, ...]
    params: Mapping[str, inspect.Parameter]
    ranges: Mapping[str, Range]
    reads_epochs: bool
    title: str
    doc: str
    spec: MethodSpec

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Return the kinds of data for which what it reads exists.

        >>> find("score", "puma").kinds, find("perturb", "fog").kinds
        (('image', 'table', 'embedding'), ('image',))
        """
        known: tuple[Kind, ...] = get_args(Kind)
        return tuple(kind for kind in known if all(kind in _kinds_of(name) for name in self.reads))

    def section(self, label: str) -> str:
        """Return a section of the method's docstring, such as Source or Cost, on one line; empty where there is none.

        >>> find("score", "dual").section("Cost")
        '30 epochs on CIFAR, 60 on ImageNet.'
        """
        first, *rest = self.doc.partition(f"\n{label} ")[2].splitlines() or [""]
        return " ".join(line.strip() for line in [first, *takewhile(lambda line: line.startswith("  "), rest)])

    def describe_param(self, param: str) -> str:
        """Return what a parameter means, from the `Parameters` section of the method's docstring.

        >>> find("score", "dual").describe_param("window")
        'Epochs in each sliding window, at least 2.'
        """
        parts = re.split(r"; (?=\w+: )", self.section("Parameters").rstrip("."))
        meaning = {**MEANING, **dict(part.split(": ", 1) for part in parts if part)}[param]
        return f"{meaning[0].upper()}{meaning[1:]}."


def _kinds_of(read: str) -> tuple[Kind, ...]:
    """The kinds of data that have an array of this name; pictures are what images alone have."""
    if read == "image":
        return ("image",)
    signal = SIGNALS.get(source_of(read))
    return get_args(Kind) if signal is None else signal.kinds


def names(group_name: MethodGroup) -> list[str]:
    """List the methods of a group in alphabetical order, without importing any.

    >>> "dual" in names("score")
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / group_name)]))


@cache
def find(group_name: MethodGroup, name: str) -> Method:
    """Import one method by name.

    Raises:
        InputError: If there is no such method; the message suggests the nearest names.

    >>> find("score", "dual").reads
    ('target_prob',)
    """
    known = names(group_name)
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
        raise InputError(f"there is no {group_name} method {name!r}; {hint}")
    module = import_module(f"datapare.methods.{group_name}.{name}")
    function = getattr(module, name)
    parameters = inspect.signature(function).parameters.values()
    reads = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in NOT_ARRAYS)
    epochs = group_name in {"score", "select"} and any(SIGNALS[r].per_epoch for r in reads if r in SIGNALS)
    own = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    typed = {name: _split(p.annotation) for name, p in own.items()}
    params = {name: p.replace(annotation=typed[name][0]) for name, p in own.items()}
    doc = inspect.getdoc(module) or ""
    return Method(
        name=name,
        group_name=group_name,
        function=function,
        reads=reads,
        params={**params, **{word: p for word, p in PARAMS.items() if epochs and word not in params}},
        ranges={name: bounds for name, (_, bounds) in typed.items() if bounds is not None},
        reads_epochs=epochs,
        title=doc.splitlines()[0].partition(": ")[2],
        doc=doc,
        spec=getattr(module, "SPEC", MethodSpec()),
    )


def check_params(method: Method, params: Mapping[str, object]) -> dict[str, ParamValue]:
    """Return all parameters of a method: those given, and the defaults of the others.

    Raises:
        InputError: For parameters that are unknown, missing, of another type or out of their range.

    >>> check_params(find("score", "dual"), {})
    {'window': 10, 'first': 0, 'count': None}
    """
    unknown = sorted(set(params) - set(method.params))
    if unknown:
        allowed = ", ".join(method.params) or "none"
        raise InputError(f"{method.name} has no parameter {unknown[0]!r}; its parameters are: {allowed}.")
    values = {}
    for name, parameter in method.params.items():
        value = params.get(name, parameter.default)
        if value is parameter.empty:
            raise InputError(
                f"{method.name} needs the parameter {name}, for which nothing is published: give --{name}."
            )
        values[name] = _checked(method, name, value, parameter.annotation)
    return values


def call_params(method: Method, values: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
    """Return the parameters for the method's function, which gets only the epochs that `first` and `count` name.

    >>> call_params(find("score", "dual"), {"window": 10, "first": 0, "count": 30})
    {'window': 10}
    >>> call_params(find("score", "loss"), {"first": -1, "count": None})
    {'first': 0, 'count': None}
    """
    if not method.reads_epochs:
        return dict(values)
    own = inspect.signature(method.function).parameters
    every = {name: parameter.default for name, parameter in PARAMS.items()}
    return {name: every.get(name, value) for name, value in values.items() if name in own}


def _checked(method: Method, name: str, value: object, annotation: object) -> ParamValue:
    plain: ParamValue = checked(f"{name} of {method.name}", value, annotation)
    bounds = method.ranges.get(name, Range())
    if isinstance(plain, int | float) and not bounds.holds(plain):
        raise InputError(f"expected {name} of {method.name} {bounds}, got {value!r}.")
    return plain


def _split(annotation: object) -> tuple[object, Range | None]:
    """A parameter's type without its range, and the range."""
    if get_origin(annotation) is Annotated:
        plain, bounds = get_args(annotation)
        return plain, bounds
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation, None
    parts = [_split(one) for one in get_args(annotation)]
    return Union[tuple(plain for plain, _ in parts)], next((b for _, b in parts if b is not None), None)  # noqa: UP007
