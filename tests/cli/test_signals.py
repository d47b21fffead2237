"""A command that a signal ends says how to resume, exits with 128 and the signal, and removes what is temporary."""

import pytest
from forked import run

BEGIN = """
import os, signal, sys, time
import datapare.pipeline.pruning
from datapare.data.packed_shards import plain_tar
from datapare.__main__ import run
from pathlib import Path

def unpacking(*_, **__):
    print(plain_tar(Path("d.tar.gz")).parent, flush=True)
    os.kill(os.getpid(), signal.{signal})
    time.sleep(60)

datapare.pipeline.pruning.prune = unpacking
signal.signal(signal.SIGHUP, signal.{hangup})
sys.argv = ["datapare", "prune", "points.npz", "--keep", "0.5"]
"""


@pytest.fixture
def folder(tmp_path):
    import gzip

    from sources import write_points

    write_points(tmp_path / "points.npz", 24)
    (tmp_path / "d.tar.gz").write_bytes(gzip.compress(bytes(1024)))
    return tmp_path


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_in_order(folder, name, code):
    done = run(folder, code=BEGIN.format(signal=name, hangup="SIG_DFL") + "run()")
    assert done.returncode == code
    assert done.stderr == "datapare: interrupted; the same command resumes where it stopped\n"
    made = done.stdout.split()[-1]
    assert "datapare-" in made
    assert not (folder / made).exists()


def test_what_nohup_ignores_stays_ignored(folder):
    program = BEGIN.format(signal="SIGHUP", hangup="SIG_IGN").replace("time.sleep(60)", "sys.exit(0)") + "run()"
    assert run(folder, code=program).returncode == 0


def test_an_interrupt_while_the_command_is_loaded_is_one_sentence(folder):
    program = """
import sys
class Interrupt:
    def find_spec(self, *_):
        raise KeyboardInterrupt
sys.modules.pop("datapare.cli.app")
sys.meta_path.insert(0, Interrupt())
from datapare.__main__ import run
run()
"""
    done = run(folder, code=program.replace("sys.meta_path", "import datapare.__main__\nsys.meta_path", 1))
    assert (done.returncode, done.stderr.count("\n"), "resumes" in done.stderr) == (130, 1, True)


@pytest.mark.parametrize("argv", [["--version"], ["methods"], ["score", "--help"], ["inspect", "points.npz"]])
def test_a_reader_that_has_seen_enough_ends_a_command_without_a_word(folder, argv):
    program = (
        "import os; ends = os.pipe(); os.close(ends[0]); os.dup2(ends[1], 1); from datapare.__main__ import run; run()"
    )
    done = run(folder, *argv, code=program)
    assert (done.returncode, done.stderr) == (141, "")
