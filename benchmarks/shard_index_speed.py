"""From how many samples on it is quicker to index tar shards in several processes than in one, in the same run.

    python benchmarks/shard_index_speed.py --folder /tmp/space

A thousand shards of an image and a class per sample are indexed in turn by one process and by a process per core, each
time in a new Python that has done neither before, in interleaved rounds.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from open_speed import make_shards

RESULT = Path(__file__).parent / "results" / "shard_index_speed.json"


def index(folder: Path, how: str) -> None:
    """Index the shards of a folder once, and print the seconds."""
    from datapare.data.formats import webdataset

    webdataset.MANY_SAMPLES = 0 if how == "processes" else 1 << 60
    files = sorted(folder.glob("*.tar"))
    start = time.perf_counter()
    found = webdataset.index_shards(files, None)
    print(json.dumps({"seconds": round(time.perf_counter() - start, 2), "samples": sum(map(len, found))}))


def measure(folder: Path, rounds: int) -> dict[str, object]:
    """The seconds of both, and how many times as long several processes took in the median round."""
    seconds: dict[str, list[float]] = {"one process": [], "processes": []}
    samples = 0
    for _ in range(rounds):
        for how, taken in seconds.items():
            words = [sys.executable, __file__, "--index", str(folder), "--how", how]
            found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            taken.append(found["seconds"])
            samples = found["samples"]
    ratio = np.median([b / a for a, b in zip(*seconds.values(), strict=True)])
    return {"samples": samples, **seconds, "processes over one": round(float(ratio), 2)}


def main() -> None:
    """Make the shards of each size, measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 250, 500, 1000], help="of each shard")
    parser.add_argument("--folder", type=Path, help="where there is room for 2 KB a sample")
    parser.add_argument("--index", type=Path)
    parser.add_argument("--how", choices=("one process", "processes"))
    arguments = parser.parse_args()
    if arguments.index:
        index(arguments.index, arguments.how)
        return
    measured = []
    for samples in arguments.samples:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
            make_shards(Path(scratch), arguments.shards, samples)
            measured.append(measure(Path(scratch) / "shards", arguments.rounds))
        print(measured[-1], flush=True)
    about = {
        "rounds": arguments.rounds, "shards": arguments.shards, "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1), "machine": platform.machine(), "python": platform.python_version(),
        "versions": {name: version(name) for name in ("datapare", "numpy", "joblib")},
    }  # fmt: skip
    RESULT.write_text(json.dumps({"about": about, "measured": measured}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
