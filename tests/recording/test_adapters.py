"""Trainers of other libraries record the right example, in one process and in two, and every example file runs.

The models here never learn, and their logits tell which example they are about. The file is also the program
of two processes: `test_adapters.py FOLDER`.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import forked
import launchers
import numpy as np
import pytest
import together
import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare.errors import InputError

EXAMPLES = Path(__file__).parents[2] / "examples"
N, T = 45, 2
LABEL = np.arange(N) % 2
TOLD = torch.arange(N, dtype=torch.float32) + 1

# The libraries warn about each other, which is not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")


class Telling(torch.nn.Module):
    """Its logits for example i, which is given as the number i + 1, are (i + 1, 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, told, labels=None):
        logits = torch.stack([told * self.weight, 0 * told], dim=1)
        return {"loss": cross_entropy(logits, labels), "logits": logits} if labels is not None else logits


class Tupled(Telling):
    """As models with return_dict=False: (loss, logits), or (logits,) without labels."""

    config = None  # smoothing looks at it

    def forward(self, told, labels=None):
        said = super().forward(told, labels)
        return (said,) if labels is None else (said["loss"], said["logits"])


def check(folder):
    """Every example, and no other, has the margin that it told."""
    dynamics = dp.load(folder)
    assert dynamics.epochs == T
    wanted = np.where(LABEL == 0, TOLD, -TOLD)
    np.testing.assert_array_equal(dynamics.channels["margin"], [wanted] * T)


def in_transformers(folder, model=Telling, **settings):
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    from datapare.recording.adapters.transformers import RecordingTrainerMixin

    class RecordingTrainer(RecordingTrainerMixin, Trainer):
        pass

    data = Dataset.from_dict({"told": TOLD, "labels": LABEL, "id": np.arange(N)})
    arguments = TrainingArguments(
        folder / "trainer",
        num_train_epochs=T + 1,  # longer than the record
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        learning_rate=0.0,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        **{"save_strategy": "no", **settings},
    )
    with dp.Recorder(folder / "transformers", LABEL, T) as recorder:
        trainer = RecordingTrainer(model(), arguments, train_dataset=data, eval_dataset=data, recorder=recorder)
        trainer.train(resume_from_checkpoint=settings.get("save_strategy") == "epoch" and recorder.epoch > 0)
        if "label_smoothing_factor" not in settings:
            trainer.evaluate()  # is no observation
    return trainer


def in_lightning(folder, count=1, module=None):
    import lightning

    from datapare.recording.adapters.lightning import RecordingCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Telling()

        def training_step(self, batch, _):
            _index, told, target = batch
            logits = self.net(told)
            return {"loss": cross_entropy(logits, target), "logits": logits, "target": target}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

        def train_dataloader(self):  # Lightning makes it anew to share it out
            return recording.track(DataLoader(TensorDataset(TOLD, torch.from_numpy(LABEL)), 4, shuffle=True))

    recording = RecordingCallback(folder / "lightning", LABEL, epochs=T)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_epochs=T + 1,
        accelerator="cpu",
        devices=count,
        strategy="ddp" if count > 1 else "auto",
        accumulate_grad_batches=2,
        callbacks=[recording],
        default_root_dir=folder,
        enable_model_summary=False,
        **quiet,
    )
    trainer.fit((module or Module)())
    return recording


def in_fabric(folder, count=1):
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=count, strategy="ddp" if count > 1 else "auto", precision="bf16-mixed")
    fabric.launch()
    model = fabric.setup(Telling())
    with dp.Recorder(folder / "fabric", LABEL, T) as recorder:
        data = TensorDataset(TOLD, torch.from_numpy(LABEL))
        loader = fabric.setup_dataloaders(recorder.track(DataLoader(data, 4, shuffle=True, num_workers=1)))
        for _ in range(T):
            for index, told, target in loader:
                recorder.observe(index, model(told), target)
            recorder.end_epoch()


def test_the_hugging_face_trainer(tmp_path):
    trainer = in_transformers(tmp_path, dataloader_num_workers=1)
    assert trainer.args.remove_unused_columns  # which strips "id", and not what we follow
    check(tmp_path / "transformers")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_models_that_answer_in_tuples_are_recorded_with_smoothed_labels_or_without(tmp_path, smoothing):
    """Smoothing takes the labels from the batch, and with them the loss in front of the logits."""
    in_transformers(tmp_path, Tupled, label_smoothing_factor=smoothing)
    check(tmp_path / "transformers")


def test_the_hugging_face_trainer_resumes_from_its_checkpoint(tmp_path, monkeypatch):
    observe = dp.Recorder.observe

    def deadly(recorder, *args):
        if recorder.epoch == 1:
            raise KeyboardInterrupt
        observe(recorder, *args)

    monkeypatch.setattr(dp.Recorder, "observe", deadly)
    with pytest.raises(KeyboardInterrupt):
        in_transformers(tmp_path, save_strategy="epoch")
    monkeypatch.undo()
    with pytest.raises(InputError, match="unfinished"):
        dp.load(tmp_path / "transformers")
    in_transformers(tmp_path, save_strategy="epoch")
    check(tmp_path / "transformers")


def test_the_lightning_trainer(tmp_path):
    in_lightning(tmp_path)
    check(tmp_path / "lightning")
    recording = in_lightning(tmp_path)  # the record is found again, and left as it is
    assert recording.recorder.epoch == T


def test_a_lightning_step_without_logits_is_told(tmp_path):
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Telling()

        def training_step(self, batch, _):
            return cross_entropy(self.net(batch[1]), batch[2])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

        def train_dataloader(self):
            return DataLoader(TensorDataset(torch.arange(N), TOLD, torch.from_numpy(LABEL)), 4)

    with pytest.raises(InputError, match="add the logits"):
        in_lightning(tmp_path, module=Module)
    dp.Recorder(tmp_path / "lightning", LABEL, T).close()  # it let go of the folder


def test_fabric(tmp_path):
    in_fabric(tmp_path)
    check(tmp_path / "fabric")


@pytest.mark.parametrize(("every", "stateful"), [(3, True), (5, True), (12, False), (12, True)])
def test_a_lightning_checkpoint_inside_an_epoch_completes_its_row(tmp_path, every, stateful):
    """Killed in the second epoch, resumed from a checkpoint of every few steps; Lightning resumes the loader too.

    Of 12 steps, where the epoch ends, Lightning resumes a loader with a state that has no batches left, and trains an
    epoch on nothing: it is missing, with a warning.
    """
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint
    from torchdata.stateful_dataloader import StatefulDataLoader

    from datapare.recording.adapters.lightning import RecordingCallback

    class Module(lightning.LightningModule):
        def __init__(self, kill=None) -> None:
            super().__init__()
            self.net, self.kill = Telling(), kill

        def training_step(self, batch, _):
            if self.global_step == self.kill:
                raise KeyboardInterrupt
            _index, told, target = batch
            logits = self.net(told)
            return {"loss": cross_entropy(logits, target), "logits": logits, "target": target}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    def fit(kill=None, checkpoint=None):
        recording = RecordingCallback(tmp_path / "run", LABEL, epochs=T, channels=("margin", "kl_step"))
        trainer = lightning.Trainer(
            max_epochs=T,
            accelerator="cpu",
            callbacks=[recording, ModelCheckpoint(tmp_path, "last", every_n_train_steps=every, save_top_k=1)],
            default_root_dir=tmp_path,
            enable_model_summary=False,
            logger=False,
            enable_progress_bar=False,
        )
        kind = StatefulDataLoader if stateful else DataLoader
        loader = recording.track(kind(TensorDataset(TOLD, torch.from_numpy(LABEL)), 4))
        trainer.fit(Module(kill), loader, ckpt_path=checkpoint, weights_only=False)

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(kill=19)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(checkpoint=next(tmp_path.glob("last*.ckpt")))
    dynamics = dp.load(tmp_path / "run")
    empty = every == 12 and stateful
    assert any("trained on no batch of epoch 2" in str(warning.message) for warning in caught) == empty
    if empty:
        assert np.isnan(dynamics.channels["margin"][1]).all()
        return
    np.testing.assert_array_equal(dynamics.channels["margin"], [np.where(LABEL == 0, TOLD, -TOLD)] * T)
    np.testing.assert_allclose(dynamics.channels["kl_step"][1], 0, atol=1e-6)  # it never learns


@pytest.mark.parametrize("act", ["softmax", "logits", "sigmoid", "regression"])
def test_keras_records_what_the_model_predicts_after_each_epoch(tmp_path, monkeypatch, act):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    from datapare.recording.adapters.keras import RecordingCallback

    features = np.random.default_rng(0).normal(size=(N, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    width, activation, loss = {
        "softmax": (2, "softmax", "sparse_categorical_crossentropy"),
        "logits": (2, None, keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        "sigmoid": (1, "sigmoid", "binary_crossentropy"),
        "regression": (1, None, "mse"),
    }[act]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(width, activation)])
    model.compile("sgd", loss)
    target = LABEL.astype("float32")[:, None] if width == 1 else LABEL
    settings = {"channels": ("loss",), "problem_type": "regression"} if act == "regression" else {}
    settings |= {"target": target, "from_logits": act == "logits", "batch_size": 16}
    recording = RecordingCallback(tmp_path / "run", LABEL, T + 3, features, **settings)
    model.fit(features, target, epochs=T, verbose=0, callbacks=[recording])
    dynamics, predicted = dp.load(tmp_path / "run"), model.predict(features, verbose=0)
    assert dynamics.epochs == T  # it stopped early
    if act == "regression":
        wanted = (predicted - target)[:, 0] ** 2
        np.testing.assert_allclose(dynamics.channels["loss"][-1], wanted, rtol=1e-4)
        return
    if act == "logits":
        predicted = torch.from_numpy(predicted).softmax(1).numpy()
    both = predicted if width == 2 else np.concatenate([1 - predicted, predicted], axis=1)
    np.testing.assert_allclose(dynamics.channels["target_prob"][-1], both[np.arange(N), LABEL], rtol=1e-4)


def test_the_examples_of_other_tasks_run(tmp_path, capsys):
    wanted = {
        "trainer_multilabel": "recorded 2 epochs of 1,797 digits",
        "trainer_causal_lm": "recorded 3 epochs of 240 texts",
        "lightning_regression": "recorded 5 epochs of 442 patients",
    }
    for name, sentence in wanted.items():
        found = importlib.util.spec_from_file_location(f"with_{name}", EXAMPLES / f"with_{name}.py")
        example = importlib.util.module_from_spec(found)
        found.loader.exec_module(example)
        example.main(tmp_path / name)
        assert sentence in capsys.readouterr().out
        loss = dp.load(tmp_path / name / "dynamics").channels["loss"]
        assert loss[-1].mean() < loss[0].mean()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("at", "warned"), [(1.0, False), (1.4, True), (2.0, False), (2.4, False)])
def test_a_checkpoint_of_transformers_without_the_record_is_told_where_it_lies_inside_a_recorded_epoch(
    tmp_path, at, warned
):
    from transformers import TrainerState

    from datapare.recording.adapters.transformers import _Epochs

    recorder = dp.Recorder(tmp_path, LABEL, epochs=2)
    for _ in range(int(at)):
        recorder.observe(np.arange(N), np.eye(2, dtype=np.float32)[LABEL])
        recorder.end_epoch()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _Epochs(recorder).on_train_begin(None, TrainerState(epoch=at), None)
    recorder.close()
    assert [one.filename for one in caught] == [__file__] * warned
    assert all("lies inside epoch 2" in str(one.message) for one in caught)


@pytest.mark.slow
def test_all_of_them_in_two_processes(tmp_path):
    done = forked.run(tmp_path, __file__, tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("transformers", "lightning", "fabric"):
        check(tmp_path / name)


@pytest.mark.slow
def test_the_accelerate_example_in_two_processes(tmp_path):
    launch = (launchers.__file__, "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    settings = ("--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no")
    done = forked.run(tmp_path, *launch, *settings, EXAMPLES / "with_accelerate.py", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("recorded 2 epochs of 1,797 digits, processes: 2") == 1
    assert np.isfinite(dp.load(tmp_path / "dynamics").channels["loss"]).all()


@pytest.mark.parametrize(
    "name",
    ["trainer", "accelerate", "lightning", "fabric", "skorch", "partial_fit", "numpy", "keras", "xgboost", "lightgbm"],
)
def test_the_examples_run_and_find_their_record_again(name, tmp_path, capsys):
    found = importlib.util.spec_from_file_location(f"with_{name}", EXAMPLES / f"with_{name}.py")
    example = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    for _ in range(2):
        example.main(tmp_path)
        assert f"recorded {example.EPOCHS} epochs of 1,797 digits" in capsys.readouterr().out
    dynamics = dp.load(tmp_path / "dynamics")
    loss = dynamics.channels["loss"]
    assert np.isnan(loss).sum() == (360 * example.EPOCHS if name == "skorch" else 0)
    assert np.nanmean(loss[-1]) < np.nanmean(loss[0])


def main(folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    in_transformers(folder)
    in_lightning(folder, 2)
    in_fabric(folder, 2)
    dist.destroy_process_group()


if __name__ == "__main__":
    import lightning  # noqa: F401 - once for both processes
    import transformers  # noqa: F401

    together.launched(2, main, Path(sys.argv[1]))
