"""Several processes record as one: real ones, started by torchrun, which talk over gloo.

The file is also the program that they run: `torchrun --nproc-per-node 2 test_processes.py ACT FOLDER`, where torchrun
forks (`launchers.py`).
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import forked
import launchers
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import datapare as dp
from datapare.errors import BusyError, DatapareError
from datapare.recording import Recorder, logit_signals
from datapare.recording.logit_signals import CHANNELS

N, K, T, B = 23, 4, 3, 5
LABEL = np.random.default_rng(0).integers(0, K, N)
KNOBS = {"channels": (*CHANNELS, "kl_step", "cos_step"), "arrays": ("logit_mean",)}


def logits_of(epoch):
    return torch.randn(N, K, generator=torch.Generator().manual_seed(epoch)) * 3


def loader_of(rank, count, epoch):
    data = TensorDataset(torch.arange(N), torch.from_numpy(LABEL))
    sampler = DistributedSampler(data, num_replicas=count, rank=rank, seed=7)  # pads 23 to 24
    sampler.set_epoch(epoch)
    return DataLoader(data, B, sampler=sampler)


def share_of(rank, count, epoch):
    """Yield the batches of one process, each preceded and followed by an example that another one also observes."""
    for step, (told, _) in enumerate(loader_of(rank, count, epoch)):
        # The same example in both processes and twice in this one, with logits that differ each time.
        index = torch.cat([torch.tensor([step]), told, torch.tensor([step])])
        yield (
            index,
            logits_of(epoch)[index] + 0.1 * rank + torch.arange(len(index))[:, None] * torch.tensor([1, 0, 0, 0]),
        )


def record_epoch(recorder, rank, count, epoch):
    for index, logits in share_of(rank, count, epoch):
        recorder.observe(index, logits, torch.from_numpy(LABEL)[index])
    recorder.end_epoch()


def record(folder):
    rank, count = dist.get_rank(), dist.get_world_size()
    with Recorder(folder, LABEL, T, **KNOBS) as recorder:
        for epoch in range(recorder.epoch, T):
            record_epoch(recorder, rank, count, epoch)
    return recorder


def record_alone(folder, count=2):
    """Record in this process what `count` processes would see, their batches in turn."""
    with Recorder(folder, LABEL, T, **KNOBS) as recorder:
        for epoch in range(T):
            for batches in zip(*(share_of(rank, count, epoch) for rank in range(count)), strict=True):
                for index, logits in batches:
                    recorder.observe(index, logits)
            recorder.end_epoch()
    return contents(folder)


def contents(folder):
    timed = ("seconds.npy", "progress.json")
    return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir()) if file.name not in timed}


def said(act):
    """Return the sentence an act ends with."""
    try:
        act()
    except DatapareError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def observe_nan(folder, rank):
    with Recorder(folder, LABEL, T) as recorder:
        recorder.observe(torch.arange(N), torch.full((N, K), torch.nan if rank else 0.0))
        recorder.end_epoch()


def observe_only_in_the_second(folder, rank):
    with Recorder(folder, LABEL, 1, **KNOBS) as recorder:
        if rank:
            recorder.observe(torch.arange(N), logits_of(0))
        recorder.end_epoch()
        assert recorder.coverage.tolist() == [1.0]


def rewind_and_track(folder, rank, count):
    """Go back an epoch together, then follow a DistributedSampler; every sample says who it is."""
    with Recorder(folder, LABEL, 2) as recorder:
        record_epoch(recorder, rank, count, 0)
        recorder.rewind(0)
        for epoch in range(2):
            for index, told, target in recorder.track(loader_of(rank, count, epoch)):
                assert index.tolist() == told.tolist()
                recorder.observe(index, logits_of(epoch)[told], target)
            recorder.end_epoch()


def train(folder, rank, count):
    """Train a small network with DistributedDataParallel."""
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, K))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(folder, LABEL, 2) as recorder:
        for epoch in range(2):
            for index, told, target in recorder.track(loader_of(rank, count, epoch)):
                logits = model(told[:, None].float() / N)
                recorder.observe(index, logits, target)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, target).backward()
                optimizer.step()
            recorder.end_epoch()


def everything(folder):
    """Do all that two processes can do in one start."""
    rank, count = dist.get_rank(), dist.get_world_size()
    assert record(folder / "run").dynamics().epochs == T
    record(folder / "run")  # finished: found again
    rewind_and_track(folder / "rewound", rank, count)
    train(folder / "trained", rank, count)
    observe_only_in_the_second(folder / "second", rank)
    sentences = [
        said(lambda: observe_nan(folder / "nan", rank)),
        said(lambda: Recorder(folder / "other", LABEL, T + rank)),
        said(lambda: Recorder(folder / "run" / "label.npy", LABEL, T)),
        said(lambda: Recorder(folder / "early", LABEL, T).rewind(1)),
        said(lambda: Recorder(folder / "empty", LABEL, T).end_epoch()),
    ]
    (folder / f"said.{rank}.json").write_text(json.dumps(sentences))


def die(folder):
    """Kill the second process in the second epoch."""
    observe = Recorder.observe

    def deadly(recorder, *args):
        if recorder.epoch == 1 and dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        observe(recorder, *args)

    Recorder.observe = deadly
    record(folder / "run")


def go_on(folder):
    """Record what is missing."""
    progress = json.loads((folder / "run" / "progress.json").read_text())
    assert len(progress["coverage"]) == 1
    record(folder / "run")


def on_two_hosts(folder):
    """Record where each process sees a disk of its own."""
    host = folder / os.environ["GROUP_RANK"]
    recorder = record(host)
    if dist.get_rank():
        assert "there is none" in said(recorder.dynamics)
        assert not host.exists()


def under_accelerate(folder):
    """Record the shares, and what a loader says that accelerate divided: every sample says who it is."""
    import accelerate

    accelerator = accelerate.Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    data = TensorDataset(torch.arange(N), torch.from_numpy(LABEL))
    loader = accelerator.prepare_data_loader(DataLoader(data, B, shuffle=True))
    with Recorder(folder / "rewound", LABEL, 2) as recorder:
        for epoch in range(2):
            for index, told, target in recorder.track(loader):
                assert index.tolist() == told.tolist()
                recorder.observe(index, logits_of(epoch)[told], target)
            recorder.end_epoch()
    record(folder / "run")


def main(act, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    act(folder)
    dist.destroy_process_group()


def launched(act, folder, *settings, by="torch.distributed.run"):
    return forked.run(folder, launchers.__file__, by, *settings, __file__, act.__name__, folder)


def finished(done):
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_record_as_one(tmp_path):
    finished(launched(everything, tmp_path, "--standalone", "--nproc-per-node", "2"))
    alone = record_alone(tmp_path / "alone")
    assert contents(tmp_path / "run") == alone  # bit for bit, the tables' kl_step and logit_mean included
    check_tracked(dp.load(tmp_path / "rewound"))
    check_trained(dp.load(tmp_path / "trained"))
    assert np.isfinite(dp.load(tmp_path / "second").arrays["logit_mean"]).all()
    first, second = (json.loads((tmp_path / f"said.{rank}.json").read_text()) for rank in range(2))
    assert first == second
    for sentence, wanted in zip(
        first,
        [
            "DivergedError: training diverged in epoch 1: 23 of 23 observed",
            "InputError: process 1 of 2 records with other epochs than process 0; give every process the same.",
            "InputError: cannot record in",
            "InputError: cannot go back to epoch 1: the record is at epoch 0",
            "InputError: nothing was observed in epoch 1",
        ],
        strict=True,
    ):
        assert sentence.startswith(wanted)


def check_tracked(dynamics):
    """All examples once, padding included, as if no one had been shuffled or shared out."""
    for epoch in range(2):
        wanted = logit_signals.measure(logits_of(epoch), torch.from_numpy(LABEL), ["margin"])[:, 0]
        np.testing.assert_array_equal(dynamics.channels["margin"][epoch], wanted)


def check_trained(dynamics):
    """The same training in one process, whose step is the mean of both shares."""
    torch.manual_seed(0)
    model = torch.nn.Linear(1, K)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        row = np.full(N, np.nan)
        for parts in zip(loader_of(0, 2, epoch), loader_of(1, 2, epoch), strict=True):
            optimizer.zero_grad()
            for told, target in parts:
                logits = model(told[:, None].float() / N)
                row[told] = logit_signals.measure(logits.detach(), target, ["loss"])[:, 0]
                (torch.nn.functional.cross_entropy(logits, target) / 2).backward()
            optimizer.step()
        np.testing.assert_allclose(dynamics.channels["loss"][epoch], row, rtol=1e-5)


@pytest.mark.slow
def test_accelerate_launch_records_as_one(tmp_path):
    pytest.importorskip("accelerate")
    settings = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no")
    settings += ("--main_process_port", "0")
    finished(launched(under_accelerate, tmp_path, *settings, by="accelerate.commands.launch"))
    assert contents(tmp_path / "run") == record_alone(tmp_path / "alone")
    check_tracked(dp.load(tmp_path / "rewound"))


@pytest.mark.slow
def test_a_killed_process_leaves_a_record_that_the_next_ones_continue(tmp_path):
    assert launched(die, tmp_path, "--standalone", "--nproc-per-node", "2").returncode == 1
    finished(launched(go_on, tmp_path, "--standalone", "--nproc-per-node", "2"))
    assert contents(tmp_path / "run") == record_alone(tmp_path / "alone")


def test_a_process_that_does_not_know_of_the_others_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        Recorder(tmp_path, LABEL, T),
        pytest.raises(BusyError, match=r"one of 2 processes .* after torch.distributed is initialised"),
    ):
        Recorder(tmp_path, LABEL, T)


@pytest.fixture
def two_hosts():
    """Yield two hosts' names and network interfaces, of namespaces that see each other; only root may make them."""
    names = [f"datapare-{os.getpid()}-{end}" for end in "ab"]
    ends = [f"dp{os.getpid() % 10**6}{end}" for end in "ab"]
    plan = [["ip", "netns", "add", name] for name in names]
    plan += [["ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1]]]
    for i, (name, end) in enumerate(zip(names, ends, strict=True)):
        inside = ["ip", "netns", "exec", name, "ip"]
        plan += [
            ["ip", "link", "set", end, "netns", name],
            [*inside, "address", "add", f"10.77.0.{i + 1}/24", "dev", end],
            [*inside, "link", "set", end, "up"],
            [*inside, "link", "set", "lo", "up"],
        ]
    try:
        for command in plan:
            subprocess.run(command, check=True, capture_output=True)
        yield names, ends
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not make network namespaces")
    finally:
        for name in names:
            with suppress(OSError):
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


ON_HOSTS = """
import ctypes, os, runpy, sys
names, ends, launcher, *argv = sys.argv[1:]
for rank, (name, end) in enumerate(zip(names.split(), ends.split())):
    if os.fork() == 0:
        assert ctypes.CDLL(None).setns(os.open(f"/run/netns/{name}", os.O_RDONLY), 0) == 0
        os.environ |= {"GLOO_SOCKET_IFNAME": end, "TP_SOCKET_IFNAME": end}
        sys.argv = [launcher, "torch.distributed.run", "--node-rank", str(rank), *argv]
        runpy.run_path(launcher, run_name="__main__")
        os._exit(0)
assert [os.wait()[1] for _ in range(2)] == [0, 0]
"""


@pytest.mark.slow
def test_a_second_host_is_only_an_address(two_hosts, tmp_path):
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    settings = ("--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "10.77.0.1", "--master-port", port)
    act = (__file__, on_two_hosts.__name__, tmp_path)
    finished(forked.run(tmp_path, *map(" ".join, two_hosts), launchers.__file__, *settings, *act, code=ON_HOSTS))
    assert contents(tmp_path / "0") == record_alone(tmp_path / "alone")


if __name__ == "__main__":
    main(globals()[sys.argv[1]], Path(sys.argv[2]))
