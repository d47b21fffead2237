"""How long opening takes and how much memory, beside the readers that users have, in interleaved rounds.

    python benchmarks/open_speed.py --rounds 3

A CSV of 5 million rows and 2 million JSON lines against pyarrow's own readers; 1,000 tar shards against the WebDataset
reader of `datasets`; a million image files, undecoded, and as many of them as its image folder reader takes in a
minute or so. Each measurement runs in a process of its own: seconds of opening (labels and checks included; keys are
made when they are first asked for, so tables are measured with them too), of its processor time, and the peak of
memory. Images are hard links to a few files, so that a million take no disk. What has been measured is kept in a file
of lines, and the same command resumes there.
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
import pyarrow as pa
import pyarrow.csv as pc

RESULT = Path(__file__).parent / "results" / "open_speed.json"
SEED = 0
CLASSES = 100
POOL = 64


def make_tables(root: Path, rows: int, lines: int) -> None:
    """A CSV of measurements, and JSON lines of texts."""
    rng = np.random.default_rng(SEED)
    columns = {
        "width": rng.random(rows).round(6), "legs": rng.integers(0, 1000, rows),
        "colour": np.array(["red", "green", "blue"])[rng.integers(0, 3, rows)], "label": rng.integers(0, 10, rows),
    }  # fmt: skip
    pc.write_csv(pa.table(columns), root / "table.csv")
    with (root / "texts.jsonl").open("w", encoding="utf-8") as file:
        for i in range(lines):
            file.write(f'{{"text": "some words about thing {i} and more", "n": {i % 97}, "label": {i % 10}}}\n')


def make_images(root: Path, name: str, count: int) -> None:
    """A folder per class, with hard links to a pool of small images."""
    from PIL import Image

    rng = np.random.default_rng(SEED)
    pool = root / f"pool-{name}"
    pool.mkdir()
    for i in range(POOL):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(pool / f"{i}.png")
    for i in range(count):
        place = root / name / f"class_{i % CLASSES:03d}"
        if i < CLASSES:
            place.mkdir(parents=True)
        os.link(pool / f"{i % POOL}.png", place / f"{i:08d}.png")


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


def by_pyarrow(path: Path) -> int:
    """Read a table by pyarrow's own reader."""
    import pyarrow.json as pj

    return (pc.read_csv if path.suffix == ".csv" else pj.read_json)(path).num_rows


def by_datasets(path: Path) -> int:
    """Load a folder by the reader of `datasets` for it, undecoded and uncached."""
    import datasets

    with tempfile.TemporaryDirectory() as cache:
        reader = "webdataset" if path.name == "shards" else "imagefolder"
        return len(datasets.load_dataset(reader, data_dir=str(path), cache_dir=cache, split="train"))


def by_datapare(path: Path) -> int:
    """Open it; images are not decoded, as the rivals do not either."""
    from datapare.data import open_dataset

    return len(open_dataset(path, trust_images=True))


def with_keys(path: Path) -> int:
    """Open it, and make the keys and the digest, as every run does."""
    from datapare.data import open_dataset

    data = open_dataset(path)
    return len(data) if data.digest else 0


CASES = {
    "table.csv": ("pyarrow", "datapare", "datapare with keys"),
    "texts.jsonl": ("pyarrow", "datapare", "datapare with keys"),
    "shards": ("datasets", "datapare"), "fewer images": ("datasets", "datapare"), "images": ("datapare",),
}  # fmt: skip
READERS = {"datapare": by_datapare, "datapare with keys": with_keys, "pyarrow": by_pyarrow, "datasets": by_datasets}


def run_alone(reader: str, path: Path) -> None:
    """Read once after the imports, and print what it took."""
    from datapare.data import open_dataset

    open_dataset((np.eye(4), [0, 1, 0, 1]))
    start, cpu = time.perf_counter(), time.process_time()
    rows = READERS[reader](path)
    found = {
        "rows": rows, "seconds": round(time.perf_counter() - start, 2), "cpu": round(time.process_time() - cpu, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip
    print(json.dumps(found))


def measure(reader: str, path: Path, number: int, done: Path) -> dict[str, float]:
    """One measurement, in a process of its own, or what the file of lines has of it."""
    key = f"{path.name} {reader} {number}"
    lines = done.read_text().splitlines() if done.exists() else []
    known = {one["key"]: one["found"] for one in map(json.loads, lines)}
    if key in known:
        return known[key]
    words = [sys.executable, __file__, "--only", reader, "--path", str(path)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    print(path.name, reader, found, flush=True)
    with done.open("a") as file:
        file.write(json.dumps({"key": key, "found": found}) + "\n")
    return found


def summary(rounds: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """The median and all values of each reader, and how many times as long datapare took in the median round."""
    found: dict[str, object] = {
        reader: {
            "rows": values[0]["rows"],
            "seconds": float(np.median([one["seconds"] for one in values])),
            "cpu": float(np.median([one["cpu"] for one in values])),
            "peak_mib": max(one["peak_mib"] for one in values),
            "rounds": [one["seconds"] for one in values],
        }
        for reader, values in rounds.items()
    }
    others = [reader for reader in rounds if not reader.startswith("datapare")]
    for name in ("seconds", "cpu"):
        for rival in others:
            pairs = zip(rounds["datapare"], rounds[rival], strict=True)
            found[f"{name} over {rival}"] = round(float(np.median([a[name] / b[name] for a, b in pairs])), 2)
    return found


def main() -> None:
    """Make the inputs, measure in interleaved rounds, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full sizes")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="others keep their result")
    parser.add_argument("--only", choices=READERS)
    parser.add_argument("--path", type=Path)
    parser.add_argument("--done", type=Path, default=Path("open_speed.lines"), help="what has been measured")
    arguments = parser.parse_args()
    if arguments.only:
        run_alone(arguments.only, arguments.path)
        return
    size = {
        "rows": int(5e6 * arguments.scale), "lines": int(2e6 * arguments.scale), "shards": int(1000 * arguments.scale),
        "images": int(1e6 * arguments.scale), "fewer images": int(5e3 * arguments.scale),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if {"table.csv", "texts.jsonl"} & {*arguments.cases}:
            make_tables(root, size["rows"], size["lines"])
        if "shards" in arguments.cases:
            make_shards(root, size["shards"], 100)
        for name in {"fewer images", "images"} & {*arguments.cases}:
            make_images(root, name, size[name])
        taken: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in arguments.cases}
        for number in range(arguments.rounds):
            for name in arguments.cases:
                for reader in CASES[name] if number == 0 or name != "images" else ():  # a million once
                    taken[name].setdefault(reader, []).append(measure(reader, root / name, number, arguments.done))
    about = {
        "seed": SEED, "rounds": arguments.rounds, "sizes": size, "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1), "machine": platform.machine(), "python": platform.python_version(),
        "versions": {name: version(name) for name in ("datapare", "datasets", "numpy", "pyarrow")},
    }  # fmt: skip
    before = json.loads(RESULT.read_text(encoding="utf-8"))["measured"] if RESULT.exists() else {}
    measured = {**before, **{name: {"about": about, **summary(rounds)} for name, rounds in taken.items()}}
    RESULT.write_text(json.dumps({"measured": measured}, indent=2) + "\n", encoding="utf-8")
    arguments.done.unlink()


if __name__ == "__main__":
    main()
