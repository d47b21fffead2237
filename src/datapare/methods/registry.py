"""The folder is the registry: file name = function name = command-line name.

A method is one pure function. Its positional parameters name the arrays it reads, its keyword-only parameters are its
knobs; everything else (flags, help, tables, error messages, tests) is derived from the signature.
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

MethodGroup = Literal["score", "select", "extrapolate", "metric", "perturb"]
METHOD_GROUPS: tuple[MethodGroup, ...] = get_args(MethodGroup)
BOUND_BY_API = {"n", "rng"}  # positional parameters that are no arrays


@dataclass(frozen=True)
class Method:
    """A method as found: its function, the arrays it reads, its knobs with defaults, and its documentation."""

    name: str
    group_name: MethodGroup
    function: Callable[..., Any]
    reads: tuple[str, ...]
    params: Mapping[str, inspect.Parameter]
    title: str
    doc: str

    def told(self, label: str) -> str:
        """What the method's file says under a label, such as Source or Cost, on one line; empty when it says nothing.

        >>> find("score", "dual").told("Cost")
        '30 epochs on CIFAR, 60 on ImageNet.'
        """
        first, *rest = self.doc.partition(f"\n{label} ")[2].splitlines() or [""]
        return " ".join(line.strip() for line in [first, *takewhile(lambda line: line.startswith("  "), rest)])

    def meaning(self, param: str) -> str:
        """What a knob means, told by the `Knobs` lines of the method's file.

        >>> find("score", "dual").meaning("window")
        'Epochs in each sliding window, at least 2.'
        """
        told = dict(part.split(": ", 1) for part in re.split(r"; (?=\w+: )", self.told("Knobs").rstrip(".")) if part)
        return f"{told[param][0].upper()}{told[param][1:]}."


def names(group_name: MethodGroup) -> list[str]:
    """All methods of a room, in alphabetical order, without importing any.

    >>> "dual" in names("score")
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / group_name)]))


@cache
def find(group_name: MethodGroup, name: str) -> Method:
    """Import one method by name; raises InputError, suggesting the nearest names, when there is none.

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
        reads=tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in BOUND_BY_API),
        params={p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY},
        title=doc.splitlines()[0].partition(": ")[2],
        doc=doc,
    )


def check_params(method: Method, params: Mapping[str, Any]) -> dict[str, Any]:
    """All knobs of a method, the given ones and the defaults; raises InputError for unknown, missing or misfit ones.

    >>> check_params(find("score", "dual"), {})
    {'window': 10}
    """
    unknown = sorted(set(params) - set(method.params))
    if unknown:
        allowed = ", ".join(method.params) or "none"
        raise InputError(f"{method.name} has no knob {unknown[0]!r}; its knobs are: {allowed}.")
    values = {}
    for name, parameter in method.params.items():
        value = params.get(name, parameter.default)
        if value is parameter.empty:
            raise InputError(f"{method.name} needs the knob {name}, for which nothing is published: give --{name}.")
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


def fitted(
    method: Method, arrays: Mapping[str, Any], n: int, params: Mapping[str, Any], *, augmented: bool = False
) -> dict[str, Any]:
    """The knobs that a selection rule fits to the whole dataset when they were not given: by `fit` in its file, if any.

    `augmented` says that the arrays were recorded on augmented inputs.

    >>> fitted(find("select", "top"), {"score": [0.5]}, 1, {})
    {}
    """
    fit = getattr(import_module(method.function.__module__), "fit", None)
    return {} if fit is None else fit(**arrays, n=n, augmented=augmented, **params)


def published(method: Method, dataset: str, keep: float | None = None) -> tuple[dict[str, Any], bool]:
    """The knobs that were published for a dataset, and whether that is verified; none when the file holds none.

    Where they depend on the kept fraction, those of the nearest published fraction; raises InputError, telling them
    all, when `keep` is not known as a fraction.

    >>> published(find("select", "beta"), "cifar100"), published(find("select", "beta"), "cifar10")
    (({'c_d': 4.0}, True), ({'c_d': 5.5}, False))
    >>> published(find("select", "ccs"), "cifar100", 0.12)
    ({'cut': 0.5}, True)
    """
    values, doubted = _presets(method.group_name, method.name).get(dataset, {}), _unverified(method)
    fractions = [key for key in values if isinstance(key, float)]
    if not fractions:
        return dict(values), dataset not in doubted
    if keep is None:
        each = "; ".join(f"{key:g}: {', '.join(f'{k}={v}' for k, v in values[key].items())}" for key in fractions)
        raise InputError(
            f"what is published of {method.name} for {dataset} depends on the fraction kept: give --keep as one, or "
            f"these knobs instead of the preset ({each})."
        )
    nearest = min(fractions, key=lambda fraction: abs(fraction - keep))
    return dict(values[nearest]), (dataset, nearest) not in doubted


def datasets_published(group_name: MethodGroup) -> list[str]:
    """The datasets for which some method of a room has published knobs.

    >>> datasets_published("score")
    ['cifar10', 'cifar100', 'imagenet']
    """
    return sorted({dataset for name in names(group_name) for dataset in _presets(group_name, name)})


def _presets(group_name: MethodGroup, name: str) -> Mapping[str, Mapping[Any, Any]]:
    found: Mapping[str, Mapping[Any, Any]] = getattr(
        import_module(f"datapare.methods.{group_name}.{name}"), "PRESETS", {}
    )
    return found


def _unverified(method: Method) -> set[Any]:
    found: set[Any] = getattr(import_module(method.function.__module__), "UNVERIFIED", set())
    return found
