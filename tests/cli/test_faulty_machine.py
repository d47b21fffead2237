"""What the machine refuses is one sentence, nothing is lost, and the same call works when it is there again.

Cheap commands in forked processes; `benchmarks/environment.py` tries all, on read-only and full disks too.
"""

import json
import shutil
from pathlib import Path

import pytest
from forked import run

FIXTURE = Path(__file__).parents[1] / "fixtures/format1"
FAULTS = {
    "no room for files": "resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))",
    "few open files": "resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))",
    "no memory": "resource.setrlimit(resource.RLIMIT_AS, (5 << 28, 5 << 28))",  # less than is mapped already
    "a limit in which libraries hang": "resource.setrlimit(resource.RLIMIT_AS, (5 << 27, 5 << 27))",
    "no working directory": "os.mkdir('gone'); os.chdir('gone'); os.rmdir(os.getcwd())",
}
SCORE, SELECT = ["score", "run", "--score", "el2n", "--first", "2"], ["select", "run", "--keep", "0.25"]
CALLS = (SCORE, SELECT, SCORE, SCORE, SELECT)
PROGRAM = "import os, resource, sys; from datapare.cli.app import main; {}; main(sys.argv[1:])"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    described = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps(described | {"path": str(tmp_path / "table.csv")}))
    return tmp_path


def files(root):
    return {path.relative_to(root) for path in root.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize(("fault", "call"), list(zip(FAULTS, CALLS, strict=True)))
def test_what_the_machine_refuses_is_one_sentence(folder, fault, call):
    before = files(folder)
    done = run(folder, *call, code=PROGRAM.format(FAULTS[fault]))
    told = done.stdout + done.stderr
    assert done.returncode == (1 if "RLIMIT_AS" in FAULTS[fault] else 2), told
    assert ("ulimit -v" in told) == (fault == "a limit in which libraries hang")
    assert told.rstrip().split("\n")[-1].startswith("datapare: "), told
    assert "a fault of datapare" not in told
    assert "damaged" not in told
    assert before <= files(folder)
    done = run(folder, *call, code=PROGRAM.format("pass"))
    assert done.returncode == 0, done.stderr
    assert not list(folder.rglob("*.draft"))


def test_a_process_that_interrupts_itself_for_want_of_threads_says_so(tmp_path):
    program = """
import os, resource, signal, sys, threading
import datapare.cli.limits
from datapare.__main__ import run

class Interrupt:
    def find_spec(self, name, *_):
        if name == "datapare.cli.commands.methods":
            threading.stack_size(1 << 26)  # so that a thread needs memory that is not there
            resource.setrlimit(resource.RLIMIT_AS, (5 << 28, 5 << 28))
            os.kill(os.getpid(), signal.SIGINT)  # as OpenBLAS does

for name in [*sys.modules]:
    if name.startswith("datapare.cli"):
        del sys.modules[name]
os.environ["OMP_NUM_THREADS"] = "2"
sys.meta_path.insert(0, Interrupt())
sys.argv = ["datapare", "methods"]
run()
"""
    done = run(tmp_path, code=program)
    assert (done.returncode, "ulimit -u" in done.stderr) == (1, True), done.stderr
