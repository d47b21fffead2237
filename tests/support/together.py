"""What several processes do together: by launch, each calls these functions; as a program, this file forks processes.

`forked.run(FOLDER, together.__file__, FOLDER)`: in FOLDER a launcher's processes record every case, alone and by three,
complete the record `2/killed`, and run the command line.
"""

import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from traceback import format_exc

import numpy as np
import torch.distributed as dist

import datapare as dp
from datapare.errors import InputError
from datapare.recording import Recorder
from datapare.training import TrainingConfig
from datapare.training.launch import connected

QUICK = TrainingConfig(epochs=2, schedule_epochs=4, batch_size=16, lr=0.05, model="resnet8", width=4, precision="fp32")
PLAIN = replace(QUICK, model="networks:flat", optimizer="adamw", lr=0.01)
ATTACKED = replace(PLAIN, epsilon=8 / 255, attack_steps=1)
# 34 = 2 batches of 16 and one of 2, of which nothing is left for a third process
CASES = {
    "batch norm": {
        "preset": replace(QUICK, augment=("flip", "crop")),
        "channels": ("target_prob", "embedding"),
    },
    "resized": {"preset": replace(PLAIN, augment=("resized-crop",)), "channels": ("target_prob", "kl_step")},
    "two views": {"preset": PLAIN, "observed": "two-view", "channels": ("target_prob",)},
    "streamed": {"preset": replace(QUICK, augment=("flip", "crop")), "channels": ("target_prob", "embedding")},
    "attacked": {"preset": ATTACKED, "observed": "eval-pass", "channels": ("target_prob",), "fraction": 0.7},
}


def images(count: int = 34) -> dp.Dataset:
    """Return small images of ten classes, which differ in their brightest row or column."""
    label = np.arange(count) % 10
    image = np.random.default_rng(0).integers(0, 120, (count, 8, 8)).astype(np.uint8)
    for shown, number in zip(image, label, strict=True):
        (shown if number % 2 else shown.T)[number // 2] += 130
    return dp.open_dataset((image, label), kind="image")


def record_case(name: str, out: Path, progress: object = False) -> dp.Dynamics:
    """Record a case; `streamed` from the folder `photos`, whose images are decoded whenever they are needed."""
    data = dp.open_dataset(out.parents[1] / "photos", stream=True) if name == "streamed" else images()
    return dp.record(data, out=out, seed=3, progress=progress, **CASES[name])


def record_all(report, folder: Path) -> None:
    """Record every case."""
    for name in CASES:
        record_case(name, folder / name, report or False)


def record_all_and_die(report, folder: Path) -> None:
    """Record every case, then once more the streamed one, in whose second epoch the second process is killed."""
    record_all(report, folder)
    end_epoch = Recorder.end_epoch

    def deadly(recorder: Recorder) -> None:
        if recorder.epoch == 1 and dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        end_epoch(recorder)

    Recorder.end_epoch = deadly
    record_case("streamed", folder / "killed")


def record_all_and_resume(folder: Path, killed: Path) -> None:
    """Record every case, complete the one that was killed, and disagree about the seed of another."""
    with connected():
        record_all(None, folder)
        record_case("streamed", killed)
        try:
            dp.record(images(), out=folder / "other", seed=dist.get_rank(), progress=False, **CASES["two views"])
        except InputError as error:
            (folder / f"refused-{dist.get_rank()}.txt").write_text(str(error))


def command(folder: Path, *argv: str) -> None:
    """Run the command line; what it prints and its exit code are in files of the folder."""
    from datapare.cli.app import main

    rank = os.environ["RANK"]
    folder.mkdir(exist_ok=True)
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / f"{name}-{rank}", os.O_WRONLY | os.O_CREAT, 0o644), stream)
    sys.argv = ["datapare", *argv]
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        (folder / f"code-{rank}").write_text(str(ended.code or 0))


def launched(count: int, act, *arguments: object) -> None:
    """Call `act` in so many forked processes, whose environment is that of torchrun."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = str(free.getsockname()[1])
    children = []
    for rank in map(str, range(count)):
        child = os.fork()
        if child == 0:
            os.environ |= {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(count)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "none"}
            try:
                act(*arguments)
            except BaseException:  # noqa: BLE001 - the fork ends here
                os.write(2, format_exc().encode())
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * count, codes


if __name__ == "__main__":
    import torch._dynamo  # noqa: F401 - DistributedDataParallel imports it, which takes seconds

    place = Path(sys.argv[1])
    launched(1, record_all, None, place / "1")
    launched(3, record_all_and_resume, place / "3", place / "2" / "killed")
    os.chdir(place)
    launched(2, command, place / "command", "record", "points.npz", "--epochs", "2")
    launched(2, command, place / "mistaken", "record", "points.npz", "--model", "resnet7", "--out", "none")
