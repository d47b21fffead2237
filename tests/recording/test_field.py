"""How recordings in the field mix up examples, each as a test: the right example, or one sentence.

Every sample tells who it is, and logits of example i are (i + 1, 0), so that a margin is an identity.
"""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler, Sampler

import datapare as dp
from datapare.errors import InputError
from datapare.recording import Recorder

N = 30
LABEL = np.arange(N) % 2
WANTED = np.where(LABEL == 0, 1, -1) * (np.arange(N) + 1.0)


class Telling(Dataset):
    """Sample i is {"told": i + 1, "label": i mod 2}."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, i):
        return {"told": torch.tensor(i + 1.0), "label": int(i) % 2}


def logits_of(told, weight=1.0):
    return torch.stack([told * weight, 0 * told], dim=1)


def margin_of(tmp_path, act, **params):
    """Record one epoch by an act and return the margins (N,)."""
    with Recorder(tmp_path / "run", LABEL, 1, **params) as recorder:
        act(recorder)
        recorder.end_epoch()
        return np.array(recorder.dynamics().channels["margin"][0])


def test_a_sampler_sees_indices_long_before_their_batch_arrives(tmp_path):
    """What a wrapped sampler yielded last is not what the loop holds, once workers prefetch."""

    class Noting(Sampler):
        last = None

        def __iter__(self):
            for self.last in RandomSampler(range(N), generator=torch.Generator().manual_seed(0)):
                yield self.last

        def __len__(self) -> int:
            return N

    sampler, ahead = Noting(), []

    def loop(recorder):
        for index, batch in recorder.track(DataLoader(Telling(), 5, sampler=sampler, num_workers=1)):
            ahead.append(sampler.last != int(index[-1]))
            recorder.observe(index, logits_of(batch["told"]), batch["label"])

    np.testing.assert_array_equal(margin_of(tmp_path, loop), WANTED)
    assert any(ahead)  # so the test can fail


def test_dict_samples_keep_their_shape_and_their_identity(tmp_path):
    def loop(recorder):
        for index, batch in recorder.track(DataLoader(Telling(), 7, shuffle=True)):
            assert set(batch) == {"told", "label"}
            recorder.observe(index, logits_of(batch["told"]), batch["label"])

    np.testing.assert_array_equal(margin_of(tmp_path, loop), WANTED)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_ids_that_went_through_floats_are_refused(tmp_path, dtype):
    """In half precision 2,049 is 2,048: another example, and nobody notices."""
    assert int(torch.tensor(2049).half()) == 2048
    with Recorder(tmp_path / "run", LABEL, 1) as recorder, pytest.raises(InputError, match="may have rounded them"):
        recorder.observe(torch.arange(N).to(dtype), torch.zeros(N, 2))


def test_ids_may_be_a_list_of_tensors(tmp_path):
    """As keys of a dict equal tensors are different; as positions they are numbers."""
    assert torch.tensor(3) not in {torch.tensor(3): "found"}
    told = torch.arange(N) + 1.0
    margin = margin_of(tmp_path, lambda recorder: recorder.observe(list(torch.arange(N)), logits_of(told)))
    np.testing.assert_array_equal(margin, WANTED)


def told_by(loader):
    return lambda recorder: [
        recorder.observe(index, logits_of(batch["told"]), batch["label"]) for index, batch in recorder.track(loader)
    ]


def test_mapped_rows_of_a_dataset_are_its_own_rows(tmp_path):
    """A shuffled, selected or filtered Dataset is a mapping onto another table: positions are those of the mapping."""
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_list([{"told": i + 1.0, "label": int(i % 2)} for i in range(N)]).with_format("torch")
    shuffled = whole.shuffle(seed=0)
    order = shuffled["told"][:].long().numpy() - 1
    with Recorder(tmp_path / "same", LABEL[order], 1) as recorder:
        told_by(DataLoader(shuffled, 4, shuffle=True))(recorder)
        recorder.end_epoch()
    np.testing.assert_array_equal(recorder.dynamics().channels["margin"][0], WANTED[order])
    # The labels of the table it was shuffled from: as many, of other examples.
    with Recorder(tmp_path / "other", LABEL, 1) as recorder:
        told_by(DataLoader(shuffled, 4))(recorder)
        with pytest.raises(InputError, match="does not point at these examples"):
            recorder.end_epoch()
    for part in (whole.select(range(9)), whole.filter(lambda row: row["told"] > 3)):
        with Recorder(tmp_path / "part", LABEL, 1) as recorder, pytest.raises(InputError, match="30 labels were given"):
            recorder.track(DataLoader(part, 4))


def test_an_epoch_resumed_in_its_middle_leaves_out_what_was_skipped(tmp_path):
    accelerate = pytest.importorskip("accelerate")
    loader = accelerate.Accelerator(cpu=True).prepare_data_loader(DataLoader(Telling(), 5))
    margin = margin_of(tmp_path, told_by(accelerate.skip_first_batches(loader, 2)))
    np.testing.assert_array_equal(margin, np.where(np.arange(N) < 10, np.nan, WANTED))


def test_an_epoch_that_replays_batches_keeps_the_last_of_each(tmp_path):
    def loop(recorder):
        for weight in (5.0, 1.0):  # a loader that was started again, by a better network
            for index, batch in recorder.track(DataLoader(Telling(), 5, shuffle=True)):
                recorder.observe(index, logits_of(batch["told"], weight))

    np.testing.assert_array_equal(margin_of(tmp_path, loop), WANTED)


def test_the_epoch_set_on_an_accelerate_loader_is_the_one_that_is_tracked(tmp_path):
    """Its order depends on the epoch, which accelerate counts in the loader and a resumed training sets."""
    accelerate = pytest.importorskip("accelerate")

    def prepared():
        settings = accelerate.DataLoaderConfiguration(use_seedable_sampler=True)
        accelerate.utils.set_seed(0)
        accelerator = accelerate.Accelerator(cpu=True, dataloader_config=settings)
        return accelerator.prepare_data_loader(DataLoader(Telling(), 5, shuffle=True))

    def told(batches):
        return [batch["told"].tolist() for batch in batches]

    plain, tracked = prepared(), prepared()
    with Recorder(tmp_path / "run", LABEL, 1) as recorder:
        for epoch in (None, None, 7, None, 3):
            if epoch is not None:
                plain.set_epoch(epoch)
                tracked.set_epoch(epoch)
            ours = list(recorder.track(tracked))
            assert all(index.tolist() == (batch["told"].long() - 1).tolist() for index, batch in ours)
            assert told(plain) == told(batch for _, batch in ours)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo's, where it meets the recorder
@pytest.mark.parametrize("compiled", [None, "model", "step"])
def test_accumulation_mixed_precision_and_compilation_change_no_identity(tmp_path, compiled):
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1, 1))

        def forward(self, told):
            return torch.nn.functional.linear(told[:, None], torch.cat([self.weight, 0 * self.weight]))

    model = Net()
    run = torch.compile(model, backend="eager") if compiled == "model" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def loop(recorder):
        def forth(index, told, label):  # compiled as a whole, the recorder included
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = run(told)
            recorder.observe(index, logits, label)
            return logits

        forth = torch.compile(forth, backend="eager") if compiled == "step" else forth
        for step, (index, batch) in enumerate(recorder.track(DataLoader(Telling(), 5, shuffle=True))):
            logits = forth(index, batch["told"], batch["label"])
            assert logits.dtype == torch.bfloat16
            (torch.nn.functional.cross_entropy(logits.float(), batch["label"]) / 2).backward()
            if step % 2:
                optimizer.step()
                optimizer.zero_grad()

    np.testing.assert_array_equal(margin_of(tmp_path, loop), WANTED)


def test_smoothed_labels_are_recorded_against_the_true_label(tmp_path):
    def loop(recorder):
        for index, batch in recorder.track(DataLoader(Telling(), 7, shuffle=True)):
            logits = logits_of(batch["told"])
            torch.nn.functional.cross_entropy(logits, batch["label"], label_smoothing=0.3)  # the loop's own business
            recorder.observe(index, logits, batch["label"])

    np.testing.assert_array_equal(margin_of(tmp_path, loop), WANTED)


@pytest.mark.parametrize("task", ["regression", "several labels"])
def test_tasks_without_one_class_keep_the_loss_of_each_example(tmp_path, task):
    """Regression and multi-label: the channel loss, and what is made of it; examples are followed as ever."""

    def losses(batch):
        if task == "regression":
            return torch.nn.functional.mse_loss(batch["told"], torch.zeros(len(batch["told"])), reduction="none")
        wanted = torch.stack([batch["label"], 1 - batch["label"]], dim=1).float()
        logits = logits_of(batch["told"])
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=1)

    with Recorder(tmp_path / "run", np.zeros(N, int), 2, channels=("loss",)) as recorder:
        for _ in range(2):
            for index, batch in recorder.track(DataLoader(Telling(), 7, shuffle=True, num_workers=1)):
                recorder.observe(index, loss=losses(batch))
            recorder.end_epoch()
    whole = losses({"told": torch.arange(N) + 1.0, "label": torch.from_numpy(LABEL)})
    dynamics = recorder.dynamics()
    np.testing.assert_allclose(dynamics.channels["loss"], [whole.numpy()] * 2, rtol=1e-6)
    hardest = dp.select(dp.score(dynamics, "loss"), "top", keep=5).index  # and can be pruned by
    np.testing.assert_array_equal(hardest, np.sort(np.argsort(whole.numpy(), kind="stable")[-5:]))


def test_mixed_examples_are_recorded_against_the_true_label_of_the_first(tmp_path):
    """Mixup: the logits are those of the mixture, the label is the example's own."""
    mixed, soft = [], []

    def loop(recorder):
        for index, batch in recorder.track(DataLoader(Telling(), N)):
            told = 0.7 * batch["told"] + 0.3 * batch["told"].flip(0)
            hot = torch.nn.functional.one_hot(batch["label"], 2).float()
            soft.append(0.7 * hot + 0.3 * hot.flip(0))
            mixed.append(told)
            recorder.observe(index, logits_of(told), soft[0])

    margin = margin_of(tmp_path, loop)
    np.testing.assert_allclose(margin, np.sign(WANTED) * mixed[0].numpy())
