"""Several processes that a launcher started run one command: the first prints and writes, one error ends all."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from datapare.cli import console
from datapare.errors import DatapareError, printable

if TYPE_CHECKING:
    from datapare.recording.process_group import ProcessGroup

FAILED, PRINTED = "datapare/failed", "datapare/printed"  # in the store through which the processes found each other
PRINT_SECONDS = 10.0  # that the others leave to the one that prints


@contextmanager
def joined() -> "Iterator[ProcessGroup]":
    """Join the processes of torchrun or accelerate launch that run the same command; alone where there are none.

    Of what they raise the first error is printed, as one sentence; all exit with its code.
    """
    from datapare.recording.process_group import ProcessGroup
    from datapare.training.launch import connected, is_launched

    if not is_launched():
        yield ProcessGroup()
        return
    with connected():
        try:
            group = ProcessGroup()
            if group.rank > 0:
                console.quiet = True
                warnings.simplefilter("ignore")
            yield group
        except (DatapareError, RuntimeError) as error:
            raise SystemExit(_print_once(error)) from error


def _print_once(error: Exception) -> int:
    """Print an error, unless another process did or will; return the exit code."""
    import torch.distributed as dist

    from datapare.training.launch import is_about_others

    if is_about_others(error):
        return DatapareError.exit_code
    if not isinstance(error, DatapareError) or not dist.is_initialized():  # the first process may have gone on alone
        raise error
    with suppress(RuntimeError):  # a store that is gone: its process has failed, and printed why
        store = dist.distributed_c10d._get_default_store()  # noqa: SLF001 - it has no public name
        if store.add(FAILED, 1) == 1:
            typer.echo(f"datapare: {printable(str(error))}", err=True)
            store.set(PRINTED, "")
        else:
            store.wait([PRINTED], timedelta(seconds=PRINT_SECONDS))
    return error.exit_code
