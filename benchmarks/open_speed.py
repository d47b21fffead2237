"""Opening large tables: a CSV of 5 million rows and JSON lines of 2 million, with pyarrow's own reader as the rival.

    python benchmarks/open_speed.py [million rows of CSV]

Each is timed in a process of its own: seconds for `open_dataset` (labels, keys and checks included) and for pyarrow's
reader of the same file, and the peak of memory.
"""

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.json as pj

RESULT = Path(__file__).parent / "results" / "open_speed.json"
SEED = 0


def write(folder: Path, rows: int) -> None:
    """Write the CSV of measurements and the JSON lines of texts."""
    rng = np.random.default_rng(SEED)
    columns = {
        "width": rng.random(rows).round(6), "legs": rng.integers(0, 1000, rows),
        "colour": np.array(["red", "green", "blue"])[rng.integers(0, 3, rows)], "label": rng.integers(0, 10, rows),
    }  # fmt: skip
    pc.write_csv(pa.table(columns), folder / "table.csv")
    with (folder / "texts.jsonl").open("w") as file:
        for i in range(rows * 2 // 5):
            file.write(f'{{"text": "some words about thing {i} and more", "n": {i % 97}, "label": {i % 10}}}\n')


def measure(path: Path, how: str) -> dict:
    """Time one way of reading in this process."""
    from datapare.data import open_dataset

    readers = {".csv": pc.read_csv, ".jsonl": pj.read_json}
    open_dataset((np.eye(4), [0, 1, 0, 1]))  # imports
    start = time.perf_counter()
    rows = len(open_dataset(path)) if how == "datapare" else readers[path.suffix](path).num_rows
    seconds = time.perf_counter() - start
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def main() -> None:
    rows = int(float(sys.argv[1] if len(sys.argv) > 1 else 5) * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), rows)
        found = {}
        for name in ("table.csv", "texts.jsonl"):
            for how in ("pyarrow", "datapare"):
                words = [sys.executable, __file__, "--one", str(Path(folder) / name), how]
                found[f"{name} {how}"] = json.loads(
                    subprocess.run(words, check=True, capture_output=True, text=True).stdout
                )
                print(name, how, found[f"{name} {how}"], flush=True)
    from importlib.metadata import version

    about = {"seed": SEED, "machine": platform.platform(), "processor": platform.processor()}
    about |= {name: version(name) for name in ("datapare", "pyarrow", "numpy", "datasets")}
    RESULT.write_text(json.dumps({"about": about, "measured": found}, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(Path(sys.argv[2]), sys.argv[3])))
    else:
        main()
