"""Call every command where the machine refuses something, and see one sentence, and that the same call works later.

    python benchmarks/environment.py [command …] [--faults "full disk" …] [--out FILE]

The calls are those of `kills.py`. Each runs in a copy of a small run folder, in a process of its own whose machine has
a fault: the folder can only be read, the disk has no room left (a tmpfs of its own mount namespace, as root), few files
may be open, the working directory is gone, or memory is short. It must end in exit code 0, 1 (no memory) or 2, in a
sentence, without a traceback and without a draft; what was there stays; and without the fault the same call must end in
the files of a call that had none.
"""

import argparse
import contextlib
import ctypes
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("benchmarks_kills", HERE / "kills.py")
assert SPEC is not None  # noqa: S101 - the file is there
assert SPEC.loader is not None  # noqa: S101
KILLS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(KILLS)

from datapare.cli import app  # noqa: E402
from training_speed import conditions  # noqa: E402

RESULTS = HERE / "results" / "environment.json"
NEW_NAMESPACE = 0x00020000  # CLONE_NEWNS
MIB = 1 << 20
OTHER = {"inspect": ("inspect", "points.npz"), "show": ("show", "run"), "measure": ("measure", "run", "--shots", "2")}


def mounted(at: Path, *options: str) -> None:
    """Give this process a file system of its own at a folder."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_NAMESPACE) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", *options, str(at)], check=True)


def read_only(at: Path) -> None:
    mounted(at, "--bind", str(at))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(at)], check=True)
    os.chdir(at)


def full(room: int) -> Callable[[Path], None]:
    """A disk with so many bytes of room beside what is there."""

    def begin(at: Path) -> None:
        whole = at.with_name("kept")
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(at, whole)
        mounted(at, "-t", "tmpfs", "-o", "size=64m", "tmpfs")
        shutil.copytree(whole, at, dirs_exist_ok=True)
        free = shutil.disk_usage(at).free
        (at / "filling").write_bytes(bytes(max(free - room, 0)))
        os.chdir(at)

    return begin


def few_files(count: int) -> Callable[[Path], None]:
    return lambda _: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def gone(at: Path) -> None:
    place = at.with_name("gone")
    place.mkdir()
    os.chdir(place)
    place.rmdir()


def short(mib: int) -> Callable[[Path], None]:
    """So much memory beside what the process has."""

    def begin(_: Path) -> None:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + mib * MIB, now + mib * MIB))

    return begin


FAULTS: dict[str, Callable[[Path], None]] = {
    "read-only folder": read_only,
    "full disk": full(0),
    "disk with 20 kB": full(20_000),
    "disk with 100 kB": full(100_000),
    "12 open files": few_files(12),
    "24 open files": few_files(24),
    "no working directory": gone,
    "1 MiB of memory": short(1),
    "16 MiB of memory": short(16),
    "64 MiB of memory": short(64),
}


def ended(argv: list[str], log: Path, begin: Callable[[], object]) -> tuple[int, str]:
    """Run a command line in a forked process on a faulty machine: its exit code and what it printed."""
    child = os.fork()
    if child == 0:
        code = 99
        with contextlib.suppress(BaseException):
            place = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(place, 1)
            os.dup2(place, 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            begin()
            try:
                app.main(argv)
                code = 0
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 98
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, log.read_text(encoding="utf-8", errors="replace")


def fault(code: int, told: str) -> str:
    """What is wrong with how a call ended on a faulty machine; empty when nothing is."""
    last = told.rstrip().split("\n")[-1]
    if code not in {0, 1, 2}:
        return f"exit code {code}"
    if "Traceback" in told or "a fault of datapare" in told or "Aborted" in told:
        return "it is taken for a fault of the program"
    if code == 1 and "memory" not in last:
        return "exit code 1, and not for want of memory"
    if code and not last.startswith("datapare: "):
        return "it is refused without a sentence"
    return ""


def trials(name: str, faults: list[str], whole: Path, at: Path) -> Iterator[tuple[str, str, int, str]]:
    """Run one command under each fault, then without; yields the fault, what is wrong, the exit code and the words."""
    argv = list((KILLS.CALLS | OTHER)[name])

    def prepare() -> None:
        os.chdir(whole)
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(whole, at)
        os.chdir(at)

    prepare()
    log = at.with_name("told")
    if ended(argv, log, lambda: None)[0] != 0:
        yield "none", "it fails without a fault", 0, log.read_text()
        return
    calm, before = KILLS.files(at), KILLS.files(whole)
    for kind in faults:
        prepare()
        code, told = ended(argv, log, lambda kind=kind: FAULTS[kind](at))
        what = fault(code, told)
        left = KILLS.files(at)
        if lost := sorted(path for path in before if path not in left):
            what = what or f"{lost[0]} is lost"
        os.chdir(at)
        again, later = ended(argv, log, lambda: None)
        after = KILLS.files(at)
        differing = sorted(path for path in calm.keys() | after.keys() if calm.get(path) != after.get(path))
        if again != 0 or differing:
            what = what or f"the same call then ends with {again}, other {', '.join(differing[:3])}: {later[-300:]}"
        yield kind, what, code, told[-600:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", default=[*OTHER, *KILLS.CALLS])
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "whole").mkdir()
        whole = KILLS.prepared(Path(folder) / "whole")
        for name in given.commands:
            found = {}
            for kind, what, code, told in trials(name, given.faults, whole, Path(folder) / "at"):
                found[kind] = {"code": code, **({"wrong": what, "told": told} if what else {})}
                print(f"{name} | {kind} | {code} | {what or told.rstrip().splitlines()[-1:]}", flush=True)
            os.chdir(HERE)
            write(name, found, out)


def write(name: str, found: dict[str, dict[str, object]], out: Path) -> None:
    """Put what one command did under each fault into the file, beside what is there of others."""
    before = json.loads(out.read_text())["commands"] if out.exists() else {}
    results = {**before, name: {**before.get(name, {}), **found}}
    ends = [end for command in results.values() for end in command.values()]
    wrong = sum("wrong" in end for end in ends)
    report = {"trials": len(ends), "wrong": wrong, "conditions": conditions([], __file__), "commands": results}
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
