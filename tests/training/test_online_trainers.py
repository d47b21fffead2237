"""Samplers prune in other libraries' trainers what they prune in a loop of one's own, wherever that is resumed.

The network never learns, so every trainer must train on the same examples, in the same order, as the plain loop does.
The file is also the program of two processes: `test_online_trainers.py FOLDER`.
"""

import importlib.util
import json
import re
import sys
from functools import partial
from pathlib import Path

import forked
import numpy as np
import pytest
import together
import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare.errors import InputError
from datapare.training import SoftLabels

EXAMPLES = Path(__file__).parents[2] / "examples"
N, K, T = 45, 3, 5
LABEL = torch.arange(N) % K
TOLD = torch.arange(N) + 1.0
RULES = {
    "infobatch": partial(dp.online.infobatch, LABEL, T, delta=0.9),
    "kakurenbo": partial(dp.online.kakurenbo, LABEL, T, fraction=0.4, confidence=0.0),
    "dual_switch": partial(dp.online.dual_switch, LABEL, T, keep=0.4, after=2, window=2),
    "dual_redraw": partial(dp.online.dual_redraw, LABEL, T, keep=0.4, after=2, window=2),
}
POOL = partial(dp.online.pool, LABEL, T, keep=13, index=np.arange(0, N, 2))

pytestmark = pytest.mark.filterwarnings("default")  # the libraries warn about each other


def logits_of(told, weight=1.0):
    return torch.stack([torch.sin(told * (k + 1)) * 2 * weight for k in range(K)], dim=1)


def plain(make):
    """Return the examples of each epoch, in order, of a loop of one's own."""
    sampler, epochs = make(), []
    loader = DataLoader(TensorDataset(TOLD, LABEL), 4, sampler=sampler)
    for _ in range(T):
        seen = []
        for index, told, target in sampler.track(loader):
            sampler.observe(index, logits_of(told), target)
            seen += index.tolist()
        for index, told, _ in sampler.revisit(loader):
            sampler.observe(index, logits_of(told))
        epochs.append(seen)
        sampler.end_epoch()
    return epochs


def by_epoch(batches):
    return [[i for epoch, index in batches if epoch == now for i in index] for now in range(T)]


class Net(torch.nn.Module):
    """Notes its batches, and is killed before one of them."""

    config = None  # smoothing looks at it

    def __init__(self, kill=None) -> None:
        super().__init__()
        self.weight, self.seen, self.kill = torch.nn.Parameter(torch.ones(1)), [], kill

    def forward(self, told, labels=None):
        if self.training:
            if len(self.seen) == self.kill:
                raise KeyboardInterrupt
            self.seen.append((self.sampler().epoch, (told.long() - 1).tolist()))
        logits = logits_of(told, self.weight)
        return {"logits": logits} if labels is None else {"loss": cross_entropy(logits, labels), "logits": logits}


def in_transformers(make, folder, *, kill=None, resume=False, every=3, accumulate=1, loss=None, **settings):
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    from datapare.training.online.adapters.transformers import PruningTrainerMixin

    class PruningTrainer(PruningTrainerMixin, Trainer):
        pass

    plain_settings = {
        "num_train_epochs": T,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": accumulate,
        "save_strategy": "steps",
        "save_steps": every,
        "use_cpu": True,
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "learning_rate": 0.0,
    }
    arguments = TrainingArguments(folder, **(plain_settings | settings))
    net, sampler = Net(kill), make()
    net.sampler = lambda: sampler
    data = Dataset.from_dict({"told": TOLD, "labels": LABEL})
    trainer = PruningTrainer(net, arguments, train_dataset=data, sampler=sampler, loss=loss)
    trainer.train(resume_from_checkpoint=resume)
    return net.seen, trainer


def in_lightning(make, folder, *, kill=None, checkpoint=None, every=3, count=1, kind=DataLoader, **settings):
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint

    from datapare.training.online.adapters.lightning import PruningCallback

    pruning = PruningCallback(make)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(kill)
            self.net.sampler = lambda: pruning.sampler

        def forward(self, told):
            return self.net(told)["logits"]

        def train_dataloader(self):
            return pruning.track(kind(TensorDataset(TOLD, LABEL), 4, sampler=pruning.sampler))

        def training_step(self, batch, _):
            index, told, target = batch
            logits = self(told)
            losses = cross_entropy(logits, target, reduction="none")
            return {"loss": (pruning.sampler.weight(index) * losses).mean(), "logits": logits, "target": target}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    module = Module()
    plain_settings = {
        "max_epochs": T,
        "accelerator": "cpu",
        "devices": count,
        "strategy": "ddp" if count > 1 else "auto",
        "callbacks": [pruning, ModelCheckpoint(folder, "last", every_n_train_steps=every, save_top_k=1)],
        "default_root_dir": folder,
        "logger": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "reload_dataloaders_every_n_epochs": 1,
        "use_distributed_sampler": False,
    }
    trainer = lightning.Trainer(**(plain_settings | settings))
    trainer.fit(module, ckpt_path=checkpoint, weights_only=False)
    return module.net.seen, pruning


def in_accelerate(make, *, stop=None, state=None):
    """A loop with accelerate; returns what was seen, and the state of a checkpoint before a batch (epoch, step)."""
    import accelerate

    accelerator = accelerate.Accelerator(cpu=True)
    sampler, net = make(), Net()
    net.sampler = lambda: sampler
    model, optimizer = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=0.0))
    loader = DataLoader(TensorDataset(TOLD, LABEL), 4, sampler=sampler)  # not prepared: the sampler divides it
    skipped = 0
    if state is not None:
        sampler.load_state_dict(state["sampler"])
        skipped = state["step"]
    while sampler.epoch < sampler.epochs:
        batches = accelerate.skip_first_batches(sampler.track(loader), skipped)
        for step, (index, told, target) in enumerate(batches, skipped):
            if stop == (sampler.epoch, step):
                return net.seen, {"sampler": sampler.state_dict(inside_epoch=True), "step": step}
            logits = model(told)["logits"]
            sampler.observe(index, logits, target)
            losses = cross_entropy(logits, target, reduction="none")
            accelerator.backward((sampler.weight(index) * losses).mean())
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            for index, told, target in sampler.revisit(loader):
                sampler.observe(index, model(told)["logits"], target)
        model.train()
        sampler.end_epoch()
        skipped = 0
    return net.seen, None


def batches_of(epochs):
    return [epoch[start : start + 4] for epoch in epochs for start in range(0, len(epoch), 4)]


@pytest.mark.parametrize(
    ("rule", "kill", "every"),
    [
        *((rule, 14, 3) for rule in RULES),
        ("infobatch", 28, 27),  # after the last step of an epoch that is followed by a longer one
        ("kakurenbo", 13, 12),  # and by a shorter one
    ],
)
def test_lightning_trains_on_what_was_planned_and_resumes_anywhere(tmp_path, rule, kill, every):
    make = RULES[rule]
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        in_lightning(make, tmp_path, kill=kill, every=every)
    checkpoint = next(tmp_path.glob("last*.ckpt"))
    done = torch.load(checkpoint, weights_only=False)["global_step"]
    then, pruning = in_lightning(make, tmp_path, checkpoint=checkpoint, every=every)
    assert [index for _, index in then] == batches_of(plain(make))[done:]
    assert pruning.sampler.epoch == T


@pytest.mark.parametrize(
    ("rule", "kill", "every", "accumulate"),
    [("infobatch", 27, 3, 2), ("kakurenbo", 17, 3, 1), ("dual_switch", 13, 12, 1), ("dual_redraw", 27, 3, 1)],
)
def test_the_hugging_face_trainer_trains_on_what_was_planned_and_resumes_anywhere(
    tmp_path, rule, kill, every, accumulate
):
    make = RULES[rule]
    whole = batches_of(plain(make))
    with pytest.raises(KeyboardInterrupt):
        in_transformers(make, tmp_path, kill=kill, every=every, accumulate=accumulate)
    seen, trainer = in_transformers(make, tmp_path, resume=True, every=every, accumulate=accumulate)
    then = [index for _, index in seen]
    assert then == whole[len(whole) - len(then) :]
    assert 0 <= kill - (len(whole) - len(then)) <= every * accumulate  # from the last checkpoint on
    assert trainer.lr_scheduler.last_epoch == trainer.state.max_steps  # the schedule is complete in fewer steps
    assert trainer.state.epoch == T


@pytest.mark.parametrize("rule", RULES)
def test_accelerate_trains_on_what_was_planned_and_resumes_anywhere(rule):
    expected, make = plain(RULES[rule]), RULES[rule]
    assert by_epoch(in_accelerate(make)[0]) == expected
    for stop in ((1, 3), (3, 0), (3, 2)):
        first, state = in_accelerate(make, stop=stop)
        assert by_epoch(first + in_accelerate(make, state=state)[0]) == expected


def test_weights_take_part_in_the_trainers_loss(tmp_path):
    """InfoBatch multiplies what is left of the easy half; smoothed labels are no obstacle."""
    _, trainer = in_transformers(
        RULES["infobatch"], tmp_path, label_smoothing_factor=0.1, num_train_epochs=2, save_strategy="no"
    )
    sampler = trainer.sampler
    index = torch.from_numpy(sampler.index[:4])
    assert sampler.is_weighted
    assert sampler.weight(index).max() > 1
    trainer.model.train()
    batch = {"told": TOLD[index], "labels": LABEL[index], "datapare_position": index}
    loss = trainer.compute_loss(trainer.model, batch)
    losses = cross_entropy(logits_of(TOLD[index]), LABEL[index], reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(loss.detach(), (sampler.weight(index) * losses).mean())


def test_soft_labels_are_trained_on_in_the_trainer(tmp_path):
    """As their loss says in a loop of one's own; a static subset is a pool that each epoch draws whole."""
    soft = SoftLabels(torch.softmax(9 * logits_of(TOLD.flip(0)), dim=1).numpy())
    loss, index = dp.online.soft_labels(soft, weight=0.3), torch.arange(0, N, 3)
    make = partial(dp.online.pool, LABEL, T, keep=len(index), index=index.numpy())
    _, trainer = in_transformers(make, tmp_path, loss=loss, num_train_epochs=1, save_strategy="no")
    assert sorted(i for _, batch in trainer.model.seen for i in batch) == index.tolist()
    trainer.model.train()
    batch = {"told": TOLD[index], "labels": LABEL[index], "datapare_position": index}
    found = trainer.compute_loss(trainer.model, batch)
    expected = loss(index, logits_of(TOLD[index]), LABEL[index]).mean()
    torch.testing.assert_close(found.detach(), expected)
    hard = dp.online.soft_labels(soft, weight=0.0)(index, logits_of(TOLD[index]), LABEL[index]).mean()
    assert abs(float(expected - hard)) > 0.01
    with pytest.raises(InputError, match="soft_labels is of 44 examples"):
        in_transformers(make, tmp_path, loss=dp.online.soft_labels(soft.at(np.arange(44))))


def test_the_learning_rate_of_kakurenbo_reaches_the_optimizer():
    from datapare.training.online.learning_rate import scale_steps

    sampler = RULES["kakurenbo"]()
    sampler.observe(range(N), logits_of(TOLD))
    sampler.end_epoch()
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scale_steps(optimizer, sampler)
    weight.grad = torch.ones(1)
    optimizer.step()
    assert sampler.lr_factor > 1
    assert weight.item() == pytest.approx(-sampler.lr_factor)
    assert optimizer.param_groups[0]["lr"] == 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reload_dataloaders_every_n_epochs": 0}, "reload_dataloaders_every_n_epochs=1"),
        ({"kind": "stateful"}, "give a DataLoader of torch"),
    ],
)
def test_a_lightning_training_that_would_skip_examples_is_refused(tmp_path, settings, message):
    if "kind" in settings:
        settings["kind"] = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    with pytest.raises(InputError, match=message):
        in_lightning(RULES["infobatch"], tmp_path, **settings)


def test_a_trainer_of_more_epochs_than_the_sampler_is_refused(tmp_path):
    for settings in ({"num_train_epochs": T + 1}, {"max_steps": 7}):
        with pytest.raises(InputError, match="give both as many epochs"):
            in_transformers(RULES["infobatch"], tmp_path, **settings)
    (tmp_path / "checkpoint-3").mkdir()
    with pytest.raises(InputError, match="holds no state of a sampler"):
        in_transformers(RULES["infobatch"], tmp_path, resume=str(tmp_path / "checkpoint-3"))


@pytest.mark.parametrize("name", ["trainer", "lightning"])
def test_the_examples_prune_inside_a_training(name, tmp_path, capsys):
    found = importlib.util.spec_from_file_location(f"online_in_{name}", EXAMPLES / f"online_in_{name}.py")
    example = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    example.main(tmp_path)
    said = re.findall(r"(\S.*?) +accuracy (0\.\d+) after ([\d,]+) of 8,082 examples", capsys.readouterr().out)
    assert [arm for arm, _, _ in said] == ["infobatch", "kakurenbo", "pool + soft"]
    assert all(float(accuracy) > 0.85 for _, accuracy, _ in said)
    counts = [int(seen.replace(",", "")) for _, _, seen in said]
    assert all(count < 8_082 for count in counts)
    assert counts[2] == 6 * 673  # the half, in every epoch


@pytest.mark.slow
def test_two_processes_share_what_was_planned_in_every_trainer(tmp_path):
    done = forked.run(tmp_path, __file__, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    orders = dict.fromkeys(("transformers", "lightning", "accelerate", "resumed"), plain(RULES["kakurenbo"]))
    orders |= dict.fromkeys(("pool", "pool resumed"), plain(POOL))
    assert all(set(epoch) <= set(range(0, N, 2)) and len(epoch) == 13 for epoch in orders["pool"])
    for name, expected in orders.items():
        shares = [json.loads((tmp_path / f"{name}.{rank}.json").read_text()) for rank in range(2)]
        for epoch, order in enumerate(expected):
            padded = order + order[: len(order) % 2]
            assert [share[epoch] for share in shares] == [padded[::2], padded[1::2]], (name, epoch)


def main(folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    make, rank = RULES["kakurenbo"], dist.get_rank()
    seen = {"transformers": in_transformers(make, folder / "trainer")[0]}
    seen["lightning"] = in_lightning(make, folder / "lightning", count=2)[0]
    seen["accelerate"] = in_accelerate(make)[0]
    for name, rule in (("", make), ("pool ", POOL)):
        first, state = in_accelerate(rule, stop=(2, 1))
        seen[f"{name}resumed"] = first + in_accelerate(rule, state=state)[0]
    seen["pool"] = in_accelerate(POOL)[0]
    for name, batches in seen.items():
        (folder / f"{name}.{rank}.json").write_text(json.dumps(by_epoch(batches)))
    dist.destroy_process_group()


if __name__ == "__main__":
    import accelerate  # noqa: F401 - once for both processes
    import lightning  # noqa: F401
    import transformers  # noqa: F401

    together.launched(2, main, Path(sys.argv[1]))
