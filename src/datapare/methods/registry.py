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
from typing import Any, Literal, get_args, get_origin

from datapare.errors import InputError
from datapare.methods.spec import MethodSpec

MethodGroup = Literal["score", "select", "extrapolate", "metric", "perturb"]
METHOD_GROUPS: tuple[MethodGroup, ...] = get_args(MethodGroup)
NOT_ARRAYS = {"n", "rng"}  # positional parameters that are no arrays


@dataclass(frozen=True)
class Method:
    """A method: its function, the arrays it reads, its parameters with defaults, its documentation and its spec."""

    name: str
    group_name: MethodGroup
    function: Callable[..., Any]
    reads: tuple[str, ...]
    params: Mapping[str, inspect.Parameter]
    title: str
    doc: str
    spec: MethodSpec

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
        meaning = dict(part.split(": ", 1) for part in parts if part)[param]
        return f"{meaning[0].upper()}{meaning[1:]}."


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
    doc = inspect.getdoc(module) or ""
    return Method(
        name=name,
        group_name=group_name,
        function=function,
        reads=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in NOT_ARRAYS),
        params={p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY},
        title=doc.splitlines()[0].partition(": ")[2],
        doc=doc,
        spec=getattr(module, "SPEC", MethodSpec()),
    )


def check_params(method: Method, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of a method: those given, and the defaults of the others.

    Raises:
        InputError: For parameters that are unknown, missing or of another type.

    >>> check_params(find("score", "dual"), {})
    {'window': 10}
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
        values[name] = _checked(method.name, name, value, parameter.annotation)
    return values


def _checked(method: str, name: str, value: Any, annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        if value not in get_args(annotation):
            raise InputError(f"{method}: {name} is one of {', '.join(map(str, get_args(annotation)))}, not {value!r}.")
        return value
    wanted = get_args(annotation) or (annotation,)
    if float in wanted and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, tuple(w for w in wanted if isinstance(w, type))) or (
        isinstance(value, bool) and bool not in wanted
    ):
        kinds = " or ".join(getattr(w, "__name__", str(w)) for w in wanted)
        raise InputError(f"{method}: {name} is of type {kinds}, not {value!r}.")
    return value
