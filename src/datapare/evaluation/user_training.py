"""The user's own training in a comparison, named as file.py:function or package.module:function.

    def train(train, test, *, seed, epochs): ...
    def train(train, test, *, seed, epochs, weight=None): ...

`train` and `test` are Datasets that hold only the examples to train on and the held-out ones: `label` (n,) are numbers
into `classes`; `array` (n, …) holds small images or embeddings; `name`, `key` and `row` identify the examples in the
source, for functions that read it themselves. All randomness follows from `seed`. `epochs` counts passes over `train`,
as the budget of the comparison allows. `weight` (n,) is how much each example counts, for subsets that have weights.
The function returns the accuracy, 0..1, or one boolean per example of `test`, True where the prediction was right,
which also gives accuracies per class and per group, and narrower intervals.
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
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datapare.artifacts import Array, Floats
from datapare.errors import DatapareError, InputError
from datapare.storage import meant

if TYPE_CHECKING:
    from datapare.data import Dataset

UserTraining = str | Callable[..., object]  # what the function returns is checked by parse_result


@cache
def load_training(name: str) -> Callable[..., object]:
    """Import the function of this name.

    Raises:
        InputError: When it cannot be found.
    """
    place, _, function = name.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        loaded: Callable[..., object] = getattr(module, function)
    except (ImportError, AttributeError, ValueError, OSError) as error:
        raise InputError(
            f"the training {name!r} is file.py:function or package.module:function, but: {error}; check the spelling."
        ) from error
    return loaded


def located(training: UserTraining) -> UserTraining:
    """Return a training whose file is found from any working directory, as that of a process elsewhere.

    >>> located("package.module:function")
    'package.module:function'
    """
    place, _, function = training.rpartition(":") if isinstance(training, str) else ("", "", "")
    return f"{Path(place).resolve()}:{function}" if place.endswith(".py") else training


def check_training(training: UserTraining) -> None:
    """Raise InputError unless the function accepts the arguments it is called with."""
    try:
        inspect.signature(_function(training)).bind(None, None, seed=0, epochs=1)
    except TypeError as error:
        name = training_name(training)
        raise InputError(
            f"{name} is called as {name.rpartition(':')[2]}(train, test, seed=…, epochs=…), "
            f"but {error}; see examples/own_training.py."
        ) from error


def check_weights(training: UserTraining) -> None:
    """Raise InputError unless the function accepts the weights of a subset."""
    try:
        inspect.signature(_function(training)).bind(None, None, seed=0, epochs=1, weight=None)
    except TypeError as error:
        raise InputError(
            f"the subset weighs its examples, but {training_name(training)} accepts no weights; give it a keyword "
            "parameter weight=None (one number per training example), or compare a subset without weights."
        ) from error


def training_name(training: UserTraining) -> str:
    """Return the name of the training in provenances and messages."""
    return training if isinstance(training, str) else f"{training.__module__}:{training.__qualname__}"


def code_digest(training: UserTraining) -> str:
    """Return a digest of the code, so that a changed training is not mistaken for a finished one."""
    function = _function(training)
    try:
        file = inspect.getsourcefile(function)
        code = Path(file).read_bytes() if file else inspect.getsource(function).encode()
    except (OSError, TypeError):
        code = training_name(training).encode()
    return hashlib.sha256(code).hexdigest()


def call_training(
    training: UserTraining,
    train: "Dataset",
    test: "Dataset",
    *,
    seed: int,
    epochs: int,
    weight: Floats | None = None,
) -> tuple[float, NDArray[np.bool_] | None, float]:
    """Run the training.

    Returns:
        The accuracy, which predictions were right (M,) or None where unknown, and the seconds it took.

    Raises:
        DatapareError: When the function fails; the message names the file and line.
        InputError: When it returns something else.
    """
    function, name = _function(training), training_name(training)
    weights = {} if weight is None else {"weight": weight}
    start = time.perf_counter()
    try:
        answer = function(train, test, seed=seed, epochs=epochs, **weights)
    except DatapareError:
        raise
    except Exception as error:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = "" if frame is None else f" in {frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}"
        raise DatapareError(f"{name} failed{where}: {type(error).__name__}: {error}") from error
    seconds = time.perf_counter() - start
    accuracy, correct = parse_result(name, answer, len(test))
    return accuracy, correct, seconds


def parse_result(name: str, answer: object, count: int) -> tuple[float, NDArray[np.bool_] | None]:
    """Return the accuracy and, where known, which predictions were right.

    Raises:
        InputError: For anything but an accuracy or one boolean per held-out example.

    >>> parse_result("f", 0.5, 2), parse_result("f", np.array([True, False]), 2)[0]
    ((0.5, None), 0.5)
    """
    values: Array = np.asarray(answer)
    if values.shape == (count,) and values.dtype == bool:
        return float(values.mean()), values
    number = values.ndim == 0 and np.issubdtype(values.dtype, np.number)
    if number and 0 <= float(values) <= 1:
        return float(values), None
    got = f"{float(values)}" if number else f"{values.dtype} of shape {values.shape}"
    raise InputError(
        f"{name} returns the accuracy, 0..1, or one boolean for each of the {count:,} held-out examples, not {got}."
    )


def _function(training: UserTraining) -> Callable[..., object]:
    return load_training(training) if isinstance(training, str) else training


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"there is no file {path}{meant(path)}")
    name = f"user_training_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
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
