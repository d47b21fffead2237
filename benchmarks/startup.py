"""What the command line costs before it does anything: processor seconds of help and of `import datapare`.

    python benchmarks/startup.py [runs]

Each is a process of its own; the least of several runs counts, since everything else that a machine does only adds.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from training_speed import conditions

RESULT = Path(__file__).parent / "results" / "startup.json"
CALLS = {
    "python -c pass": ["-c", "pass"],
    "import datapare": ["-c", "import datapare"],
    "datapare --help": ["-m", "datapare", "--help"],
    "datapare prune --help": ["-m", "datapare", "prune", "--help"],
    "datapare methods": ["-m", "datapare", "methods"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """Processor time of one call of Python, its own and the system's for it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found = {name: round(min(cpu_seconds(call) for _ in range(runs)), 3) for name, call in CALLS.items()}
    for name, seconds in found.items():
        print(f"{name:24} {seconds:.3f} s")
    result = {**conditions({"runs": runs}, __file__), "cpu_seconds": found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
