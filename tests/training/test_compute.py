"""The table of how a step is computed, and that results follow from it alone."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from trainings import PICTURES, pictures, same_model, words

import datapare as dp
from datapare.data import Encoding, Inputs
from datapare.errors import InputError
from datapare.training.compute import HEAVY, LIGHT, TABLE, describe, lookup, network_class, with_defaults
from datapare.training.config import AUTO_TUNED, TrainingConfig, retraining
from datapare.training.device import compute_threads
from datapare.training.loop import resolve, train

REPRODUCIBILITY = Path(__file__).parents[2] / "docs" / "reproducibility.md"


HEAVY_TRAINING = replace(PICTURES, epochs=1, threads=2)


def test_every_device_and_network_has_one_row_and_the_processor_is_fp32():
    for device, capabilities in {"cpu": [(0, 0)], "cuda": [(7, 5), (8, 0), (9, 0), (12, 0)]}.items():
        for capability in capabilities:
            for network in (HEAVY, LIGHT):
                row = lookup(device, capability, network)
                wanted = "bf16" if device == "cuda" and capability >= (8, 0) else "fp32"
                assert (row.precision, row.layout, row.compiled) == (wanted, "channels-last", False)
    assert len(TABLE) == len(set(TABLE)) == 6


def test_the_documentation_shows_the_table():
    assert "\n".join(describe()) in REPRODUCIBILITY.read_text(encoding="utf-8")


def test_what_is_requested_stays_and_the_rest_follows_from_the_table():
    asked = replace(PICTURES, precision="bf16", layout="contiguous")
    assert with_defaults(asked, pictures()[0]) == replace(asked, compiled=False, threads=1)
    data, label = pictures()
    usual = replace(PICTURES, precision="fp32", layout="channels-last", compiled=False, threads=1)
    if not torch.cuda.is_available():
        assert with_defaults(PICTURES, data) == usual
        assert resolve(data, label, 3, PICTURES, seed=0) == usual
    assert train(data, label, 3, PICTURES, seed=0).training == with_defaults(PICTURES, data)
    assert all(getattr(with_defaults(PICTURES, data), name) != value for name, value in AUTO_TUNED.items())
    with pytest.raises(InputError, match="threads is a number of at least 1, not 0"):
        replace(PICTURES, threads=0)


def test_the_class_of_a_network_follows_from_its_width_and_the_size_of_its_inputs():
    images = Inputs(np.zeros((2, 32, 32, 3), np.uint8), Encoding("image"))
    assert network_class(TrainingConfig(epochs=1, width=16), images) == HEAVY
    assert network_class(TrainingConfig(epochs=1, width=15), images) == LIGHT
    assert network_class(TrainingConfig(epochs=1, model="textnet"), words()[0]) == LIGHT
    assert network_class(TrainingConfig(epochs=1, model="transformers:some/model"), words()[0]) == HEAVY


def test_retrainings_are_computed_on_one_thread():
    for budget in ("epochs", "iterations"):
        training = TrainingConfig(epochs=2, schedule_epochs=4, threads=2, subset_budget=budget)
        assert retraining(training, 0.5).threads == 1


def test_the_callers_number_of_threads_neither_matters_nor_changes():
    data, label = pictures()
    before, models = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            models.append(train(data, label, 3, HEAVY_TRAINING, seed=0))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert same_model(models[0], models[1])
    assert same_model(models[0], models[2])
    with pytest.raises(KeyError), compute_threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


def vectors():
    """Three classes of 32 points."""
    label = np.arange(32) % 3
    return dp.open_dataset(((np.random.default_rng(1).normal(size=(32, 5)) + label[:, None]).astype(np.float32), label))


def calls():
    """Train and record, and return a digest of the results."""
    rng, label = np.random.default_rng(0), np.arange(32) % 3
    array = rng.integers(0, 120, (32, 8, 8, 1), dtype=np.uint8) + (40 * label).astype(np.uint8)[:, None, None, None]
    # of width 4, oneDNN limited to AVX2 writes beyond its memory
    training = TrainingConfig(epochs=2, batch_size=16, lr=0.05, augment=("flip", "crop"), model="resnet8", width=4)
    model = train(Inputs(array, Encoding("image")), label, 3, training, seed=0).model
    two = TrainingConfig(epochs=2, batch_size=16, model="mlp", width=8, threads=2)
    dynamics = dp.record(vectors(), preset=two, channels=("target_prob", "embedding", "grad_norm"))
    found = [value.numpy() for value in model.state_dict().values()]
    digest = hashlib.sha256()
    for values in (*found, *dynamics.channels.values(), *dynamics.arrays.values()):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def call_in_fresh_processes(folder):
    """Fork 24 processes from one that has imported everything and computed nothing, four at a time."""
    vectors()  # imports
    for pair in range(6):
        for threads, limit in product((1, 2), ({}, {"ONEDNN_MAX_CPU_ISA": "AVX2"})):
            if os.fork() == 0:
                os.environ |= limit
                if pair:  # in the first pair as many as there are cores
                    torch.set_num_threads(threads)
                (folder / f"{os.getpid()}.{len(limit)}").write_text(calls())
                os._exit(0)
        assert [os.wait()[1] for _ in range(4)] == [0] * 4


@pytest.fixture
def busy_cores():
    """Keep every core busy, at low priority, until the test is over."""
    loop = [sys.executable, "-c", "import os; os.nice(19)\nwhile True: pass"]
    loops = [subprocess.Popen(loop) for _ in range(os.cpu_count() or 1)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("busy_cores")
def test_equal_calls_in_fresh_processes_on_busy_cores_give_equal_bits(tmp_path):
    """On other numbers of threads, half with oneDNN limited to AVX2; and here, where strings hash otherwise."""
    plain = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    paths = os.pathsep.join(sys.path)
    others = {"PYTHONPATH": paths, "PYTHONHASHSEED": "1", "OMP_WAIT_POLICY": "passive"}  # to wait costs nothing
    subprocess.run([sys.executable, __file__, tmp_path], env=plain | others, check=True)
    free, limited = ([path.read_text() for path in tmp_path.glob(f"*.{limit}")] for limit in range(2))
    assert len(free) == len(limited) == 12
    assert {*free} == {calls()}
    assert len({*limited}) == 1


def test_what_ran_before_in_the_process_does_not_matter():
    data, label = pictures()
    fresh = train(data, label, 3, HEAVY_TRAINING, seed=0)
    torch.manual_seed(5)
    torch.nn.Linear(400, 400)(torch.rand(400, 400)).sum().backward()
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(train, data, label, 3, HEAVY_TRAINING, seed=0).result()
    assert same_model(fresh, elsewhere)
    train(*words(), 2, TrainingConfig(epochs=1, batch_size=16, model="textnet", width=8), seed=3)
    assert same_model(fresh, train(data, label, 3, HEAVY_TRAINING, seed=0))


if __name__ == "__main__":
    import torch._dynamo
    import torch._functorch.apis

    from datapare.training import record  # noqa: F401 - loaded here

    call_in_fresh_processes(Path(sys.argv[1]))
