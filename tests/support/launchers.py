"""torchrun and `accelerate launch`, whose processes fork instead of importing everything once more.

A program of `forked`: `forked.run(FOLDER, launchers.__file__, "torch.distributed.run", ARGUMENT, …)`.
"""

import importlib
import runpy
import sys
from collections.abc import Callable
from typing import Any

import torch.distributed.run
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def forking(config: LaunchConfig, entrypoint: object) -> Callable[..., Any]:
    """Launch by fork what would have been launched as a command."""
    assert entrypoint == sys.executable
    config.start_method = "fork"
    return elastic_launch(config, run_script)


def run_script(unbuffered: str, file: str, *argv: str) -> None:
    """Run `python -u FILE …`."""
    assert unbuffered == "-u"
    sys.argv = [file, *argv]
    runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    torch.distributed.run.elastic_launch = forking
    sys.argv = sys.argv[1:]
    importlib.import_module(sys.argv[0]).main()
