"""What datapare does on a GPU, in pieces of at most nine minutes, the most valuable first.

    python benchmarks/gpu.py FOLDER                     FOLDER holds cifar10 and cifar100 (train.parquet, test.parquet)
    python benchmarks/gpu.py FOLDER --toy               every piece at toy size, on a processor too: does it run?

The call ends after --seconds (540) with exit code 3, and the same call goes on where it stopped: commands resume
from their run folders, paper.py from its last complete epoch. What is done is in the result,
benchmarks/results/gpu.json, and is not run again. The pieces:

    checks        the tests that need a GPU, and every command of datapare once
    speed         images/s of a training epoch beside a plain loop: a DataLoader with workers, copied to the GPU
    record        the 30 epochs of CIFAR-100 that DUAL asks for; the goal is 60 s
    strategies    datapare compare on CIFAR-10 and CIFAR-100 with ResNet-18 at a tenth and three tenths kept
    paper         cells of DUAL's tables, by paper.py
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from training_speed import Images, conditions

HERE = Path(__file__).parent
RESULT = HERE / "results" / "gpu.json"
PAUSED = 3
DATAPARE = [sys.executable, "-m", "datapare"]
CARDS = {"cifar10": ["random", "dual_beta", "ccs", "d2"], "cifar100": ["random", "dual_beta", "ccs", "d2"]}


class PausedError(Exception):
    """The time is over; the same call goes on."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--toy", action="store_true", help="a few small images and epochs, on any device")
    parser.add_argument("--piece", nargs="+", choices=list(PIECES), default=list(PIECES), help="only these")
    parser.add_argument("--seconds", type=float, default=540, help="when to stop")
    parser.add_argument("--work", type=Path, default=HERE / ".work" / "gpu", help="folder of unfinished work")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    if not given.toy and not torch.cuda.is_available():
        sys.exit("torch sees no GPU here; --toy runs every piece at toy size on a processor.")
    given.deadline = time.monotonic() + given.seconds
    given.work.mkdir(parents=True, exist_ok=True)
    if given.toy:
        given.folder = toy_data(given.work / "data")
    try:
        for name in given.piece:
            PIECES[name](given)
    except PausedError:
        print("the time is over; the same call goes on", flush=True)
        return PAUSED
    return 0


def checks(given: argparse.Namespace) -> None:
    """The tests of the GPU, and every command once on 600 small images."""
    tests = HERE.parent / "tests" / "training" / "test_cuda.py"
    step(given, "checks: tests", [sys.executable, "-m", "pytest", "-q", "-n", "0", str(tests)])
    images, label = pictures(*((120, 8) if given.toy else (600, 16)))
    np.savez(given.work / "small.npz", x=images, y=label)
    for name, arguments in commands(given).items():
        step(given, f"checks: {name}", [*DATAPARE, name, *map(str, arguments)])


def commands(given: argparse.Namespace) -> dict[str, list[object]]:
    """The arguments of each command."""
    place, run = given.work / "small.npz", str(given.work / "small")
    short = toy(given, ["--epochs", 2])
    return {
        "doctor": [],
        "inspect": [place],
        "record": [place, "--out", run, "--epochs", 4, "--channel", "logit_mean", "--channel", "grad_norm"],
        "score": [run, "--window", 2],
        "show": [run],
        "select": [run, "--keep", 0.3],
        "export": [run, "--keep", 0.3],
        "compare": [run, "--keep", 0.3, "--seeds", 2, *short, *toy(given, ["--strategy", "none"])],
        "sweep": [run, "--keep", 0.3, "--keep", 0.6, "--seeds", 1, *short],
        "label-issues": [run, "--check"],
        "report": [run, "--keep", 0.3],
        "measure": [place, "--method", "training_time", "--loss", 0.5],
        "prune": [
            place,
            "--keep",
            0.3,
            "--out",
            f"{run}-pruned",
            "--epochs",
            4,
            "--window",
            2,
            "--score-fraction",
            0.5,
        ],
    }


def speed(given: argparse.Namespace) -> None:
    """Images/s of an epoch of ResNet-18: ours, and a plain loop in fp32 and in bf16."""
    from datapare.data import Encoding, Inputs
    from datapare.training import preset
    from datapare.training.loop import train

    if "speed" in known(given):
        return
    count, side, width = (256, 8, 4) if given.toy else (50_000, 32, 64)
    images, label = pictures(count, side)
    settings = replace(preset("cifar10"), epochs=2, width=width)
    speeds = []
    inputs = Inputs(images, Encoding("image", *images.shape[1:]))
    train(inputs, label, 10, settings, seed=0, progress=lambda now: speeds.append(now.per_second))
    found = {"ours": round(speeds[-1], 1), "plain": plain(images, label, width), "goal": "see README.md"}
    write(given, "speed", found | {"plain bf16": plain(images, label, width, bf16=True), "width": width})


def plain(images: np.ndarray, label: np.ndarray, width: int, *, bf16: bool = False) -> float:
    """The loop that papers release: each image augmented in Python by workers, then copied; the second epoch counts."""
    from datapare.training.device import device
    from datapare.training.networks.resnet import ResNet

    where = device()
    loader = torch.utils.data.DataLoader(
        Images(images, label, 4), 128, shuffle=True, num_workers=min(8, os.cpu_count() or 1),
        persistent_workers=True, pin_memory=where.type == "cuda",
    )  # fmt: skip
    net = ResNet("resnet18", 10, channels=3, width=width).to(where)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for _ in range(2):
        start = time.perf_counter()
        for batch, target in loader:
            with torch.autocast(where.type, torch.bfloat16, enabled=bf16):
                logits = net(batch.to(where, non_blocking=True))
                loss = torch.nn.functional.cross_entropy(logits, target.to(where, non_blocking=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if where.type == "cuda":
            torch.cuda.synchronize()
    return round(len(label) / (time.perf_counter() - start), 1)


def recording(given: argparse.Namespace) -> None:
    """The scoring run of DUAL on CIFAR-100, from the file to the record."""
    for name in ("cifar100", "cifar10"):
        preset = "tiny" if given.toy else name
        place, out = str(given.folder / name / "train.parquet"), str(given.work / name)
        channel = ["--channel", "logit_mean"]
        size = toy(given, ["--epochs", 4])
        step(given, f"record: {name}", [*DATAPARE, "record", place, "--preset", preset, *channel, "--out", out, *size])


def strategies(given: argparse.Namespace) -> None:
    """Subsets beside random ones, strategies and everything, on the official test images."""
    for name in CARDS:
        run = str(given.work / name)
        step(given, f"strategies: {name}, scores", [*DATAPARE, "score", run, *toy(given, ["--window", 2])])
        command = [*DATAPARE, "compare", run, "--keep", "0.1", "--keep", "0.3", "--test",
                   str(given.folder / name / "test.parquet"), "--seeds", "1" if given.toy else "3",
                   *toy(given, ["--epochs", 2, "--strategy", "none"])]  # fmt: skip
        step(given, f"strategies: {name}", command)


def paper(given: argparse.Namespace) -> None:
    """Cells of DUAL's tables, a seed at a time: both datasets at 90 and 70 % pruned, then the others."""
    for seed in (42,) if given.toy else (42, 43, 44):
        for pruned in (90,) if given.toy else (90, 70, 80, 50, 30):
            for name, rules in CARDS.items():
                if given.toy and name != "cifar10":
                    continue
                left = str(max(1, int(given.deadline - time.monotonic())))
                command = [sys.executable, str(HERE / "paper.py"), name, "--data", str(given.folder / name), "--rule",
                           *(rules[:2] if given.toy else rules), "--pruned", str(pruned), "--seed", str(seed),
                           "--budget-seconds", left, "--work", str(given.work / "paper"),
                           "--out", str(given.work / "paper.jsonl"), *toy(given, ["--reduced"])]  # fmt: skip
                step(given, f"paper: {name}, {pruned} % pruned, seed {seed}", command)


def toy(given: argparse.Namespace, arguments: list[object]) -> list[str]:
    """Arguments that make a piece small."""
    return [str(one) for one in arguments] if given.toy else []


def step(given: argparse.Namespace, key: str, command: list[str]) -> None:
    """Run one command unless it is done; what it said at its end is in the result. Killed at the end of the time."""
    if key in known(given):
        return
    left, start = given.deadline - time.monotonic(), time.perf_counter()
    if left < 5:
        raise PausedError
    print(f"{key}: {' '.join(command)}", flush=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
    except subprocess.TimeoutExpired:
        raise PausedError from None
    if done.returncode == PAUSED and key.startswith("paper"):
        raise PausedError
    before = pieces(given).get(key, {})
    took = round(time.perf_counter() - start, 1)
    said = (done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip().splitlines()[-40:]
    write(
        given, key, {"exit_code": done.returncode, "seconds": took, "said": said, "tries": before.get("tries", 0) + 1}
    )


def known(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    """The pieces that are done; those that failed are run again by the next call."""
    return {key: piece for key, piece in pieces(given).items() if piece.get("exit_code", 0) == 0}


def pieces(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    return json.loads(given.out.read_text())["pieces"] if given.out.exists() else {}


def write(given: argparse.Namespace, key: str, value: dict[str, object]) -> None:
    """Merge one piece into the result."""
    print(f"{key}: {json.dumps(value)}", flush=True)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    made = {"gpu": gpu, **conditions({"toy": given.toy}, __file__)}
    result = {"claim": "datapare on a GPU", "conditions": made, "pieces": {**pieces(given), key: value}}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def pictures(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, side, side, 3) of ten classes, each a colour under noise."""
    rng = np.random.default_rng(0)
    label = np.arange(count) % 10
    colour = rng.integers(64, 192, (10, 1, 1, 3))[label]
    return np.clip(colour + rng.integers(-60, 60, (count, side, side, 3)), 0, 255).astype(np.uint8), label


def toy_data(folder: Path) -> Path:
    """Files like those of FOLDER, of a few images."""
    import io

    from PIL import Image

    for name in CARDS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for split, count in (("train", 200), ("test", 100)):
            images, label = pictures(count, 32 if name == "cifar10" else 8)
            cells = []
            for image in images:
                file = io.BytesIO()
                Image.fromarray(image).save(file, "PNG")
                cells.append({"bytes": file.getvalue(), "path": None})
            pq.write_table(pa.table({"image": cells, "label": label}), folder / name / f"{split}.parquet")
    return folder


PIECES = {"checks": checks, "speed": speed, "record": recording, "strategies": strategies, "paper": paper}

if __name__ == "__main__":
    sys.exit(main())
