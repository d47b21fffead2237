"""What other packages take for the same work: recording, label issues, selection on embeddings, near-duplicates.

    python benchmarks/peers.py install                    # an environment for each, under benchmarks/.work/peers
    python benchmarks/peers.py record                     # one epoch of 50,000 examples of 100 classes, about 3 minutes
    python benchmarks/peers.py labels FOLDER              # 20 minutes on one thread
    python benchmarks/peers.py select --sizes 10000 100000
    python benchmarks/peers.py duplicates FOLDER          # 50,000 images of CIFAR-10, 500 of them again
    python benchmarks/peers.py table                      # the results as Markdown

FOLDER holds cifar10, cifar100 and human_labels. Every case runs in a process of its own (benchmarks/peers_case.py), in
the environment of its package, and is not run again; `--again` repeats it. Environments have their own packages; those
that need torch see this environment's, after their own. A case that fails, or takes more than its limits, is in the
result with the reason. Results: benchmarks/results/peers.json.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from itertools import product
from pathlib import Path

import numpy as np

from training_speed import conditions

HERE = Path(__file__).parent
WORK = HERE / ".work" / "peers"
RESULT = HERE / "results" / "peers.json"
PEERS = {  # name: (arguments of pip, whether torch is needed)
    "aum": (["--no-deps", "aum==1.0.2"], True),
    "datacull": (
        ["--no-deps", "datacull==1.0.2", "orjsonl", "orjson", "xopen", "isal", "zlib-ng", "backports.zstd"],
        True,
    ),
    "dprune": (["dprune==0.0.1"], True),
    "cleanlab": (["cleanlab==2.9.0"], False),
    "submodlib": (["submodlib-py==0.0.3"], False),
    "apricot": (["apricot-select==0.6.1", "scikit-learn"], False),
    "coreax": (["coreax==1.0.0"], False),
    "sklearn": (["scikit-learn==1.9.1"], False),
    # without dependencies: its torchvision would bring a CUDA build of torch
    "imagededup": (["--no-deps", "imagededup==0.3.3.post2", "tqdm", "PyWavelets", "scikit-learn", "scipy", "numpy",
                    "joblib", "threadpoolctl", "pillow", "matplotlib"], True),
    "fastdup": (["fastdup==2.54"], False),
}  # fmt: skip
OURS = "datapare"  # runs in this environment
SECONDS, GIGABYTES = 900, 14
RECORDERS = [OURS, "by hand", "aum", "datacull", "dprune"]
SELECTIONS = {  # objective: who reaches for it
    "facility_location": [OURS, "submodlib", "submodlib sparse", "apricot"],
    "k_center": [OURS, "sklearn"],
    "herding": [OURS, "coreax"],
}
DUPLICATES = [OURS, "pairwise", "imagededup", "fastdup"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["install", "record", "labels", "select", "duplicates", "table"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of examples")
    parser.add_argument("--only", help="one package")
    parser.add_argument("--again", action="store_true", help="repeat cases that are in the result")
    given = parser.parse_args()
    parts = {"install": install, "record": record, "labels": labels, "select": select, "duplicates": duplicates}
    if given.part == "table":
        print(table(known()))
    else:
        parts[given.part](given)


def install(given: argparse.Namespace) -> None:
    """Make an environment for each package; what pip says when it cannot is in the result."""
    for name, (arguments, with_torch) in PEERS.items():
        place = WORK / name
        if (place / "installed").exists() or given.only not in {None, name}:
            continue
        venv.create(place, with_pip=True, clear=not place.is_symlink())
        if with_torch:
            library = next((place / "lib").glob("python*/site-packages"))
            (library / "this_environment.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", *arguments]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            (place / "installed").touch()
        said = {} if done.returncode == 0 else {"said": done.stderr.strip().splitlines()[-1:]}
        write(f"install {name}", {"installed": done.returncode == 0, **said})


def record(given: argparse.Namespace) -> None:
    """One epoch of recording, of logits that are there already: what the recorder itself takes."""
    for total in given.sizes or [50_000]:
        for name in RECORDERS:
            case(f"record {total}: {name}", given, name, {"part": "record", "total": total, "classes": 100})


def select(given: argparse.Namespace) -> None:
    """A thousand of N embeddings of width 64, by the greedy rules that several packages have."""
    from select_speed import embedding

    for total in given.sizes or [10_000]:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "embedding.npy"
            np.save(place, embedding(total, 64, np.random.default_rng(0)))
            for rule, names in SELECTIONS.items():
                for name in names:
                    order = {"part": "select", "rule": rule, "embedding": str(place), "n": min(1000, total // 4)}
                    case(f"{rule} {total}: {name}", given, name, order)


def labels(given: argparse.Namespace) -> None:
    """Wrong labels by one recorded training, and by cleanlab on probabilities of five-fold cross-validation."""
    from peers_labels import SETS, SIZES, prepared

    for seed, name in product(range(SIZES["seeds"]), SETS):
        keys = [f"labels {name}, seed {seed}: {who}" for who in (OURS, "cleanlab")]
        if all(key in known() for key in keys) and not given.again:
            continue
        with tempfile.TemporaryDirectory() as folder:
            facts = prepared(given.folder, name, seed, Path(folder))
            write(keys[0], facts.pop("ours"))
            case(keys[1], given, "cleanlab", {"part": "labels", "folder": folder, **facts}, again=True)


def duplicates(given: argparse.Namespace) -> None:
    """Images that are there again, re-encoded as JPEG, a little smaller, or brighter: which are found?"""
    from peers_duplicates import prepared

    total = (given.sizes or [50_000])[0]
    with tempfile.TemporaryDirectory() as folder:
        prepared(given.folder, total, Path(folder))
        for name in DUPLICATES:
            case(f"duplicates {total}: {name}", given, name, {"part": "duplicates", "folder": folder})


def case(key: str, given: argparse.Namespace, name: str, order: dict[str, object], *, again: bool = False) -> None:
    """Run one case in the environment of its package, unless it is in the result already."""
    package = name.partition(" ")[0]
    if (key in known() and not given.again and not again) or given.only not in {None, package}:
        return
    python = WORK / package / "bin" / "python" if package in PEERS else Path(sys.executable)
    if not python.exists():
        write(key, {"failed": f"{package} is not installed"})
        return
    order |= {"name": name, "gigabytes": GIGABYTES}
    load = os.getloadavg()[0]
    try:
        command = [python, HERE / "peers_case.py", json.dumps(order)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        write(key, {"failed": f"more than {SECONDS} seconds", "loadavg": round(load, 1)})
        return
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        write(key, {**json.loads(lines[-1]), "loadavg": round(load, 1)})
    else:
        reason = done.stderr.strip().splitlines()[-1:] or [f"ended by signal {-done.returncode}"]
        write(key, {"failed": reason[0][:300], "limit_gigabytes": GIGABYTES})


def known() -> dict[str, dict[str, object]]:
    return json.loads(RESULT.read_text())["cases"] if RESULT.exists() else {}


def write(key: str, value: dict[str, object]) -> None:
    """Merge one case into the result."""
    print(f"{key}: {json.dumps(value)}", flush=True)
    there = conditions({"seconds": SECONDS, "gigabytes": GIGABYTES}, __file__)
    cases = {**known(), key: {**value, "machine": there["machine"]}}
    result = {
        "claim": "datapare beside other packages for the same work; every case in a process of its own",
        "conditions": there,  # of the last case
        "cases": dict(sorted(cases.items())),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def table(cases: dict[str, dict[str, object]]) -> str:
    """All cases as Markdown."""
    shown = ("seconds", "processor_seconds", "more_mb", "bytes", "objective", "right", "recall", "average_precision",
             "precision_at_wrong", "trainings", "failed")  # fmt: skip
    rows = [" | ".join([key, *(str(case.get(name, "")) for name in shown)]) for key, case in cases.items()]
    head = " | ".join(["case", *shown])
    lines = [head, " | ".join(["---"] * (len(shown) + 1)), *rows]
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    main()
