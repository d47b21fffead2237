"""Killed anywhere, a record continues to the same bytes; two processes never write one record.

The file is also the program that is killed: `python test_crash.py FOLDER` records in a child process for each
point at which it can die, kills it there with SIGKILL, and continues in another child.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import datapare as dp
from datapare import Provenance, storage
from datapare.errors import BusyError, InputError
from datapare.recording import Recorder
from datapare.recording.record_files import RecordFiles

N, K, T = 19, 3, 3
LABEL = np.random.default_rng(1).integers(0, K, N)
KNOBS: dict[str, Any] = {"channels": ("target_prob", "kl_step", "cos_step"), "arrays": ("logit_mean",)}


def record_epoch(recorder, epoch):
    order = torch.randperm(N, generator=torch.Generator().manual_seed(epoch))[: N - 2 * epoch]
    logits = torch.randn(N, K, generator=torch.Generator().manual_seed(50 + epoch))
    for index in order.split(7):
        recorder.observe(index, logits[index], torch.from_numpy(LABEL)[index])
    recorder.end_epoch()


def record(folder):
    with Recorder(folder, LABEL, T, **KNOBS) as recorder:
        for epoch in range(recorder.epoch, T):
            record_epoch(recorder, epoch)


def contents(folder):
    """Return all bytes of a finished record, by file name."""
    timed = ("seconds.npy", "progress.json")  # how long an epoch took is no part of what was observed
    return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir()) if file.name not in timed}


def die_at(event):
    """Kill this process at its n-th step: each reservation, observation, row, progress and description."""
    left = [event]

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **params: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **params)

        return step

    for owner, name in [
        (Recorder, "observe"),
        (RecordFiles, "write_row"),
        (storage, "write_json"),
        (os, "posix_fallocate"),
        (Path, "replace"),
        (Path, "unlink"),
    ]:
        setattr(owner, name, deadly(getattr(owner, name)))


def in_child(act):
    """Run an act in a forked process; return whether it lived."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main(folder):
    """Die at every step in turn, continue, and print how many steps there were."""
    torch.set_num_threads(1)
    record(folder / "whole")
    whole = contents(folder / "whole")
    event, lived = 0, False
    while not lived:
        event += 1
        run = folder / str(event)
        lived = in_child(lambda: (die_at(event), record(run)))  # noqa: B023
        assert in_child(lambda: record(run)), f"not continued after step {event}"  # noqa: B023
        assert contents(run) == whole, f"other bytes after step {event}"
    print(event - 1)  # noqa: T201


def program(*args: Any, **params):
    return subprocess.Popen([sys.executable, *map(str, args)], stdout=subprocess.PIPE, text=True, **params)


@pytest.mark.slow
def test_killed_at_every_step_it_continues_to_the_same_bytes(tmp_path):
    done = forked.run(tmp_path, __file__, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 40


HOLD = """
import sys, time, torch
from torch.utils.data import DataLoader, TensorDataset
from datapare.recording import Recorder
recorder = Recorder(sys.argv[1], [0, 1], 1)
loader = DataLoader(TensorDataset(torch.arange(2)), num_workers=1, persistent_workers=True)
batches = iter(loader)
print("open", flush=True)
time.sleep(600)
"""


def test_a_second_process_is_told_at_once_and_a_killed_one_leaves_no_lock(tmp_path, monkeypatch):
    holder = program("-c", HOLD, tmp_path / "run")
    workers: list[str] = []
    try:
        assert select.select([holder.stdout], [], [], 600)[0]
        assert holder.stdout.readline() == "open\n"
        workers = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
        with pytest.raises(BusyError, match="another process is recording in"):
            Recorder(tmp_path / "run", [0, 1], 1)
        monkeypatch.undo()
    finally:
        holder.kill()
        holder.wait()
    # Its data-loading worker may live for seconds more, and must not hold the lock meanwhile.
    Recorder(tmp_path / "run", [0, 1], 1).close()
    holder.stdout.close()
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(worker), signal.SIGKILL)


def test_an_exception_leaves_a_folder_that_continues(tmp_path):
    def fail():
        with Recorder(tmp_path / "run", LABEL, T, **KNOBS) as recorder:
            record_epoch(recorder, 0)
            recorder.observe([1, 2], torch.zeros(2, K))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not storage.is_finished(tmp_path / "run")
    with Recorder(tmp_path / "run", LABEL, T, **KNOBS) as recorder:
        assert recorder.epoch == 1
        assert recorder.coverage.tolist() == [1.0]
        assert not storage.is_finished(tmp_path / "run")
    early = dp.load(tmp_path / "run")  # closed without an exception: what there is
    assert early.epochs == 1
    np.testing.assert_array_equal(early.arrays["logit_mean"][:, 0], early_logits()[:, 0])
    record(tmp_path / "run")
    record(tmp_path / "whole")
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def early_logits():
    return torch.randn(N, K, generator=torch.Generator().manual_seed(50)).numpy()


def test_an_exception_after_the_last_epoch_leaves_it_open_to_rewinding(tmp_path):
    def fail():
        with Recorder(tmp_path / "run", LABEL, T, **KNOBS) as recorder:
            for epoch in range(T):
                record_epoch(recorder, epoch)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not storage.is_finished(tmp_path / "run")
    with Recorder(tmp_path / "run", LABEL, T, **KNOBS) as recorder:
        recorder.rewind(T - 1)
        record_epoch(recorder, T - 1)
    assert storage.is_finished(tmp_path / "run")


@pytest.mark.parametrize("steps", [[1], [2, 0], [3, 2, 2], [0, 3, 2]])
def test_rewinding_records_the_same_bytes_again(tmp_path, steps):
    with Recorder(tmp_path / "run", LABEL, T, **KNOBS) as recorder:
        for back in steps:
            while recorder.epoch < max(back + 1, 1) and recorder.epoch < T:
                record_epoch(recorder, recorder.epoch)
            recorder.rewind(back)
            assert recorder.epoch == len(recorder.coverage) == back
        for epoch in range(recorder.epoch, T):
            record_epoch(recorder, epoch)
    record(tmp_path / "whole")
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_rewinding_forgets_the_running_epoch(tmp_path):
    with Recorder(tmp_path / "run", [0, 0], 1) as recorder:
        recorder.observe([0, 1], torch.zeros(2, 2))
        recorder.rewind(0)
        recorder.observe([1], torch.zeros(1, 2))
        recorder.end_epoch()
    assert recorder.coverage.tolist() == [0.5]


def test_rewinding_further_than_the_tables_reach_is_refused(tmp_path):
    with Recorder(tmp_path / "run", LABEL, T, **KNOBS) as recorder:
        for epoch in range(T):
            record_epoch(recorder, epoch)
        with pytest.raises(InputError, match=r"cannot go back from epoch 3 to 1: .* go back to 0"):
            recorder.rewind(1)
        assert recorder.epoch == T
    with Recorder(tmp_path / "plain", LABEL, T) as recorder:
        for epoch in range(T):
            record_epoch(recorder, epoch)
        recorder.rewind(1)
        assert recorder.epoch == 1


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"labels": LABEL[::-1].copy()}, "labels"),
        ({"labels": np.append(LABEL, 0)}, "examples and labels .*examples 19 there and 20 here"),
        ({"epochs": T + 1}, r"epochs \(epochs 3 there and 4 here\)"),
        ({"channels": ("loss",)}, "channels"),
        ({"arrays": ()}, "arrays"),
        ({"observed": "eval-pass"}, "observed"),
        ({"classes": ("a", "b", "c")}, "classes"),
        ({"key": np.arange(N, dtype=np.uint64)}, "keys"),
        ({"provenance": Provenance(step="record", seed=1)}, "provenance"),
    ],
)
def test_another_record_is_not_continued(tmp_path, other, named):
    same = {"labels": LABEL, "epochs": T, **KNOBS}
    with Recorder(tmp_path / "run", **same) as recorder:
        record_epoch(recorder, 0)
    before = contents(tmp_path / "run")
    with pytest.raises(InputError, match=f"begun with other {named}"):
        Recorder(tmp_path / "run", **{**same, **other})
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("text", ["{", "[]", '{"datapare": 2}'])
def test_damaged_progress_is_one_sentence(tmp_path, text):
    Recorder(tmp_path / "run", LABEL, T).close()
    (tmp_path / "run" / "progress.json").write_text(text)
    with pytest.raises(InputError, match="record again in a new folder"):
        Recorder(tmp_path / "run", LABEL, T)


def test_reading_waits_until_the_recorder_is_closed(tmp_path):
    with Recorder(tmp_path / "run", LABEL, T) as recorder:
        record_epoch(recorder, 0)
        with pytest.raises(InputError, match="unfinished"):
            storage.load(tmp_path / "run")
    assert storage.load(tmp_path / "run").epochs == recorder.dynamics().epochs == 1


def test_a_recorded_worker_is_no_second_writer(tmp_path):
    """A loader's forked worker that ends must not release its parent's lock."""
    with Recorder(tmp_path / "run", np.arange(4), 1) as recorder:
        data = TensorDataset(torch.arange(4))
        assert len(list(recorder.track(DataLoader(data, num_workers=1)))) == 4
        with pytest.raises(BusyError):
            Recorder(tmp_path / "run", np.arange(4), 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
