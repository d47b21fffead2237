"""Limits of a process under which the libraries would hang, crash or interrupt it while they are loaded."""

import os
import resource
import threading

from datapare.errors import DatapareError, thread_error

MIB = 1 << 20
NEEDED, OF_A_THREAD = 1024 * MIB, 80 * MIB  # address space of all libraries, and of what OpenBLAS maps twice


def check_address_space() -> None:
    """Raise DatapareError where a limit of the address space is too small for the libraries.

    OpenBLAS, which NumPy and SciPy bring, may wait for ever for the memory that it maps while it is loaded.
    """
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    finite = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    needed = NEEDED + OF_A_THREAD * _blas_threads()
    if finite and min(finite) < needed:
        raise DatapareError(
            f"this process may map {min(finite) // MIB:,} MiB of memory, and the libraries need {needed // MIB:,} MiB; "
            "raise the limit with ulimit -v and ulimit -d."
        )


def interrupted_itself() -> DatapareError | None:
    """Return why a process that was interrupted has done that itself; None when someone else did.

    OpenBLAS raises SIGINT where it cannot start its threads.
    """
    enough = threading.Event()
    try:
        for _ in range(_blas_threads() - 1):
            threading.Thread(target=enough.wait, daemon=True).start()
    except RuntimeError as error:
        return thread_error() if "thread" in str(error) else None
    finally:
        enough.set()
    return None


def _blas_threads() -> int:
    given = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or ""
    return int(given) if given.isdecimal() and int(given) else len(os.sched_getaffinity(0))
