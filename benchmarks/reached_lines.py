"""Which lines of a folder's files this process executes, each noted once, as it is met, in the file that FILE names.

mutation.py copies this file as `sitecustomize.py`, so that every process which a test starts notes its lines too, even
one that is killed.
"""

import os
import sys
import threading

FILE, ROOT = "REACHED_LINES", "REACHED_ROOT"
_seen: set[tuple[str, int]] = set()
_place: list[str] = []
_descriptor: list[int] = []


def start(root: str) -> None:
    """Trace from here on; what was noted before is noted again."""
    _seen.clear()
    _place[:] = [root]
    _descriptor[:] = _descriptor or [os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)]
    sys.settrace(_enter)
    threading.settrace(_enter)


def stop() -> None:
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type] # as the documentation has it


def _enter(frame, event, argument):  # noqa: ARG001
    return _step if frame.f_code.co_filename.startswith(_place[0]) else None


def _step(frame, event, argument):  # noqa: ARG001
    if event == "line":
        line = (frame.f_code.co_filename, frame.f_lineno)
        if line not in _seen:
            _seen.add(line)
            try:
                os.write(_descriptor[0], f"{line[0]}:{line[1]}\n".encode())
            except OSError:  # the process closed all its files
                _descriptor[:] = [os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)]
    return _step


if __name__ == "sitecustomize" and FILE in os.environ:
    start(os.environ[ROOT])
