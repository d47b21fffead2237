"""Programs in processes of their own that need not import the heavy libraries again.

One server per test process imports them and computes nothing; it forks for every program. A program is run as
`python FILE …` or `python -c CODE …` would run it.
"""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

SERVER = """
import atexit, json, os, runpy, sys, threading, traceback, types
import datasets, pandas, pyarrow.parquet, scipy.special, sklearn.datasets, torch, PIL.Image
import datapare.cli.app, datapare.data, datapare.evaluation, datapare.pipeline.pruning, datapare.reporting
import datapare.training

def run(job):
    sys.argv = job["argv"]
    if job["code"] is None:
        runpy.run_path(job["argv"][0], run_name="__main__")
    else:
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(job["code"], module.__dict__)

for line in sys.stdin:
    job = json.loads(line)
    if os.fork():
        print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
        continue
    os.chdir(job["cwd"])
    for number, path in enumerate([os.devnull, job["out"], job["err"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    code = 0
    try:
        run(job)
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a usual end would also take down all that was imported, for seconds
"""


class Done(NamedTuple):
    """Exit code, and what was printed."""

    returncode: int
    stdout: str
    stderr: str


@cache
def _server() -> "subprocess.Popen[str]":
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    atexit.register(_end, process)
    return process


def _end(server: "subprocess.Popen[str]") -> None:
    with server:  # closes its streams, and waits for it
        server.kill()


def run(cwd: Path, *argv: object, code: str | None = None) -> Done:
    """Run a file with its arguments, or code, in a folder; its printed lines are kept apart from ours."""
    server, files = _server(), [cwd / f".{name}" for name in ("out", "err")]
    for file in files:
        file.unlink(missing_ok=True)
    words = ["-c", *map(str, argv)] if code is not None else [*map(str, argv)]
    job = {"argv": words, "code": code, "cwd": str(cwd), "out": str(files[0]), "err": str(files[1])}
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps(job), file=server.stdin, flush=True)
    returned = int(server.stdout.readline())
    return Done(returned, *(file.read_text() for file in files))
