"""Sources and exports at URLs of any file system that fsspec knows: s3://, gs://, hf://, memory:// and more."""

import atexit
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from datapare.data.foreign_types import FileSystem
from datapare.errors import InputError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z0-9+.-]+)?://.+")

# as the messages of fsspec name what is missing: Please install gcsfs to …, requires "paramiko" to be installed
_LIBRARY = re.compile(r"""[Ii]nstall (?:the )?["']?([\w.-]*\w)|requires ["']([\w.-]*\w)""")


def is_url(source: object) -> bool:
    """Whether a text is a URL.

    >>> is_url("s3://bucket/photos"), is_url("photos/"), is_url("C:/photos")
    (True, False, False)
    """
    return isinstance(source, str) and _URL.fullmatch(source) is not None


def fetch(url: str) -> Path:
    """Return a copy of a file, a folder or the files of a pattern on this disk, which lasts as long as the process.

    Raises:
        InputError: Where nothing is there, or it cannot be read.
    """
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    return _fetched(url.rstrip("/"))


@cache
def _fetched(url: str) -> Path:
    system, path = _system(url)
    place = Path(tempfile.mkdtemp(prefix="datapare-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    target = place / path.rstrip("/").rsplit("/", 1)[-1]
    several = any(sign in target.name for sign in "*?[")
    try:
        if several:
            system.get(path, f"{place}/")
        elif system.exists(path):
            system.get(path, str(target), recursive=True)
    except Exception as error:
        raise InputError(f"{url} cannot be read: {_first_line(error)}.") from error
    if not several and not target.exists():
        raise InputError(f"there is nothing at {url}.")
    return target


def listed(url: str) -> list[str]:
    """Return the URLs of the files in a folder or of a pattern, sorted, or the one of a file.

    Raises:
        InputError: Where nothing is there, or it cannot be read.
    """
    system, path = _system(url.rstrip("/"))
    try:
        if any(sign in path for sign in "*?["):
            found = system.glob(path)
        else:
            found = [path] if system.isfile(path) else system.find(path)
    except Exception as error:
        raise InputError(f"{url} cannot be read: {_first_line(error)}.") from error
    if not found:
        raise InputError(f"there is nothing at {url}.")
    return [str(system.unstrip_protocol(one)) for one in sorted(found)]


def copy_to(url: str, target: Path) -> None:
    """Copy one file at a URL to a file on this disk; raises InputError where it cannot be read."""
    system, path = _system(url)
    try:
        system.get_file(path, str(target))
    except Exception as error:
        raise InputError(f"{url} cannot be read: {_first_line(error)}.") from error


def check_free(url: str) -> None:
    """Raise InputError where there is something at a URL."""
    system, path = _system(url)
    try:
        taken = system.exists(path) and (system.isfile(path) or bool(system.ls(path)))
    except Exception as error:
        raise InputError(f"{url} cannot be written: {_first_line(error)}.") from error
    if taken:
        raise InputError(f"{url} exists and is not empty; choose another place for the smaller dataset.")


def upload(local: Path, url: str) -> None:
    """Copy a file or a folder to a URL; what is there of it when that fails is removed."""
    system, path = _system(url)
    try:
        for file in [local] if local.is_file() else sorted(one for one in local.rglob("*") if one.is_file()):
            target = path if local.is_file() else f"{path}/{file.relative_to(local).as_posix()}"
            system.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            system.put_file(str(file), target)
    except Exception as error:
        if system.exists(path):
            system.rm(path, recursive=True)
        raise InputError(f"{url} cannot be written: {_first_line(error)}.") from error


def _system(url: str) -> tuple[FileSystem, str]:
    import fsspec

    scheme = url.split("://", 1)[0]
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        library = missing_library(error)
        raise InputError(f"{scheme}:// needs {library}, which is not installed: pip install {library}.") from None
    except Exception as error:
        raise InputError(f"{url} cannot be reached: {_first_line(error)}.") from error
    return system, str(path)


def missing_library(error: ImportError) -> str:
    """Return the name of the library that a file system needs, or the whole message where that names none.

    >>> missing_library(ImportError("Please install gcsfs to access Google Storage"))
    'gcsfs'
    """
    found = _LIBRARY.search(str(error))
    return error.name or (found[1] or found[2] if found else str(error))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
