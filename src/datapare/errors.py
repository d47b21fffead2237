"""What can go wrong, as one tree; every message is a sentence: what was expected, what arrived, what to do.

DatapareError               exit code 1: the run failed
├── InputError              exit code 2: wrong call or unreadable input
│   ├── MismatchError       the artifact belongs to another dataset
│   ├── MissingChannelError the record does not hold what the method reads
│   └── BusyError           another process works in this folder
├── GateError              exit code 3: done, but the requested gate was not met
├── DivergedError           training produced NaN or infinity
└── MissingExtraError       an optional library is not installed (exit code 2)
"""

import errno
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

_FULL = {errno.ENOSPC, errno.EDQUOT}
_OPEN_FILES = {errno.EMFILE, errno.ENFILE}
_REFUSED = {*_OPEN_FILES, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EIO}
_NO_MEMORY = (
    "not enough memory", "cannot allocate memory", "failed to map segment", "can't allocate memory",
    "error return without exception set",  # of an extension that fails while it is imported
)  # fmt: skip
MOST_LETTERS, LAST_LETTERS = 4_000, 1_000  # of a message: names from data may be without end
_JOINERS = "\u200c\u200d"  # parts of Persian words and of emoji


def printable(text: str) -> str:
    """Return text with control characters, and others that change how text looks, escaped.

    Names from data go through this before they reach a terminal: they could move its cursor, hide text or pretend to
    be another message.

    >>> printable("a" + chr(27) + "b" + chr(0x202E)) == "a" + chr(92) + "x1bb" + chr(92) + "u202e"
    True
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    shown = character in _JOINERS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return character if shown else character.encode("unicode_escape").decode()


def _shortened(text: str) -> str:
    """Return a message whose middle is left out where it is very long: the end says what to do."""
    if len(text) <= MOST_LETTERS:
        return text
    return f"{text[: MOST_LETTERS - LAST_LETTERS]} … {text[-LAST_LETTERS:]}"


class DatapareError(Exception):
    """The run failed; the message says why and what to try."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(_shortened(super().__str__()))


class InputError(DatapareError):
    """The call or its input is wrong; nothing was written."""

    exit_code = 2


class MismatchError(InputError):
    """An artifact is used with a dataset it was not made from."""


class MissingChannelError(InputError):
    """A method reads a channel that was not recorded."""


class BusyError(InputError):
    """Another process is working in the same run folder."""


class GateError(DatapareError):
    """All was done and saved, but a gate was not met: not shown better than random, or coverage too low."""

    exit_code = 3


class DivergedError(DatapareError):
    """Training produced NaN or infinite logits."""


class MissingExtraError(InputError):
    """An optional library is missing; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed: pip install 'datapare[{extra}]'")


def suggest(name: str, known: Sequence[str]) -> str:
    """Return the names nearest to a mistyped one as a clause, or all of them where none is near.

    >>> suggest("lable", ["label", "input"])
    'did you mean label?'
    """
    near = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(known) or 'none'}."


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the end of a sentence that has listed the known names: a full stop, or a guess what was meant.

    >>> nearest("lable", ["label", "input"]), nearest("x", ["label"])
    ('; did you mean label?', '.')
    """
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else "."


def is_refused(error: Exception) -> bool:
    """Return whether the operating system refused to read a file, so that nothing is known of what is in it.

    >>> is_refused(OSError(errno.EMFILE, "Too many open files")), is_refused(OSError(errno.EISDIR, "Is a directory"))
    (True, False)
    """
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _REFUSED)


def thread_error() -> DatapareError:
    """Return what to say where the system lets a process start no more threads or processes."""
    return DatapareError(
        "no more threads or processes can be started; raise the limit with ulimit -u, or set OMP_NUM_THREADS=1."
    )


def explain(error: Exception) -> DatapareError | None:
    """Return what stopped a run from outside of it, as a sentence; None for what may be a fault of the program.

    Args:
        error: What was raised: a `DatapareError`, or what the operating system refused.

    >>> str(explain(OSError(errno.ENOSPC, "No space left on device", "run/a.npy")))
    'run/a.npy: the disk is full; free some space, and the same command resumes.'
    """
    if isinstance(error, DatapareError):
        return error
    if isinstance(error, MemoryError) or any(text in str(error).lower() for text in _NO_MEMORY):
        return DatapareError("there is not enough memory; give the process more of it, or work on fewer examples.")
    if "can't start new thread" in str(error) or (isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN):
        return thread_error()
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # as pathlib calls ELOOP
        return InputError(f"{error}: a link leads to itself; remove it, or name another path.")
    return _explain_refusal(error) if isinstance(error, OSError) and error.errno is not None else None


def _explain_refusal(error: OSError) -> InputError:
    place = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in _FULL:
        return InputError(f"{place}the disk is full; free some space, and the same command resumes.")
    if error.errno in _OPEN_FILES:
        return InputError(f"{place}too many files are open; raise the limit with ulimit -n, or use fewer --jobs.")
    return InputError(f"{place}{(error.strerror or str(error)).lower()}; check the path and its permissions.")
