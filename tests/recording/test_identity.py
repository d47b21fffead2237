"""Identity travels with the sample, whatever the data loader does; every sample here says who it is."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

from datapare.errors import InputError
from datapare.recording.indexed_loader import prepend_index, with_indices

N = 37


class Telling(Dataset):
    """Item i is ([i, i²], i mod 3)."""

    def __init__(self, count=N) -> None:
        self.count = count
        self.opened = False

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i) -> Any:
        return torch.tensor([float(i), float(i) ** 2]), int(i) % 3


class Fetching(Telling):
    """Fetches a batch at once, as Hugging Face datasets do."""

    def __getitem__(self, i) -> Any:
        raise AssertionError

    def __getitems__(self, positions) -> Any:
        return [Telling.__getitem__(self, i) for i in positions]


class Stream(IterableDataset):
    def __iter__(self) -> Any:
        return iter(range(N))


def as_dict(samples):
    return {"who": torch.stack([who for who, _ in samples]), "label": torch.tensor([label for _, label in samples])}


def open_in_worker(_worker):
    get_worker_info().dataset.opened = True


def pair(index, batch):
    return index, batch


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


CONFIGURATIONS = {
    "plain": {"batch_size": 5},
    "shuffle": {"batch_size": 5, "shuffle": True},
    "drop_last": {"batch_size": 5, "shuffle": True, "drop_last": True},
    "workers": {"batch_size": 5, "shuffle": True, "num_workers": 2},
    "out_of_order": {
        "batch_size": 2,
        "shuffle": True,
        "num_workers": 2,
        "in_order": False,
        "prefetch_factor": 3,
        "timeout": 60,
    },
    "persistent": {"batch_size": 5, "shuffle": True, "num_workers": 1, "persistent_workers": True},
    "replacement": {
        "batch_size": 5,
        "sampler": lambda: WeightedRandomSampler(torch.arange(1.0, N + 1), 50, generator=seeded()),
    },
    "more_than_all": {
        "batch_size": 5,
        "sampler": lambda: RandomSampler(range(N), replacement=True, num_samples=80, generator=seeded()),
    },
    "batch_sampler": {"batch_sampler": lambda: BatchSampler(SequentialSampler(range(N)), 4, drop_last=True)},
    "tensor_sampler": {"batch_size": 5, "sampler": lambda: torch.randperm(N, generator=seeded())},
    "list_batches": {"batch_sampler": [[3, 1, 2], [3, 3], [36]]},
    "whole_batches": {"batch_size": None, "sampler": [4, 2, 2, 9]},
    "collate": {"batch_size": 5, "shuffle": True, "collate_fn": as_dict},
    "worker_init": {"batch_size": 5, "num_workers": 1, "worker_init_fn": open_in_worker},
}


def made(name, dataset):
    settings = {
        key: value() if "sampler" in key and callable(value) else value for key, value in CONFIGURATIONS[name].items()
    }
    return DataLoader(dataset, generator=seeded(), **settings)


def who(batch):
    """Read the identity that the samples of a batch tell, (B,)."""
    tensor = batch["who"] if isinstance(batch, dict) else batch[0]
    return tensor.reshape(-1, 2)[:, 0].long()


@pytest.mark.parametrize(
    ("name", "dataset"),
    # A dataset that only fetches batches cannot be asked for one item.
    [
        (name, one)
        for name in CONFIGURATIONS
        for one in (Telling, Fetching)
        if (name, one) != ("whole_batches", Fetching)
    ],
)
def test_index_names_the_samples_and_the_order_is_the_loaders(name, dataset):
    numbered = with_indices(made(name, dataset()), N, pair)
    plain = made(name, dataset())
    for _ in range(2):  # two epochs: workers and generators go on
        ours = list(numbered)
        theirs = list(plain)
        for index, batch in ours:
            assert index.dtype == torch.int64
            assert index.tolist() == who(batch).tolist()
        told = [who(batch).tolist() for batch in theirs]
        if name == "out_of_order":
            ours.sort(key=lambda pair: pair[0].tolist())
            told.sort()
        assert [index.tolist() for index, _ in ours] == told
        assert type(ours[0][1]) is type(theirs[0])


@pytest.mark.slow
def test_the_twin_travels_to_a_spawned_worker():
    loader = DataLoader(TensorDataset(torch.arange(N)), 9, shuffle=True, num_workers=1, multiprocessing_context="spawn")
    for index, told in with_indices(loader, N):
        assert index.tolist() == told.tolist()


def test_the_global_generator_is_drawn_from_as_by_the_loader_itself():
    orders = []
    for make in (lambda loader: loader, lambda loader: (batch for _, batch in with_indices(loader, N, pair))):
        torch.manual_seed(11)
        loader = DataLoader(Telling(), batch_size=4, shuffle=True)
        orders.append([who(batch).tolist() for batch in make(loader)] + [torch.rand(1).item()])
    assert orders[0] == orders[1]


def test_batches_are_unpacked_where_they_are_sequences():
    index, inputs, label = next(iter(with_indices(DataLoader(Telling(), batch_size=3), N, prepend_index)))
    assert (index.tolist(), inputs.shape, label.tolist()) == ([0, 1, 2], (3, 2), [0, 1, 2])
    index, batch = next(iter(with_indices(DataLoader(Telling(), batch_size=3, collate_fn=as_dict), N)))
    assert set(batch) == {"who", "label"}
    index, batch = next(iter(with_indices(DataLoader(list(range(N)), batch_size=3), N)))
    assert batch.tolist() == index.tolist()


def test_a_subset_is_recorded_at_its_base_positions():
    order = np.random.default_rng(0).permutation(N)[:20]
    nested = Subset(Subset(Telling(), order.tolist()), [5, 3, 19])
    for part in (Subset(Telling(), order.tolist()), nested):
        for index, batch in with_indices(DataLoader(part, batch_size=4, shuffle=True), N, pair):
            assert index.tolist() == who(batch).tolist()


def test_a_subset_whose_labels_were_given_is_recorded_at_its_own_positions():
    part = Subset(Telling(), [5, 3, 19])
    assert [index.tolist() for index, _ in with_indices(DataLoader(part, batch_size=3), 3, pair)] == [[0, 1, 2]]


def test_concatenated_datasets_count_on():
    both = ConcatDataset([Telling(10), Telling(N - 10)])
    index = torch.cat([index for index, _ in with_indices(DataLoader(both, batch_size=4), N, pair)])
    assert index.tolist() == list(range(N))


def test_accelerate_loaders_keep_their_device_and_seeding():
    data_loader = pytest.importorskip("accelerate.data_loader")
    prepared = data_loader.prepare_data_loader(
        DataLoader(Telling(), batch_size=5, shuffle=True), device=torch.device("cpu"), put_on_device=True
    )
    seen = []
    for index, batch in with_indices(prepared, N, pair):
        assert index.tolist() == who(batch).tolist()
        seen += index.tolist()
    assert sorted(seen) == list(range(N))


@pytest.mark.parametrize(
    ("loader", "sentence"),
    [
        (lambda: DataLoader(Stream()), "iterable dataset has no positions"),
        (lambda: DataLoader(Telling(N + 1)), "has 38 examples, but 37 labels"),
        (lambda: DataLoader(Subset(Telling(N + 1), range(5))), "has 5 examples, but 37 labels"),
        (lambda: DataLoader(Subset(Telling(), list(range(N))[::-1])), "in different orders"),
        (lambda: [torch.zeros(3)], "not a list"),
    ],
)
def test_a_loader_without_positions_is_refused_with_a_way_out(loader, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        with_indices(loader(), N)
    assert "pass your own positions to observe" in str(refused.value)


def test_a_sampler_that_yields_no_positions_is_refused():
    class ByName(Telling):
        def __getitem__(self, name) -> Any:
            return super().__getitem__(int(name))

    with pytest.raises(InputError, match="not positions"):
        list(with_indices(DataLoader(ByName(), sampler=["3", "4"]), N))


def test_dropping_the_position_of_a_shuffled_loader_would_show():
    """The proof that these tests can fail: counting batches instead of asking the sample."""
    loader = made("shuffle", Telling())
    counted = [list(range(5 * i, 5 * i + 5)) for i in range(8)]
    assert any(expected != who(batch).tolist() for expected, batch in zip(counted, loader, strict=True))
