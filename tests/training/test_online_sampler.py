"""A sampler in other people's loops: order, identity, workers, processes, state, and what is refused.

The file is also the program of two processes: `test_online_sampler.py FOLDER`.
"""

import itertools
import json
import math
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import forked
import numpy as np
import pytest
import together
import torch
import torch.distributed as processes
from torch.utils.data import BatchSampler, DataLoader, Dataset, DistributedSampler, Subset, TensorDataset

import datapare as dp
from datapare.errors import DivergedError
from datapare.training.online import Plan, Rule, Sampler, sampler

LABEL = np.arange(40) % 4
MAKERS = {
    "infobatch": lambda **given: dp.online.infobatch(LABEL, 8, **given),
    "kakurenbo": lambda **given: dp.online.kakurenbo(LABEL, 8, fraction=0.5, **given),
    "dual_switch": lambda **given: dp.online.dual_switch(LABEL, 8, keep=0.5, after=3, window=3, **given),
    "orderdp": lambda **given: dp.online.orderdp(LABEL, 8, delta=1.0, **given),
    "seta": lambda **given: dp.online.seta(LABEL, 8, drop=0.2, **given),
    "dual_redraw": lambda **given: dp.online.dual_redraw(LABEL, 8, keep=0.5, after=3, window=3, **given),
}
each_method = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


class Pictures(Dataset):
    """Each item knows who it is."""

    def __len__(self) -> int:
        return len(LABEL)

    def __getitem__(self, position):
        return {"who": position, "label": int(LABEL[position])}


def logits_of(who, epoch):
    """What a network might say: easier for some, better every epoch, and the same for the same example."""
    who = np.asarray(who)
    noise = np.random.default_rng(epoch).normal(0, 1, (len(LABEL), 4))
    return torch.from_numpy(noise[who] + np.eye(4)[LABEL[who]] * (0.3 * epoch + 0.1 * who[:, None])).float()


def epoch_of(one):
    """Train an epoch without a loader; returns the order."""
    order = one.order()
    for part in np.array_split(order, 4):
        one.observe(part, logits_of(part, one.epoch), LABEL[part])
    if len(one.hidden):
        one.observe(one.hidden, logits_of(one.hidden, one.epoch))
    one.end_epoch()
    return order.tolist()


@each_method
@pytest.mark.parametrize("workers", [0, 2])
def test_in_a_loader_every_planned_example_comes_once_and_is_who_it_says(make, workers):
    by_loader, alone = make(seed=3), make(seed=3)
    loader = DataLoader(
        Pictures(), batch_size=7, sampler=by_loader, num_workers=workers, persistent_workers=workers > 0
    )
    for epoch in range(8 if not workers else 5):
        planned, hidden, seen = by_loader.index.tolist(), by_loader.hidden.tolist(), []
        assert len(loader) == -(-len(planned) // 7)
        for index, batch in by_loader.track(loader):
            assert index.tolist() == batch["who"].tolist()
            by_loader.observe(index, logits_of(index, epoch), batch["label"])
            seen += index.tolist()
        looked = []
        for index, batch in by_loader.revisit(loader):
            assert index.tolist() == batch["who"].tolist()
            by_loader.observe(index, logits_of(index, epoch), batch["label"])
            looked += index.tolist()
        by_loader.end_epoch()
        assert sorted(seen) == planned
        assert looked == hidden
        assert seen == epoch_of(alone)
    assert by_loader.index.tolist() == alone.index.tolist()
    assert len(by_loader.index) < len(LABEL) or make is MAKERS["infobatch"]


@each_method
def test_the_order_changes_with_epoch_and_seed_and_nothing_else(make):
    torch.manual_seed(0)
    one = make(seed=1)
    torch.manual_seed(9)
    np.random.seed(9)  # noqa: NPY002 - a caller may
    same, other = make(seed=1), make(seed=2)
    orders = [[epoch_of(each) for _ in range(8)] for each in (one, same, other)]
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[2][0]
    assert orders[0][0] != orders[0][1]


@each_method
@pytest.mark.parametrize("stop", [0, 1, 3, 4, 7])
def test_a_restored_run_goes_on_as_if_never_interrupted(make, stop, tmp_path):
    whole, first = make(seed=5), make(seed=5)
    orders = [epoch_of(whole) for _ in range(8)]
    for _ in range(stop):
        epoch_of(first)
    first.observe([0], logits_of([0], 0))  # an epoch begun, and lost
    file = tmp_path / "state.pt"
    torch.save(first.state_dict(), file)
    again = make(seed=5)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert (again.epoch, again.lr_factor) == (stop, first.lr_factor)
    torch.testing.assert_close(again.weight(range(40)), first.weight(range(40)))
    assert [epoch_of(again) for _ in range(stop, 8)] == orders[stop:]


def test_a_state_is_a_copy():
    one = dp.online.infobatch(LABEL, 8)
    epoch_of(one)
    state = one.state_dict()
    before = state["past"]["loss"].clone()
    other = dp.online.infobatch(LABEL, 8)
    other.load_state_dict(state)
    epoch_of(one)
    epoch_of(other)
    torch.testing.assert_close(state["past"]["loss"], before)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (dp.online.infobatch(LABEL, 8, drop=0.4), "drop"),
        (dp.online.infobatch(LABEL, 9), "epochs"),
        (dp.online.infobatch(LABEL, 8, seed=1), "seed"),
        (dp.online.infobatch(LABEL[::-1], 8), "labels"),
        (dp.online.kakurenbo(LABEL, 8), "rule"),
    ],
)
def test_the_state_of_another_run_is_refused(other, named):
    with pytest.raises(dp.InputError, match=f"other .*{named}"):
        other.load_state_dict(dp.online.infobatch(LABEL, 8).state_dict())


def test_an_example_not_seen_keeps_what_was_last_known_of_it():
    one = dp.online.kakurenbo([0, 0, 0, 0], epochs=10, fraction=0.5)
    one.observe(range(4), np.array([[9.0, 0], [8.0, 0], [7.0, 0], [0, 7.0]]))
    one.end_epoch()
    assert one.hidden.tolist() == [0, 1]
    one.observe([2, 3], np.array([[10.0, 0], [0, 7.0]]))  # nobody looked at 0 and 1 again
    one.end_epoch()
    assert one.hidden.tolist() == [0, 2]


def test_of_an_example_seen_twice_the_last_counts():
    one = dp.online.kakurenbo([0, 0], epochs=10, fraction=0.5)
    one.observe([0, 1, 0], np.array([[9.0, 0.0], [5.0, 0.0], [0.0, 1.0]]))
    one.end_epoch()
    assert one.hidden.tolist() == [1]


def test_weights_come_to_the_device_of_the_index_and_follow_positions():
    one = dp.online.infobatch(range(3), epochs=8)
    one.observe(range(3), np.diag([9.0, 9.0, 0.0]))
    one.end_epoch()
    weight = one.weight(torch.tensor([2, 0, 0], dtype=torch.int32))
    assert weight.dtype == torch.float32
    assert weight.tolist() == [1, 2, 2]


def test_a_batch_sampler_of_ones_own_is_welcome():
    one = dp.online.infobatch(LABEL, 8)
    loader = DataLoader(Pictures(), batch_sampler=BatchSampler(one, 6, drop_last=True))
    assert sum(len(index) for index, _ in one.track(loader)) == 36


def test_revisited_examples_may_come_from_a_view_without_augmentation():
    one = dp.online.kakurenbo([0, 0, 1], epochs=10, fraction=0.5)
    one.observe(range(3), np.array([[9.0, 0], [0, 1.0], [0, 1.0]]))
    one.end_epoch()
    plain = TensorDataset(torch.arange(3) * 10, torch.tensor([0, 0, 1]))
    ((index, image, target),) = one.revisit(DataLoader(plain, batch_size=2))
    assert (index.tolist(), image.tolist(), target.tolist()) == ([0], [0], [0])


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(Pictures(), batch_size=4, shuffle=True),
        DataLoader(Pictures(), batch_size=4, sampler=dp.online.infobatch(LABEL, 8)),
        DataLoader(Pictures(), batch_size=4, sampler=DistributedSampler(Pictures(), num_replicas=2, rank=0)),
        [[1, 2]],
    ],
)
def test_a_loader_that_draws_otherwise_is_refused(loader):
    with pytest.raises(dp.InputError, match="draws from this sampler itself"):
        dp.online.infobatch(LABEL, 8).track(loader)


def test_a_loader_that_accelerate_divided_is_refused_and_one_it_did_not_divide_works():
    data_loader = pytest.importorskip("accelerate.data_loader")
    one = dp.online.infobatch(LABEL, 8)
    loader = DataLoader(Pictures(), batch_size=4, sampler=one)
    divided = data_loader.prepare_data_loader(loader, num_processes=2, process_index=0, put_on_device=False)
    with pytest.raises(dp.InputError, match="do not have it divided among processes"):
        one.track(divided)
    whole = data_loader.prepare_data_loader(loader, num_processes=1, process_index=0, put_on_device=False)
    assert sorted(i for index, _ in one.track(whole) for i in index.tolist()) == list(range(40))


def test_a_part_of_the_labelled_dataset_is_refused():
    one = dp.online.infobatch(LABEL, 8)
    loader = DataLoader(Subset(Pictures(), range(30)), sampler=one)
    with pytest.raises(dp.InputError, match="expected a loader over the 40 labelled examples, but its dataset has 30"):
        one.track(loader)


def test_a_loop_that_forgets_to_end_its_epochs_is_told():
    one = dp.online.infobatch(LABEL, 8)
    loader = DataLoader(Pictures(), batch_size=8, sampler=one)
    for index, _ in one.track(loader):
        one.observe(index, logits_of(index, 0))
    with pytest.raises(dp.InputError, match="call end_epoch after each epoch"):
        next(iter(one.track(loader)))


def test_a_run_that_goes_on_after_its_last_epoch_is_told():
    one = dp.online.infobatch([0, 1], 1)
    one.observe([0, 1], np.zeros((2, 2)))
    one.end_epoch()
    for call in (lambda: one.observe([0], np.zeros((1, 2))), one.end_epoch, lambda: next(iter(one))):
        with pytest.raises(dp.InputError, match="all 1 epochs are done"):
            call()


def test_an_epoch_with_wrong_observations_does_not_count():
    one = dp.online.infobatch([0, 1], 4)
    with pytest.raises(dp.InputError, match="nothing was observed"):
        one.end_epoch()
    one.observe([0], np.array([[np.nan, 0.0]]))
    with pytest.raises(DivergedError, match="NaN or infinite"):
        one.end_epoch()
    one.observe([0], np.zeros((1, 2)), [1])
    with pytest.raises(dp.InputError, match="differ from the labels"):
        one.end_epoch()
    with pytest.raises(dp.InputError, match="positions lie between 0 and 1"):
        one.observe([2], np.zeros((1, 2)))
    assert one.epoch == 0
    one.observe([0, 1], np.zeros((2, 2)))
    one.end_epoch()
    assert one.epoch == 1


def test_infobatch_serves_a_task_with_a_loss_of_its_own_and_kakurenbo_says_what_it_needs():
    one = dp.online.infobatch(np.zeros(3, int), epochs=8)
    one.observe([2, 0, 1], loss=torch.tensor([4.0, 1.0, 1.0], requires_grad=True))
    one.end_epoch()
    assert one.weight(range(3)).tolist() == [2, 2, 1]
    with pytest.raises(dp.InputError, match="one of the two"):
        one.observe([0])
    with pytest.raises(dp.InputError, match="kakurenbo reads loss, margin, target_prob"):
        dp.online.kakurenbo([0, 0], 8).observe([0], loss=[1.0])


def test_a_method_of_ones_own_is_two_functions():
    def alternate(epoch, past, rng):
        del past, rng
        return Plan(np.arange(epoch % 2, 10, 2))

    one = Sampler(np.zeros(10, int), 3, Rule("alternate", {}, ("loss",), sampler.last_known, alternate))
    for expected in ([0, 2, 4, 6, 8], [1, 3, 5, 7, 9], [0, 2, 4, 6, 8]):
        assert sorted(one) == expected
        one.observe(one.index, np.zeros((5, 2)))
        one.end_epoch()


def share_each_epoch(folder):
    """Be one of several processes, and note what each epoch trained on in all of them and here."""
    torch.set_num_threads(1)
    processes.init_process_group("gloo")
    lines = []
    for name, make in MAKERS.items():
        one = make(seed=4)
        loader = DataLoader(Pictures(), batch_size=4, sampler=one)
        for epoch in range(8):
            order, mine = one.order().tolist(), []
            for index, batch in one.track(loader):
                one.observe(index, logits_of(index, epoch), batch["label"])
                mine += index.tolist()
            for index, batch in one.revisit(loader):
                one.observe(index, logits_of(index, epoch), batch["label"])
            one.end_epoch()
            lines.append((name, order, mine))
    (folder / f"{processes.get_rank()}.json").write_text(json.dumps(lines))


def test_two_processes_share_each_epoch_and_decide_as_one_would(tmp_path):
    done = forked.run(tmp_path, __file__, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    alone = {name: make(seed=4) for name, make in MAKERS.items()}
    sizes = Counter()
    for first, second in zip(*lines, strict=True):
        (name, order, mine), (_, same, others) = first, second
        expected = epoch_of(alone[name])
        assert order == same == expected
        both = [i for pair in itertools.zip_longest(mine, others) for i in pair]
        assert both[: len(expected)] == expected
        assert both[len(expected) :] == expected[: len(both) - len(expected)]  # at most one more, to fill up
        sizes[len(both) - len(expected)] += 1
    assert set(sizes) == {0, 1}  # both cases came up


def test_the_module_is_there_by_its_name_and_only_when_asked_for():
    code = (
        "import sys, datapare as dp\n"
        "assert 'torch' not in sys.modules\n"
        "print(callable(dp.online.infobatch), sorted(n for n in dir(dp.online) if n.islower()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    folders = [Path(dp.online.__file__).parent / name for name in ("samplers", "losses")]
    names = sorted(file.stem for folder in folders for file in folder.glob("[a-z]*.py"))
    assert {"infobatch", "kakurenbo", "dual_switch"} < set(names)
    assert out.strip() == f"True {names}"
    with pytest.raises(AttributeError, match="no attribute 'infobach'"):
        _ = dp.online.infobach


class Buckets:
    """A batch sampler without a batch_size or a length, as of a library that sorts by length."""

    def __init__(self, sampler, size):
        self.sampler, self.size = sampler, size

    def __iter__(self):
        rows = list(self.sampler)
        return iter([rows[start : start + self.size] for start in range(0, len(rows), self.size)])


class LengthyBuckets(Buckets):
    def __len__(self):
        return math.ceil(len(self.sampler) / self.size)


def one_epoch_seen():
    sampler = dp.online.kakurenbo(np.arange(48) % 3, epochs=10, fraction=0.5)
    sampler.observe(np.arange(48), 9.0 * np.eye(3)[np.arange(48) % 3])
    sampler.end_epoch()
    assert len(sampler.hidden)
    return sampler


def test_hidden_examples_come_in_batches_whatever_the_batch_sampler():
    sampler = one_epoch_seen()
    data = torch.utils.data.TensorDataset(torch.zeros(48, 2))
    loader = DataLoader(data, batch_sampler=LengthyBuckets(sampler, 8))
    batches = [index.tolist() for index, _ in sampler.revisit(loader)]
    assert np.concatenate(batches).tolist() == sampler.hidden.tolist()
    assert max(map(len, batches)) <= 8
    with pytest.raises(dp.InputError, match="neither a batch_size nor a length"):
        sampler.revisit(DataLoader(data, batch_sampler=Buckets(sampler, 8)))


@pytest.mark.parametrize(
    ("drop_last", "seen", "warns"), [(False, 48, False), (False, 47, True), (True, 40, False), (True, 39, True)]
)
def test_what_was_planned_but_not_observed_is_warned_of(drop_last, seen, warns):
    sampler = dp.online.infobatch(np.arange(48) % 3, epochs=3)
    data = torch.utils.data.TensorDataset(torch.zeros(48, 2))
    sampler.track(DataLoader(data, batch_size=9, sampler=sampler, drop_last=drop_last))
    sampler.observe(sampler.order()[:seen], np.zeros((seen, 3)))
    with pytest.warns(UserWarning, match=rf"{seen} of the 48 examples planned for epoch 1") if warns else nullcontext():
        sampler.end_epoch()


if __name__ == "__main__":
    together.launched(2, share_each_epoch, Path(sys.argv[1]))
