"""A folder of very many small JPEGs: seconds and memory of opening and recording it, beside a plain DataLoader.

    python benchmarks/image_folder_memory.py [--images 1280000] [--classes 1000] [--side 32] [--folder /tmp]

Images of 40 to 64 pixels, made by this script, lie in one folder per class: of every 16, one is drawn and 15 are copies
with another comment in the file. Two epochs of a thin ResNet-18 are recorded at `side` pixels with `trust_images`, from
the first look at the folder to the finished record; once as usual, where images are decoded once, and once with
`stream`, where they are decoded in each epoch. The rival, in the same run, is the usual loop: a torch Dataset that
decodes with Pillow, a shuffling DataLoader with two workers, the same network and settings, for one epoch or its first
500 batches. Each runs in a process of its own; `own_mb` is its memory that is its own (RssAnon, sampled each 10 ms),
`resident_mb` (VmHWM) also counts pages of mapped files, which the system may drop; of the rival, the workers are left
out of both. `images_per_cpu_second` counts the seconds of the processor from the first look to the end, those of the
workers too, and the images of all epochs. Merged by size into benchmarks/results/image_folder_memory.json. The images
lie in a folder that stays until all is measured: the same command goes on after what is made and measured.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import torch

import datapare as dp
from datapare.training import TrainingConfig
from large_record import own_memory, watch_memory
from training_speed import conditions

RESULTS = Path(__file__).parent / "results" / "image_folder_memory.json"
WORKERS, BATCH, ALIKE, MOST_BATCHES = 2, 256, 16, 500
TRAINING = TrainingConfig(epochs=2, schedule_epochs=2, batch_size=BATCH, model="resnet18", width=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_280_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--folder", default=None, help="where the images are written")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        run = {"datapare": recorded, "datapare, stream": partial(recorded, stream=True), "plain": plain}[given.case[0]]
        print(json.dumps(measure(run, Path(given.case[1]), given.side)))
        return
    work = Path(given.folder or tempfile.gettempdir()) / f"datapare-images-{given.images}"
    start = time.perf_counter()
    with ProcessPoolExecutor(WORKERS) as pool:
        each = -(-given.images // given.classes)
        list(pool.map(make_class, repeat(work / "images"), range(given.classes), repeat(each), chunksize=8))
    print(f"made in {time.perf_counter() - start:.0f} s", flush=True)
    for name in ("datapare", "plain", "datapare, stream"):
        measured = work / f"{name}, {given.side}"
        if measured.exists():
            continue
        command = [sys.executable, __file__, "--side", str(given.side), "--case", name, str(work)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        case = {"images": each * given.classes, "side": given.side, "load": os.getloadavg()[0]}
        case |= json.loads(done.stdout)
        print(name, json.dumps(case), flush=True)
        merge(f"{name}, {each * given.classes} x {given.side}", case)
        measured.touch()
    shutil.rmtree(work)


def make_class(folder: Path, number: int, count: int) -> None:
    """Write the images of one class, unless they are there: its own coarse pattern under noise."""
    from PIL import Image

    rng = np.random.default_rng([1, number])
    whole, place = folder / f"class_{number:04d}", folder.with_name("drafts") / str(number)
    if whole.exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    pattern = rng.integers(0, 256, (4, 4, 3))
    for i in range(count):
        if i % ALIKE == 0:
            noisy = np.clip(pattern + rng.normal(0, 40, pattern.shape), 0, 255).astype(np.uint8)
            size = tuple(int(side) for side in rng.integers(40, 65, 2))
            file = io.BytesIO()
            Image.fromarray(noisy).resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=80)
            drawn = file.getvalue()
        comment = f"{number} {i}".encode()
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (place / f"{i:05d}.jpg").write_bytes(drawn[:2] + marker + drawn[2:])
    folder.mkdir(exist_ok=True)
    place.rename(whole)


def measure(run: Callable[[Path, int], dict[str, object]], work: Path, side: int) -> dict[str, object]:
    before, used = own_memory(), cpu_seconds()
    with watch_memory() as peak:
        made = run(work, side)
    processor = cpu_seconds() - used
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    seen = made.pop("seen")
    made |= {"cpu_seconds": round(processor, 1), "images_per_cpu_second": round(seen / processor)}
    return {**made, "own_mb": round(peak[0]), "imports_mb": round(before), "resident_mb": round(resident)}


def cpu_seconds() -> float:
    """Seconds of the processor that this process and its ended workers took."""
    return sum(os.times()[:4])


def recorded(work: Path, side: int, *, stream: bool = False) -> dict[str, object]:
    """Open the folder and record it."""
    start = time.perf_counter()
    data = dp.open_dataset(work / "images", trust_images=True, stream=stream)
    opened = time.perf_counter()
    out = work / ("streamed" if stream else "record")
    shutil.rmtree(out, ignore_errors=True)  # of a run that was killed, whose seconds are not known
    dynamics = dp.record(data, preset=TRAINING, image_size=side, out=out, progress=False)
    done = time.perf_counter()
    epochs = float(np.sum(dynamics.seconds))
    return {
        "seen": len(data) * TRAINING.epochs,
        "open_s": round(opened - start, 1),
        "decode_s": round(done - opened - epochs, 1),
        "epochs_s": round(epochs, 1),
        "images_per_s_in_epochs": round(len(data) * TRAINING.epochs / epochs),
        "images_per_s_in_all": round(len(data) * TRAINING.epochs / (done - start)),
    }


def plain(work: Path, side: int) -> dict[str, object]:
    """Train in the usual loop."""
    from datapare.data import Encoding, Inputs
    from datapare.training.networks.factory import build

    torch.manual_seed(0)
    start = time.perf_counter()
    files = sorted((work / "images").glob("*/*.jpg"))
    names = sorted({file.parent.name for file in files})
    number = {name: i for i, name in enumerate(names)}
    listed = time.perf_counter()
    loader = torch.utils.data.DataLoader(
        Images(files, [number[file.parent.name] for file in files], side), BATCH, shuffle=True, num_workers=WORKERS
    )
    some = np.random.default_rng(0).integers(0, 256, (1000, side, side, 3), np.uint8)  # for the scale of the pixels
    network = build(TRAINING, Inputs(some, Encoding("image", side, side, 3)), len(names))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    seen = 0
    for image, label in islice(loader, MOST_BATCHES):  # the workers end with it
        loss = torch.nn.functional.cross_entropy(network(image), label)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seen += len(label)
    done = time.perf_counter()
    return {"seen": seen, "open_s": round(listed - start, 1), "images_per_s_in_epochs": round(seen / (done - listed))}


class Images(torch.utils.data.Dataset):
    """Decodes one image at a time."""

    def __init__(self, files: list[Path], label: list[int], side: int) -> None:
        self.files, self.label, self.side = files, label, side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        from PIL import Image, ImageOps

        with Image.open(self.files[i]) as image:
            pixels = np.asarray(ImageOps.fit(image.convert("RGB"), (self.side, self.side), Image.Resampling.BILINEAR))
        return torch.from_numpy(pixels.copy()), self.label[i]


def merge(key: str, case: dict[str, object]) -> None:
    """Merge one case into the results file."""
    known = json.loads(RESULTS.read_text())["cases"] if RESULTS.exists() else {}
    result = {"conditions": conditions({}, __file__), "cases": {**known, key: case}}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
