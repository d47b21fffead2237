"""Programs in processes of their own that need not import the heavy libraries again.

A server that has imported them and computes nothing forks for every program, which runs as `python FILE …` or
`python -c CODE …` would run it. The server is itself a fork of the test process, made by `start` when all that tests
import is imported and no test has run; outside of pytest it is a fresh process, made when it is first needed.
"""

import atexit
import gc
import importlib
import json
import logging
import multiprocessing.util
import os
import runpy
import subprocess
import sys
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_started: dict[int, tuple[TextIO, TextIO]] = {}  # by the process that did: a fork of it starts its own


class Done(NamedTuple):
    """Exit code, and what was printed."""

    returncode: int
    stdout: str
    stderr: str


def start() -> None:
    """Fork the server from this process."""
    jobs, codes = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside the thread of pytest-xdist
        server = os.fork()
    if server == 0:
        try:
            os.close(jobs[1])
            _forget_pytest()
            _serve(os.fdopen(jobs[0]), os.fdopen(codes[1], "w"))
        finally:
            os._exit(0)
    os.close(jobs[0])
    os.close(codes[1])
    _started[os.getpid()] = os.fdopen(jobs[1], "w"), os.fdopen(codes[0])
    atexit.register(_end, server)


def _end(server: int) -> None:
    for stream in _started.pop(os.getpid(), ()):
        stream.close()
    with suppress(ChildProcessError):
        os.waitpid(server, 0)


def _forget_pytest() -> None:
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    for category in SILENT:
        warnings.simplefilter("ignore", category)
    sys.unraisablehook, threading.excepthook = sys.__unraisablehook__, threading.__excepthook__
    atexit._clear()  # of libraries that a program need not have imported; Python's own stay
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    atexit.register(multiprocessing.util._exit_function)


@cache
def _fresh() -> tuple[TextIO, TextIO]:
    server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(server.__exit__, None, None, None)  # closes its streams, and waits for it
    return server.stdin, server.stdout


def _serve(jobs: Iterable[str], codes: TextIO) -> None:
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    for number, line in enumerate(jobs):
        if number == 0:
            importlib.import_module("warm")
            gc.freeze()  # no fork copies it, or looks through it
        if program := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]), file=codes, flush=True)
        else:
            codes.close()
            _run(json.loads(line))


def _run(job: dict[str, Any]) -> NoReturn:
    os.chdir(job["cwd"])
    for number in (1, 2):
        os.dup2(os.pipe()[1], number)  # no stream may seek: a program may replace the files below
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    for number, path in enumerate([os.devnull, job["out"], job["err"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    importlib.import_module("torch").set_num_threads(1)
    code: object = 0
    try:
        _program(job["argv"], job["code"])
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)  # noqa: T201
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(
        code if isinstance(code, int) else 1
    )  # a usual end would also take down all that was imported, for seconds


def _program(argv: list[str], code: str | None) -> None:
    sys.argv = argv
    if code is None:
        runpy.run_path(argv[0], run_name="__main__")
    else:
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(code, module.__dict__)  # noqa: S102


def run(cwd: Path, *argv: object, code: str | None = None) -> Done:
    """Run a file with its arguments, or code, in a folder; its printed lines are kept apart from ours."""
    jobs, codes = _started.get(os.getpid()) or _fresh()
    files = [cwd / f".{name}" for name in ("out", "err")]
    for file in files:
        file.unlink(missing_ok=True)
    words = ["-c", *map(str, argv)] if code is not None else [*map(str, argv)]
    job = {"argv": words, "code": code, "cwd": str(cwd), "out": str(files[0]), "err": str(files[1])}
    print(json.dumps(job), file=jobs, flush=True)
    returned = int(codes.readline())
    return Done(returned, *(file.read_text() for file in files))


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
