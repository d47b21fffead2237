"""Names for arrays of any dtype, and for what a training loop that is not ours hands over."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import DataLoader

Array: TypeAlias = NDArray[Any]  # of any dtype and shape
Values: TypeAlias = Tensor | ArrayLike  # what `to_tensor` reads: tensors, arrays of any library, lists of numbers
Labels: TypeAlias = Sequence[int] | Array | Tensor  # (N,)

# What follows is Any to mypy, as it is whatever the user's dataset, collation, model and loss function make of it.
Loader: TypeAlias = DataLoader[Any]  # of batches of any kind
StatefulLoader = Any  # a DataLoader that may have state_dict and load_state_dict, as those of torchdata have
MapDataset = Any  # a dataset with a length and items by position; the Dataset of torch declares no length
Batch = Any  # a tensor, tuple, list or mapping, as a collation returns it
Outputs = Any  # what a model returns, or the part of it that the user's criterion takes
Targets = Any  # numbers, or whatever the user's criterion takes
Collation: TypeAlias = Callable[[Any], Batch]
Join: TypeAlias = Callable[[Tensor, Batch], Batch]
Criterion: TypeAlias = Callable[[Outputs, Targets], Tensor]
