"""Run acts at the same time in processes of their own, and stop them where they touch the disk."""

import builtins
import contextlib
import io
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kills import EVENTS

TOUCHES = (*EVENTS, (io, "open"), (builtins, "open"), (np.lib.format, "open_memmap"))
SECONDS = 300  # after which a process is taken for one that waits for ever


class Ended(NamedTuple):
    """The exit code of a process, or minus the signal, what it printed, and how often it touched the disk."""

    code: int
    told: str
    touches: int


def alone(act: Callable[[], object], log: Path) -> Ended:
    """Run one act in a process of its own."""
    return _ended(_begun(act, log, lambda _: None), log)


def at_once(acts: Sequence[Callable[[], object]], log: Path, seed: int) -> list[Ended]:
    """Release processes at the same instant; each then rests before events that are drawn at random."""
    gate, opener = os.pipe()
    begun = []
    for number, act in enumerate(acts):
        rng = random.Random(f"{seed} {number}")  # noqa: S311

        def rest(count: int, rng: random.Random = rng) -> None:
            if count == 0:
                os.close(opener)
                os.read(gate, 1)  # ends when the last of those who can open it lets go
            elif rng.random() < 0.2:
                time.sleep(rng.uniform(0, 0.02))

        begun.append(_begun(act, _numbered(log, number), rest))
    os.close(opener)
    os.close(gate)
    return [_ended(process, _numbered(log, number)) for number, process in enumerate(begun)]


def in_the_midst(first: Callable[[], object], second: Callable[[], object], log: Path, event: int) -> list[Ended]:
    """Stop one act before its so many-th touch of the disk, run another to its end, and let the first go on."""
    arrived, arrive = os.pipe()
    gate, opener = os.pipe()

    def wait(count: int) -> None:
        if count == event:
            os.close(opener)
            os.close(arrive)
            os.read(gate, 1)

    process = _begun(first, _numbered(log, 0), wait)
    os.close(arrive)
    os.read(arrived, 1)  # ends when the first process stops there, or ends
    between = alone(second, _numbered(log, 1))
    for handle in (opener, gate, arrived):
        os.close(handle)
    return [_ended(process, _numbered(log, 0)), between]


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}-{number}")


def _begun(act: Callable[[], object], log: Path, before: Callable[[int], None]) -> int:
    """Fork a process that runs an act and calls `before` with 0 at its start and with the number of each event."""
    process = os.fork()
    if process:
        return process
    code, count = 99, [0]
    with contextlib.suppress(BaseException):
        signal.alarm(SECONDS)
        place = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(place, stream)
        sys.stdout = sys.stderr = os.fdopen(place, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        _interpose(count, before)
        before(0)
        try:
            act()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 98
        sys.stdout.write(f"\n{count[0]} touches\n")
        sys.stdout.flush()
    os._exit(code)


def _interpose(count: list[int], before: Callable[[int], None]) -> None:
    def stepped(real):
        def step(*args, **options):
            count[0] += 1
            before(count[0])
            return real(*args, **options)

        return step

    for owner, name in TOUCHES:
        setattr(owner, name, stepped(getattr(owner, name)))


def _ended(process: int, log: Path) -> Ended:
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    told, _, last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")
    counted = last.split(" ")[0] if last.endswith(" touches") else ""
    return Ended(code, (told if counted else f"{told}\n{last}").strip(), int(counted or 0))
