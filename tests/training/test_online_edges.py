"""What samplers and losses take as settings and what they do not, at the ends of each range; and that draws stay."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare.training import SoftLabels
from datapare.training.online import Plan, Rule, Sampler
from datapare.training.online.sampler import last_known
from datapare.training.online.samplers.kakurenbo import hide
from datapare.training.online.samplers.seta import window_of

LABEL = np.arange(12) % 3
JUST = 1e-9
SOFT = SoftLabels(np.full((12, 3), 1 / 3))
DUAL = {"keep": 0.5, "after": 3, "window": 2}
MAKE = {
    "infobatch": lambda **given: dp.online.infobatch(LABEL, 8, **given),
    "kakurenbo": lambda **given: dp.online.kakurenbo(LABEL, 8, **given),
    "orderdp": lambda **given: dp.online.orderdp(LABEL, 8, **given),
    "seta": lambda **given: dp.online.seta(LABEL, 8, **given),
    "dual_switch": lambda **given: dp.online.dual_switch(LABEL, 8, **{**DUAL, **given}),
    "dual_redraw": lambda **given: dp.online.dual_redraw(LABEL, 8, **{**DUAL, **given}),
    "pool": lambda **given: dp.online.pool(LABEL, 8, **{"keep": 3, **given}),
    "entropy_bonus": lambda **given: dp.online.entropy_bonus(LABEL, **given),
    "soft_labels": lambda **given: dp.online.soft_labels(SOFT, **given),
}
CLOSED, FROM, SHARE = (
    ([0.0, 1.0], [-JUST, 1 + JUST]),
    ([0.0, 1 - JUST], [-JUST, 1.0]),
    ([0.3, 1.0], [0.0, -1.0, 1 + JUST]),
)
RANGES = [
    ("infobatch", "drop", FROM), ("infobatch", "delta", CLOSED), ("infobatch", "floor", CLOSED),
    ("kakurenbo", "fraction", FROM), ("kakurenbo", "confidence", CLOSED),
    ("orderdp", "share", SHARE), ("orderdp", "top", SHARE), ("orderdp", "delta", CLOSED),
    ("seta", "drop", ([0.0, 0.9], [-JUST, 1.0])), ("seta", "delta", CLOSED), ("seta", "width", SHARE),
    ("seta", "groups", ([1, 2], [0, -1])),
    ("dual_switch", "window", ([2, 3], [1, 4])), ("dual_switch", "after", ([2, 7], [1, 8])),
    ("dual_redraw", "window", ([2, 3], [1, 4])), ("dual_redraw", "after", ([2, 7], [1, 8])),
    ("dual_switch", "keep", ([1, 12], [0.0, 13])), ("dual_redraw", "keep", ([1, 12], [0.0, 13])),
    ("pool", "keep", ([1, 12], [0, 13])), ("pool", "index", ([[0, 11, 5]], [[], [-1, 2, 3], [1, 2, 12], [[1, 2, 3]]])),
    ("entropy_bonus", "strength", ([0.0, 0.5], [-JUST])), ("entropy_bonus", "temperature", ([JUST, 2.0], [0.0, -0.5])),
    ("soft_labels", "weight", CLOSED),
]  # fmt: skip


@pytest.mark.parametrize(("name", "option", "values"), RANGES, ids=[f"{name}-{option}" for name, option, _ in RANGES])
def test_settings_are_taken_up_to_the_ends_of_their_range_and_not_beyond(name, option, values):
    for good in values[0]:
        MAKE[name](**{option: good})
    said = {"keep": "keep|draws", "index": "pool"}.get(option, option)
    for bad in values[1]:
        with pytest.raises(dp.InputError, match=said):
            MAKE[name](**{option: bad})


def test_a_window_of_seta_is_at_least_one_group():
    MAKE["seta"](groups=1, width=0.6)
    with pytest.raises(dp.InputError, match="at least one group"):
        MAKE["seta"](groups=1, width=0.5)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("infobatch", {"drop": 0.5, "delta": 0.875, "exact": False, "floor": 0.0}),
        ("kakurenbo", {"fraction": 0.3, "confidence": 0.7}),
        ("orderdp", {"share": 0.8, "top": 0.375, "delta": 0.875}),
        ("seta", {"drop": 0.1, "groups": 5, "width": 0.9, "delta": 0.875}),
        ("dual_switch", {**DUAL, "c_d": 4.0, "balance": None}),
        ("dual_redraw", {**DUAL, "c_d": 4.0, "balance": None}),
        ("entropy_bonus", {"strength": 0.2, "temperature": 0.7}),
        ("soft_labels", {"weight": 0.5}),
    ],
)
def test_what_is_not_set_is_as_published(name, params):
    made = MAKE[name]()
    if not isinstance(made, Sampler):
        assert made.params == params
        return
    assert made.rule.params == params
    assert (made.seed, made.lr_factor, made.is_weighted, len(made.hidden)) == (0, 1, False, 0)


def test_the_window_of_dual_is_of_ten_epochs_unless_set():
    for make in (dp.online.dual_switch, dp.online.dual_redraw):
        assert make(LABEL, 20, keep=0.5, after=10).rule.params["window"] == 10
    assert dp.online.pool(LABEL, 8, keep=3).seed == 0


@pytest.mark.parametrize(("labels", "epochs"), [([0, 1], 2.5), ([0, 1], 0), ([], 2), ([0, -1], 2)])
def test_a_training_that_cannot_be_is_refused(labels, epochs):
    rule = Rule("all", {}, (), lambda past, _: past, lambda *_: Plan(np.arange(2)))
    with pytest.raises(dp.InputError, match="expected class numbers"):
        Sampler(labels, epochs, rule)
    assert len(Sampler([1, 2], 1, rule)) == 2


def observed(sampler, epochs):
    """Observe every planned and hidden example, with logits that depend on the epoch alone."""
    for _ in range(epochs):
        index = np.concatenate([sampler.index, sampler.hidden])
        sampler.observe(index, np.random.default_rng(sampler.epoch).normal(size=(12, 3))[index])
        sampler.end_epoch()
    return sampler


def test_draws_and_orders_stay_as_they_are():
    """A training that was begun with an earlier version is resumed by this one."""
    assert MAKE["infobatch"](seed=3).order().tolist() == [3, 9, 11, 6, 8, 4, 7, 1, 2, 0, 10, 5]
    assert MAKE["pool"](keep=4, seed=3).index.tolist() == [0, 1, 2, 7]
    names = ("infobatch", "orderdp", "seta", "dual_switch", "dual_redraw")
    assert {name: observed(MAKE[name](seed=3), 4).index.tolist() for name in names} == {
        "infobatch": [0, 2, 4, 5, 7, 8, 9, 10, 11],
        "orderdp": [0, 7, 10],
        "seta": [0, 1, 2, 3, 5, 6, 7, 10],
        "dual_switch": [0, 3, 4, 7, 9, 10],
        "dual_redraw": [1, 3, 5, 6, 7, 10],
    }


def test_a_finished_training_keeps_its_last_plan():
    sampler = observed(MAKE["kakurenbo"](fraction=0.6, confidence=0.0), 7)
    last = sampler.index.tolist()
    assert observed(sampler, 1).index.tolist() == last


def test_kakurenbo_hides_what_is_right_and_just_sure_enough():
    loss, margin = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.0, 0.5, -0.5, 1.5, 0.5])
    prob = np.array([0.9, 0.7, 0.9, 0.7, 0.69])
    assert hide(loss, margin, prob, fraction=0.99, confidence=0.7).tolist() == [1, 3]


def test_a_window_over_losses_that_nobody_knows_holds_all():
    assert window_of(np.full(4, np.nan), 0, groups=3, width=0.5).tolist() == [True] * 4


def test_what_was_not_observed_is_warned_of_in_any_loop():
    sampler = MAKE["infobatch"]()
    sampler.observe(range(11), np.zeros((11, 3)))
    with pytest.warns(UserWarning, match="11 of the 12 examples planned for epoch 1") as warned:
        sampler.end_epoch()
    assert warned[0].filename == __file__


@pytest.mark.parametrize("seen", [0, 1])
def test_a_state_replaces_what_was_observed_and_says_whether_the_epoch_was_begun(seen):
    first, second = MAKE["infobatch"](), MAKE["infobatch"]()
    first.observe(range(seen), np.zeros((seen, 3)))
    second.observe([5], np.zeros((1, 3)))
    second.load_state_dict(first.state_dict(inside_epoch=True))
    assert len(list(second)) == 12
    second.observe(range(seen, 5), np.zeros((5 - seen, 3)))
    if seen == 0:
        with pytest.raises(dp.InputError, match="observed but not ended"):
            list(second)
    with pytest.warns(UserWarning, match="5 of the 12 examples"):
        second.end_epoch()


class OneBatch:
    """A batch sampler without a batch size, whose epochs are one batch."""

    def __init__(self, sampler) -> None:
        self.sampler = sampler

    def __len__(self) -> int:
        return 1

    def __iter__(self):
        yield list(self.sampler)


def test_hidden_examples_come_in_one_batch_where_the_others_do():
    sampler = MAKE["kakurenbo"](fraction=0.5)
    sampler.observe(range(12), 9 * np.eye(3)[LABEL])
    sampler.end_epoch()
    loader = DataLoader(TensorDataset(torch.zeros(12)), batch_sampler=OneBatch(sampler))
    assert len(sampler) >= len(sampler.hidden) > len(sampler) // 2
    assert [index.tolist() for index, _ in sampler.revisit(loader)] == [sampler.hidden.tolist()]


def test_what_is_remembered_is_as_exact_as_what_was_observed():
    past = last_known({}, {"loss": np.array([1.0, np.nan], dtype=np.float32)})
    assert past["loss"].dtype == np.float32
    assert np.isnan(past["loss"][1])


@pytest.mark.filterwarnings("default")  # the libraries warn about each other
@pytest.mark.parametrize("task", [{"problem_type": "regression"}, {"per_example_loss": torch.nn.MSELoss()}])
def test_the_trainer_observes_the_losses_of_other_tasks(tmp_path, task):
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    from datapare.training.online.adapters.transformers import PruningTrainerMixin

    class PruningTrainer(PruningTrainerMixin, Trainer):
        pass

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, told, labels):
            return {"loss": (self.weight * told - labels).square().mean(), "logits": self.weight * told}

    told, wanted = torch.rand(12, 2), torch.rand(12, 2)
    arguments = TrainingArguments(
        tmp_path, num_train_epochs=1, per_device_train_batch_size=4, use_cpu=True, report_to="none", disable_tqdm=True,
        learning_rate=0.0, save_strategy="no",
    )  # fmt: skip
    sampler = dp.online.infobatch(np.zeros(12, int), 1)
    data = Dataset.from_dict({"told": told.numpy(), "labels": wanted.numpy()})
    PruningTrainer(Net(), arguments, train_dataset=data, sampler=sampler, **task).train()
    expected = (told - wanted).square().mean(dim=1)
    np.testing.assert_allclose(sampler.state_dict()["past"]["loss"], expected, rtol=1e-5)


@pytest.mark.filterwarnings("default")  # the libraries warn about each other
def test_losses_of_a_lightning_step_are_observed_and_recorded(tmp_path):
    import lightning

    from datapare.recording.adapters.lightning import RecordingCallback
    from datapare.training.online.adapters.lightning import PruningCallback

    pruning = PruningCallback(lambda: dp.online.infobatch(np.zeros(12, int), 1))
    recording = RecordingCallback(tmp_path / "run", np.zeros(12, int), epochs=1, channels=("loss",))

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def train_dataloader(self):
            return pruning.track(DataLoader(TensorDataset(torch.arange(12.0)), 4, sampler=pruning.sampler))

        def training_step(self, batch, _):
            losses = (self.weight * batch[1]).square()
            return {"loss": losses.mean(), "losses": losses}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[pruning, recording], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False, default_root_dir=tmp_path,
    ).fit(Module())  # fmt: skip
    assert pruning.sampler.state_dict()["past"]["loss"].tolist() == [i**2 for i in range(12)]
    assert recording.recorder.dynamics().channels["loss"].tolist() == [[i**2 for i in range(12)]]
