"""A person's own training in a comparison, named as file.py:function or package.module:function.

    def train(train, test, *, seed, epochs): ...

`train` and `test` are Datasets that hold only the examples to train on and to judge by: `label` (n,) are numbers into
`classes`; `array` (n, …) holds small images or embeddings; `name`, `key` and `row` say which examples of the source
they are, for those who read it themselves. All randomness follows from `seed`. `epochs` counts passes over `train`, as
the budget of the comparison allows. What comes back is the accuracy, 0..1, or one boolean per example of `test`, True
where the model was right, which also brings accuracies per class and per group.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datapare.errors import DatapareError, InputError

OwnTraining = str | Callable[..., Any]


@cache
def load(name: str) -> Callable[..., Any]:
    """Import the function; raises InputError when it cannot be found or does not take what it will be given."""
    place, _, function = name.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        found: Callable[..., Any] = getattr(module, function)
    except (ImportError, AttributeError, ValueError, OSError) as error:
        raise InputError(
            f"the training {name!r} is file.py:function or package.module:function, but: {error}; check the spelling."
        ) from error
    return found


def check(training: OwnTraining) -> None:
    """Raise InputError unless the function takes what it will be given."""
    function = load(training) if isinstance(training, str) else training
    try:
        inspect.signature(function).bind(None, None, seed=0, epochs=1)
    except TypeError as error:
        raise InputError(
            f"{named(training)} is called as {named(training).rpartition(':')[2]}(train, test, seed=…, epochs=…), "
            f"but {error}; see examples/own_training.py."
        ) from error


def named(training: OwnTraining) -> str:
    """What the training is called in recipes and messages."""
    return training if isinstance(training, str) else f"{training.__module__}:{training.__qualname__}"


def source(training: OwnTraining) -> str:
    """Digest of the code, so that a changed training is not mistaken for a finished one."""
    function = load(training) if isinstance(training, str) else training
    try:
        file = inspect.getsourcefile(function)
        code = Path(file).read_bytes() if file else inspect.getsource(function).encode()
    except (OSError, TypeError):
        code = named(training).encode()
    return hashlib.sha256(code).hexdigest()


def call(training: OwnTraining, train: Any, test: Any, *, seed: int, epochs: int) -> tuple[float, Any, float]:
    """Run the training and return the accuracy, who was right (M,) bool or None, and the seconds it took.

    Raises DatapareError, saying where, when the function fails, and InputError when it returns something else.
    """
    function = load(training) if isinstance(training, str) else training
    start = time.perf_counter()
    try:
        answer = function(train, test, seed=seed, epochs=epochs)
    except DatapareError:
        raise
    except Exception as error:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = "" if frame is None else f" in {frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}"
        raise DatapareError(f"{named(training)} failed{where}: {type(error).__name__}: {error}") from error
    seconds = time.perf_counter() - start
    accuracy, correct = understood(named(training), answer, len(test))
    return accuracy, correct, seconds


def understood(name: str, answer: Any, count: int) -> tuple[float, NDArray[np.bool_] | None]:
    """The accuracy and, where given, who was right; raises InputError for anything else.

    >>> understood("f", 0.5, 2), understood("f", np.array([True, False]), 2)[0]
    ((0.5, None), 0.5)
    """
    values: NDArray[Any] = np.asarray(answer)
    if values.shape == (count,) and values.dtype == bool:
        return float(values.mean()), values
    if values.ndim == 0 and np.issubdtype(values.dtype, np.number) and 0 <= float(values) <= 1:
        return float(values), None
    told = f"{float(values)}" if values.ndim == 0 and np.issubdtype(values.dtype, np.number) else _shape(values)
    raise InputError(
        f"{name} returns the accuracy, 0..1, or one boolean for each of the {count:,} held-out examples, not {told}."
    )


def _shape(values: NDArray[Any]) -> str:
    return f"{values.dtype} of shape {values.shape}"


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    name = f"own_training_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # so that it finds its neighbours, as it would when run
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
