"""Items of map-style torch datasets: what labels and inputs they may have, and what is refused with a way out."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from datapare.data import open_dataset
from datapare.errors import InputError

N = 24
CLASS = torch.arange(N) % 3


class Items(Dataset):
    """Items made by a function, with further attributes."""

    def __init__(self, make, **further):
        self.make = make
        self.__dict__.update(further)

    def __len__(self):
        return N

    def __getitem__(self, i):
        return self.make(i)


def vector(i):
    return torch.arange(4.0) + i


def tokens(i):
    return {"input_ids": torch.arange(3 + i % 2), "attention_mask": torch.ones(3 + i % 2)}


def classes_of(data):
    return [data.classes[i] for i in data.label]


LABELS = {
    "0-d tensor": lambda i: CLASS[i],
    "tensor of one number": lambda i: CLASS[i : i + 1],
    "one-hot tensor": lambda i: one_hot(CLASS[i], 3),
    "one-hot floats": lambda i: one_hot(CLASS[i], 3).float(),
    "one-hot list": lambda i: one_hot(CLASS[i], 3).tolist(),
    "whole float": lambda i: float(CLASS[i]),
}


@pytest.mark.parametrize("form", LABELS)
def test_a_label_is_a_number_in_any_form(form):
    data = open_dataset(Items(lambda i: (vector(i), LABELS[form](i))))
    assert classes_of(data) == list(map(str, CLASS.tolist()))
    named = open_dataset(Items(lambda i: (vector(i), LABELS[form](i)), classes=["a", "b", "c"]))
    if form != "whole float":
        assert classes_of(named) == ["abc"[i] for i in CLASS.tolist()]


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (lambda i: torch.tensor([0.9, 0.1]), "one class is read for each example"),
        (lambda i: torch.tensor([1, 1, 0]), "one class is read for each example"),
        (lambda i: i / 7, "labels are classes, but 20 values of 'y' are not whole numbers"),
    ],
)
def test_labels_that_are_no_classes_are_refused(label, sentence):
    with pytest.raises(InputError, match=sentence):
        open_dataset(Items(lambda i: (vector(i), label(i))))


def test_tensors_of_labels_are_read_as_arrays_are():
    x = torch.rand(N, 4)
    for y in (CLASS, CLASS[:, None], one_hot(CLASS), CLASS.float()):
        assert classes_of(open_dataset(TensorDataset(x, y))) == list(map(str, CLASS.tolist()))
        assert classes_of(open_dataset((x.numpy(), y.numpy()))) == list(map(str, CLASS.tolist()))
    with pytest.raises(InputError, match="not whole numbers"):
        open_dataset(TensorDataset(x, torch.rand(N)))


@pytest.mark.parametrize(
    "make",
    [
        lambda i: {**tokens(i), "labels": CLASS[i]},
        lambda i: {"input_ids": [1, i], "attention_mask": [1, 1], "label": i % 3},
        lambda i: (tokens(i), CLASS[i]),
    ],
)
def test_numbers_of_tokens_are_refused_and_texts_beside_them_are_read(make):
    with pytest.raises(InputError, match="numbers of tokens, which mean nothing without their tokenizer"):
        open_dataset(Items(make))
    beside = open_dataset(Items(lambda i: {"input_ids": [1, 2], "text": f"words {i}", "labels": i % 3}))
    assert beside.inputs == ("text",)


def test_labels_beside_items_are_those_of_parts_and_chains_too():
    held = Items(vector, targets=CLASS.tolist(), class_to_idx={"c": 2, "a": 0, "b": 1})
    expected = ["abc"[i] for i in CLASS.tolist()]
    at = list(range(0, N, 5))
    assert classes_of(open_dataset(held)) == expected
    assert classes_of(open_dataset(Subset(held, at))) == [expected[i] for i in at]
    assert classes_of(open_dataset(ConcatDataset([Subset(held, at), held]))) == [expected[i] for i in at] + expected


def test_a_chain_of_datasets_with_other_class_names_is_refused():
    one, other = (Items(lambda i: (vector(i), CLASS[i]), classes=names) for names in (["a", "b", "c"], ["c", "b", "a"]))
    with pytest.raises(InputError, match="number their classes differently"):
        open_dataset(ConcatDataset([one, other]))
    assert np.array_equal(open_dataset(ConcatDataset([one, one])).label, np.tile(CLASS.numpy(), 2))


@pytest.mark.parametrize("pair", [lambda i: (vector(i), torch.zeros(2, 3)), lambda i: [vector(i), torch.zeros(2)]])
def test_several_arrays_of_different_shapes_are_no_input(pair):
    with pytest.raises(InputError, match="several arrays of different shapes"):
        open_dataset(Items(lambda i: (pair(i), CLASS[i])))
