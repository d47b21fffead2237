"""How long opening takes, and how much memory: a folder of image files, and tar shards, beside the rivals' readers.

    python benchmarks/open_images_speed.py --images 1000000 --shards 1000 --out FILE.json

Images are hard links to a few files, so that a million take no disk; each measurement runs in a process of its own.
The rival of folders is the imagefolder reader of `datasets`, on `--rival-images` of them, as it takes long.
"""

import argparse
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

CLASSES = 1000


def make_images(root: Path, count: int) -> None:
    """A folder per class, with hard links to 64 small images."""
    from PIL import Image

    rng = np.random.default_rng(0)
    (root / "pool").mkdir(parents=True)
    for i in range(64):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(root / "pool" / f"{i}.png")
    for i in range(count):
        place = root / "images" / f"class_{i % CLASSES:04d}"
        if i < CLASSES:
            place.mkdir(parents=True)
        os.link(root / "pool" / f"{i % 64}.png", place / f"{i:08d}.png")


def make_shards(root: Path, count: int, samples: int) -> None:
    """Shards of so many samples, each an image and a class."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(out, "png")
    (root / "shards").mkdir()
    for i in range(count):
        with tarfile.open(root / "shards" / f"{i:05d}.tar", "w") as tar:
            for j in range(samples):
                for ending, content in (("png", out.getvalue()), ("cls", str(j % 10).encode())):
                    member = tarfile.TarInfo(f"{i:05d}{j:05d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def measure(what: str, path: Path) -> dict[str, float]:
    """Seconds and MiB of opening, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--only", what, "--path", path], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_alone(what: str, path: Path) -> None:
    """Open once, and print how long it took and the most memory that was used."""
    import datasets

    from datapare.data import open_dataset

    start = time.perf_counter()
    if what == "datapare":
        count = len(open_dataset(path, trust_images=True))
    elif what == "datapare-checked":
        count = len(open_dataset(path))
    else:
        with tempfile.TemporaryDirectory() as cache:
            loaded = datasets.load_dataset(what, data_dir=str(path), cache_dir=cache, split="train")
            count = len(loaded)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"examples": count, "seconds": round(seconds, 2), "MiB": round(used)}))


def main() -> None:
    """Make the inputs, measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rival-images", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--path", type=Path)
    arguments = parser.parse_args()
    if arguments.only:
        run_alone(arguments.only, arguments.path)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_images(root / "large", arguments.images)
        make_images(root / "small", arguments.rival_images)
        make_shards(root, arguments.shards, arguments.samples)
        small = root / "small" / "images"
        result = {
            "folder of images, unchecked": measure("datapare", root / "large" / "images"),
            "smaller folder, unchecked": measure("datapare", small),
            "smaller folder, every image decoded": measure("datapare-checked", small),
            "smaller folder, datasets imagefolder": measure("imagefolder", small),
            "shards, unchecked": measure("datapare", root / "shards"),
            "shards, datasets webdataset": measure("webdataset", root / "shards"),
        }
    about = {
        "shards": arguments.shards, "cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1),
        "machine": platform.machine(), "python": platform.python_version(),
        "versions": {name: version(name) for name in ("datapare", "datasets", "pillow", "pyarrow")},
    }  # fmt: skip
    text = json.dumps({"about": about, "result": result}, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
