"""Nothing of the user is overwritten, nothing is paid before it can be refused, and every fault is one sentence."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from shell import run
from sources import encoded, put

import datapare as dp
import datapare.data
from datapare import storage
from datapare.errors import explain

FIXTURE = Path(__file__).parents[1] / "fixtures/format1"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A finished run folder with its dataset, and the working directory beside them."""
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    described = json.loads((tmp_path / "run/run.json").read_text())
    described["path"] = str(tmp_path / "table.csv")
    (tmp_path / "run/run.json").write_text(json.dumps(described))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *argv):
    code, _, complaint = run(capsys, *argv)
    assert code == 2, (argv, complaint)
    assert "Traceback" not in complaint
    assert "Aborted" not in complaint
    return complaint


def files(root):
    return {f: f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file() and f.name != ".lock"}


@pytest.mark.parametrize(
    "command", [["report", "run", "--keep", 0.5], ["label-issues", "run", "--method", "confidence"]]
)
def test_a_foreign_file_is_overwritten_only_by_force_and_the_source_never(folder, capsys, command):
    (folder / "thesis.txt").write_text("years of work")
    before = files(folder)
    assert "was not written by datapare" in refused(capsys, *command, "--out", "thesis.txt")
    assert "own results" in refused(capsys, *command, "--out", "run/run.json")
    for force in ((), ("--force",)):
        assert "only read" in refused(capsys, *command, "--out", "table.csv", *force)
    assert files(folder) == before
    assert run(capsys, *command, "--out", "own.out")[0] == 0
    assert run(capsys, *command, "--out", "own.out")[0] == 0, "what we wrote is replaced"
    assert run(capsys, *command, "--out", "thesis.txt", "--force")[0] == 0


def test_a_changed_copy_never_lies_in_the_source_nor_a_report_among_results(folder, capsys):
    for i in range(8):
        put(folder / "photos" / "ab"[i % 2] / f"{i}.png", encoded(i))
    before = files(folder)
    (folder / "there").symlink_to("photos")
    for out in ("photos/changed", "there/changed", "photos/../photos/a/changed"):
        assert "only read" in refused(capsys, "perturb", "photos", "--out", out)
    changed = dp.data.perturb(dp.open_dataset("photos"), "label_noise", share=0.25)
    with pytest.raises(dp.InputError, match="only read"):
        dp.data.export(changed, dp.Subset(range(len(changed)), len(changed)), folder / "photos/changed")
    for out in ("run/run.json", "run/dynamics/label.npy", "run/scores-dual/meta.json", "run/dynamics/new.npy"):
        assert "own results" in refused(capsys, "report", "run", "--keep", 0.5, "--out", out, "--force")
    assert files(folder) == before


def test_two_subsets_of_one_size_have_names_and_another_one_is_refused_or_forced(folder, capsys):
    other = ["select", "run", "--keep", 0.5, "--score", "el2n", "--rule", "top"]
    assert "--name" in refused(capsys, *other)
    assert run(capsys, *other, "--name", "el2n-top")[0] == 0
    code, told, complaint = run(
        capsys, "compare", "run", "--keep", 0.5, "--name", "el2n-top", "--seeds", 2, "--epochs", 1, "--test", "test.csv"
    )
    assert code == 0, complaint
    assert "el2n+top" in told
    assert "dual+beta" in told
    assert run(capsys, "report", "run", "--keep", 0.5, "--name", "el2n-top")[0] == 0
    assert (folder / "run/keep-el2n-top/report.html").is_file()
    assert run(capsys, *other, "--force")[0] == 0
    assert "letters" in refused(capsys, *other, "--name", "../x")
    assert "letters" in refused(capsys, "compare", "run", "--name", "../x")


def test_compare_selects_what_is_missing(folder, capsys):
    code, told, complaint = run(capsys, "compare", "run", "--keep", 0.25, "--seeds", 2, "--epochs", 1)
    assert code == 0, complaint
    assert "selected 10 of 40 examples by dual and mixed" in told
    assert (folder / "run/keep-0.25/subset/meta.json").is_file()


@pytest.mark.usefixtures("folder")
def test_a_dataset_where_a_run_is_meant_and_the_other_way_round(capsys):
    assert "datapare record table.csv" in refused(capsys, "score", "table.csv")
    assert "one of the results in a run folder" in refused(capsys, "score", "run/scores-dual")
    for command in (["prune", "run", "--keep", 0.3], ["record", "run"], ["perturb", "run", "--out", "x"]):
        assert "is a run folder, not a dataset" in refused(capsys, *command)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\x00\xff\xfe", b"[]", b'{"datapare": 9}', b'{"datapare": 2}', b"[" * 100_000],
    ids=["empty", "cut", "garbage", "list", "future", "bare", "deep"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["run/run.json", "run/dynamics/meta.json", "run/scores-dual/meta.json"])
def test_a_damaged_file_is_named_in_one_sentence(folder, capsys, damage, place):
    (folder / place).write_bytes(damage)
    complaint = refused(capsys, "select", "run", "--keep", 0.3)
    assert str(Path(place).parent) in complaint.replace("\n", "")


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"garbage"], ids=["empty", "cut", "garbage"])
@pytest.mark.parametrize("place", ["run/scores-dual/score.npy", "run/dynamics/channels.target_prob.npy"])
def test_a_damaged_array_is_named_in_one_sentence(folder, capsys, damage, place):
    (folder / place).write_bytes(damage)
    assert Path(place).name in refused(capsys, "select", "run", "--keep", 0.3).replace("\n", "")


def test_fields_of_a_newer_version_are_said_to_be_that(folder, capsys):
    meta = folder / "run/scores-dual/meta.json"
    known = json.loads(meta.read_text())
    known["fields"]["colour"] = "red"
    meta.write_text(json.dumps(known))
    assert "'colour', which this version of datapare does not know" in refused(capsys, "select", "run", "--keep", 0.3)


@pytest.mark.parametrize("change", [{"datapare": 99}, {"datapare": 2, "colour": "red"}])
@pytest.mark.parametrize("place", ["run/run.json", "run/dynamics/meta.json"])
def test_a_folder_of_a_newer_version_is_said_to_be_that_and_stays(place, change, folder, capsys):
    path = folder / place
    known = storage.read_meta(path.parent) if path.name == "meta.json" else json.loads(path.read_text())
    path.write_text(json.dumps({**known, **change}))
    lines = (folder / "table.csv").read_text().splitlines(keepends=True)
    (folder / "part.csv").write_text("".join(lines[:-5]))  # the same dataset, changed since
    before = files(folder)
    for call in (["select", "run", "--keep", 0.3], ["prune", "part.csv", "--keep", 0.3, "--out", "run"]):
        complaint = refused(capsys, *call)
        assert "version of datapare" in complaint
        assert "update datapare" in complaint
    assert files(folder) == before


def test_what_cannot_be_is_refused_before_anything_is_paid_or_written(folder, capsys):
    before = files(folder)
    fast = ("--epochs", 4, "--schedule-epochs", 8, "--window", 3, "--keep", 0.3, "--out", "new")
    assert "only folders of images can be linked" in refused(capsys, "prune", "table.csv", *fast, "--as", "hardlink")
    refused(capsys, "prune", "table.csv", *fast, "--model", "resnet999")
    refused(capsys, "record", "table.csv", "--out", "new", "--model", "no.such:thing")
    assert not (folder / "new").exists()
    assert files(folder) == before


def test_the_same_prune_written_in_another_way_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for i in range(24):
        (tmp_path / "photos" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (9 * i, 0, 200 * (i % 2))).save(tmp_path / f"photos/{'ab'[i % 2]}/{i}.png")
    call = [
        "prune",
        "photos",
        "--keep",
        0.5,
        "--epochs",
        3,
        "--schedule-epochs",
        6,
        "--window",
        3,
        "--model",
        "resnet8",
    ]
    assert run(capsys, *call)[0] == 0
    assert "was written with --as copy" in refused(capsys, *call, "--as", "hardlink")
    assert run(capsys, *call)[0] == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--seed", -1], "seed"),
        (["--epochs", 0], "epochs"),
        (["--precision", "fp8"], "precision"),
        (["--balance", "fair"], "balance"),
        (["--epochs", "9" * 30], "epochs"),
        (["--channel", "embeding"], "did you mean embedding?"),
        (["--processes", 10**6], "too many for the cores"),
    ],
)
def test_values_out_of_range_are_refused_by_their_flag(folder, capsys, argv, says):
    assert says in refused(capsys, "prune", "table.csv", "--keep", 0.3, "--out", "new", *argv)
    assert not (folder / "new").exists()


def call(argv, **options):
    script = f"from datapare.cli.app import main; main({[str(a) for a in argv]!r})"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, **options)


def test_a_deleted_working_directory_is_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && {sys.executable} -m datapare prune photos --keep 0.3"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("folder")
def test_an_ascii_locale_prints_what_it_can():
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "PYTHONCOERCECLOCALE": "0",
    }
    done = call(["methods"], env=environment)
    assert done.returncode == 0, done.stderr
    assert call(["show", "run"], env=environment).returncode == 0


def test_control_characters_in_names_are_escaped():
    from datapare.errors import printable

    assert printable("a\x1b[2J\rb") == r"a\x1b[2J\rb"


@pytest.mark.usefixtures("folder")
def test_quiet_prints_errors_alone(capsys):
    assert run(capsys, "score", "run", "--score", "el2n", "--first", 2, "--quiet")[1] == ""
    assert "no-such" in run(capsys, "score", "no-such", "--quiet")[2]


@pytest.mark.usefixtures("folder")
def test_without_a_terminal_each_epoch_is_a_line(capsys):
    _, _, lines = run(capsys, "record", "table.csv", "--out", "new", "--epochs", 2, "--schedule-epochs", 4)
    epochs = [line for line in lines.splitlines() if line.startswith("epoch")]
    form = r"epoch (\d)/2: loss \d\.\d{3}, [\d,]+ examples/s, (\S+ \S+ left|done)"
    assert [re.fullmatch(form, line)[1] for line in epochs] == ["1", "2"], lines
    assert epochs[1].endswith("done")
    assert "left" in epochs[0]
    assert "nan" not in lines


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("argv", "guess"),
    [
        (["record", "tabel.csv"], "table.csv"),
        (["inspect", "rum/../table.cvs"], "table.csv"),
        (["score", "rnu"], "run"),
        (["inspect", "table.cvs"], "table.csv"),
        (["score", "run", "--preset", "cifar1000"], "cifar100"),
        (["select", "rnu", "--keep", 0.3], "run"),
        (["show", "run/scores-dul"], "run/scores-dual"),
        (["embed", "run", "--array", "run/scores-dual/scoer.npy"], "run/scores-dual/score.npy"),
        (["select", "run", "--keep", 0.3, "--include", "tests.csv"], "test.csv"),
        (["compare", "run", "--keep", 0.5, "--test", "tset.csv"], "test.csv"),
        (["compare", "run", "--keep", 0.5, "--train", "tabl.py:train"], "table.csv"),
    ],
)
def test_a_mistyped_path_gets_a_guess(argv, guess, capsys):
    assert f"did you mean {guess}?" in refused(capsys, *argv)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("argv", [["score", ""], ["record", "table.csv", "--out", ""], ["show", "--out=", "run"]])
def test_a_variable_without_a_value_is_not_the_working_directory(argv, capsys):
    assert "is empty" in refused(capsys, *argv)


@pytest.mark.parametrize("call", [["report", "run", "--keep", 0.5, "--force"], ["export", "run", "--keep", 0.5]])
def test_what_is_no_file_is_never_replaced(call, folder, capsys):
    os.mkfifo(folder / "pipe")  # as /dev/null, which an atomic replacement would put a file in the place of
    refused(capsys, *call, "--out", "pipe")
    assert (folder / "pipe").is_fifo()


@pytest.mark.usefixtures("folder")
def test_too_few_files_or_threads_are_not_called_damage(capsys, monkeypatch):
    def no_room(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("numpy.lib.format.open_memmap", no_room)
    complaint = refused(capsys, "select", "run", "--keep", 0.3)
    assert "too many files are open" in complaint
    assert "damaged" not in complaint
    failed = explain(SystemError("error return without exception set"))
    assert (failed.exit_code, "not enough memory" in str(failed)) == (1, True)
    for error in (RuntimeError("can't start new thread"), BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))):
        assert (explain(error).exit_code, "ulimit -u" in str(explain(error))) == (1, True)


RUN_VERBS = ("compare", "sweep")


@pytest.mark.parametrize(
    "call",
    [
        ("prune", "table.csv", "--keep", 0.5),
        ("record", "table.csv"),
        *((verb, "run", "--keep", 0.5) for verb in RUN_VERBS),
    ],
)
def test_an_unknown_model_is_refused_before_anything_is_opened(capsys, folder, call):
    (folder / "table.csv").write_text("no table")
    complaint = refused(capsys, *call, *(("--out", "new") if call[0] not in RUN_VERBS else ()), "--model", "resnett")
    assert "there is no model 'resnett'" in complaint
    assert "did you mean resnet8" in complaint
    assert not (folder / "new").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "argv",
    [
        ["report", "run", "--keep", 0.5, "--within", "nan"],
        ["sweep", "run", "--keep", 0.5, "--within", -1],
        ["compare", "run", "--keep", 0.5, "--margin", "inf"],
        ["record", "table.csv", "--out", "new", "--channel", "embeding"],
        ["measure", "run", "--examples", "9" * 30],
        ["select", "run", "--keep", 0.3, "--seed", "9" * 30],
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_is_trained(argv, capsys):
    complaint = refused(capsys, *argv)
    assert "a fault of datapare" not in complaint
    assert "training" not in complaint.replace("training briefly", "")


def test_the_demo_replaces_no_file_of_the_user(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.npz").write_text("years of work")
    assert "holds something else than the digits" in refused(capsys, "demo", "--out", ".")
    assert (tmp_path / "digits.npz").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["digits.npz"]


@pytest.mark.usefixtures("folder")
def test_the_same_perturbation_is_the_same_bytes(tmp_path, capsys):
    made = []
    for name in ("first", "second"):
        assert run(capsys, "perturb", "table.csv", "--out", name)[0] == 0
        made.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files(tmp_path / name)})
    assert made[0] == made[1]
