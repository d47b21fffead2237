"""Kill a process before each of the moments at which it changes the disk, one after the other."""

import contextlib
import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

EVENTS = (
    (os, "rename"), (os, "replace"), (os, "mkdir"), (os, "rmdir"), (os, "unlink"), (os, "fsync"), (os, "link"),
    (os, "symlink"), (os, "truncate"), (np, "save"), (np, "savez"), (shutil, "copyfile"), (shutil, "copyfileobj"),
    (shutil, "rmtree"),
)  # fmt: skip


def child(act: Callable[[], object], deadly: int) -> int:
    """Run an act in a forked process that is killed before its `deadly`-th event; 0 when it ended by itself.

    The exit code is minus the signal, or 1 when the act raised something.
    """
    process = os.fork()
    if process == 0:
        left = [deadly]

        def before(real):
            def step(*args, **options):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            return step

        for owner, name in EVENTS:
            setattr(owner, name, before(getattr(owner, name)))
        code = 1
        sink = io.StringIO()
        with contextlib.suppress(Exception), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            try:
                act()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed_everywhere(act: Callable[[], object], prepare: Callable[[int], object]) -> Iterator[tuple[int, int]]:
    """Kill an act before its first event, its second, …, until it lives; yields the number and the exit code.

    Args:
        act: What to do, in the working directory.
        prepare: Called with the number before each trial, to put everything back.
    """
    deadly = 1
    while True:
        prepare(deadly)
        code = child(act, deadly)
        yield deadly, code
        if code >= 0:
            return
        deadly += 1


def contents(folder: Path, *, volatile: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The bytes of every file below a folder but locks and those that hold times."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock" and file.name not in volatile
    }
