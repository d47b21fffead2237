import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from datapare.data import Encoding, Inputs
from datapare.errors import InputError
from datapare.training.config import TrainingConfig, learning_rate, retraining, same_iterations, subset_batch
from datapare.training.presets import PRESETS, choose, preset


def test_the_rate_follows_a_cosine_per_iteration():
    training = TrainingConfig(epochs=2, schedule_epochs=4, lr=0.1, min_lr=0.02)
    rates = [learning_rate(training, i, per_epoch=3) for i in range(12)]
    assert rates[0] == 0.1
    assert rates[6] == pytest.approx(0.06)  # half-way: the mean of lr and min_lr
    assert rates[1] == pytest.approx(0.02 + 0.04 * (1 + math.cos(math.pi / 12)))
    assert all(a > b for a, b in pairwise(rates))
    assert learning_rate(training, 12, per_epoch=3) == pytest.approx(0.02)


def test_the_cifar_scoring_run_ends_where_the_paper_says():
    per_epoch = math.ceil(50_000 / 128)
    end = learning_rate(preset("cifar10"), 30 * per_epoch, per_epoch)
    assert end / 0.1 == pytest.approx(0.946, abs=5e-4)


def test_subset_batches_are_the_papers():
    assert [subset_batch(128, keep) for keep in (1, 0.7, 0.5, 0.3, 0.2, 0.1)] == [128, 128, 128, 128, 64, 32]


def test_subset_batches_between_the_papers_points_take_the_nearest():
    assert [subset_batch(128, keep) for keep in (0.26, 0.25, 0.24, 0.16, 0.15, 0.14, 0.01)] == [
        128,
        128,
        64,
        64,
        64,
        32,
        32,
    ]
    assert subset_batch(4, 0.01) == 2


@pytest.mark.parametrize("keep", [0, -0.1, 1.5])
def test_subset_batch_refuses_what_is_no_fraction(keep):
    with pytest.raises(InputError, match="fraction between 0 and 1"):
        subset_batch(128, keep)


def test_the_papers_recipes_hold_the_papers_constants():
    cifar = preset("cifar100")
    assert (cifar.epochs, cifar.schedule, cifar.batch_size, cifar.lr) == (30, 200, 128, 0.1)
    assert (cifar.momentum, cifar.nesterov, cifar.weight_decay, cifar.min_lr) == (0.9, True, 5e-4, 0)
    assert (cifar.model, cifar.width, cifar.augment) == ("resnet18", 64, ("flip", "crop"))
    imagenet = preset("imagenet")
    assert (imagenet.epochs, imagenet.schedule, imagenet.batch_size, imagenet.min_lr) == (60, 60, 256, 1e-4)
    assert (imagenet.nesterov, imagenet.weight_decay, imagenet.model) == (False, 1e-4, "resnet34")


def test_retraining_runs_the_whole_schedule():
    full = retraining(preset("cifar10"))
    assert (full.epochs, full.schedule, full.batch_size) == (200, 200, 128)
    assert retraining(preset("cifar10"), 0.2).batch_size == 64


def test_imagenet_retrains_for_the_same_iterations_at_any_size():
    small = retraining(preset("imagenet"), 0.1)
    assert (small.epochs, small.batch_size) == (600, 256)
    assert same_iterations(preset("cifar10"), 0.5).epochs == 400


def test_an_unknown_preset_is_answered_with_the_nearest_ones():
    with pytest.raises(InputError, match="did you mean cifar10 or cifar100"):
        preset("cifar")


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="schedule's 10, not 11"):
        TrainingConfig(epochs=11, schedule_epochs=10)
    with pytest.raises(InputError, match="batch >= 2"):
        TrainingConfig(epochs=1, batch_size=1)


@pytest.mark.parametrize(
    ("kind", "shape", "name"),
    [
        ("image", (1797, 8, 8, 1), "tiny"),
        ("image", (5000, 32, 32, 3), "small"),
        ("image", (500, 224, 224, 3), "large"),
        ("text", (9, 20), "text"),
        ("table", (9, 20), "table"),
        ("embedding", (9, 20), "embedding"),
    ],
)
def test_the_data_choose_a_preset(kind, shape, name):
    inputs = Inputs(np.empty(shape, dtype=np.uint8), Encoding(kind))
    assert choose(inputs, 10) is PRESETS[name]


def test_presets_can_be_read_without_loading_torch():
    script = "import sys, datapare.training, datapare.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    proof = "import sys, datapare.training; datapare.training.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", proof], check=False).returncode == 1  # so the first can fail
