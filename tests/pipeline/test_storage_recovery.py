"""What dead, failing and overtaken writers leave beside a place: what is put back, what is removed, what stays."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import datapare as dp
from datapare import storage
from datapare.errors import BusyError
from datapare.storage import atomic


@pytest.fixture
def place(tmp_path):
    """Where scores are to be."""
    return tmp_path / "scores-dual"


def dead_process():
    """The number of a process that has ended."""
    number = os.fork()
    if number == 0:
        os._exit(0)
    os.waitpid(number, 0)
    return number


def left(place, content, *, process=None, aside=""):
    """Scores under the name that a writer gives them before they take their place, or when it puts them aside."""
    written = dp.save(dp.Scores([content]), place.with_name("written"))
    own = storage.draft_of(place).name.replace(f".{os.getpid()}.", f".{process or dead_process()}.")
    return written.rename(place.with_name(own.replace(f"{place.name}.", f"{place.name}.{aside}", 1)))


@pytest.mark.parametrize("read", [dp.load, lambda place: storage.is_finished(place) and dp.load(place)])
def test_of_a_killed_replacement_the_new_one_is_put_in_place(place, read):
    left(place, 0.25, aside="aside.")
    left(place, 0.75)
    assert read(place).score.tolist() == [0.75]


def test_what_was_put_aside_comes_back_even_if_it_is_no_artifact(place):
    aside = left(place, 0.25, aside="aside.")
    (aside / storage.META).unlink()
    storage.recover(place)
    assert (place / "score.npy").is_file()


def test_a_draft_without_its_last_file_is_not_put_in_place(place):
    (left(place, 0.25) / storage.META).unlink()
    assert not storage.is_finished(place)
    assert not place.exists()


def test_drafts_of_living_processes_and_of_other_machines_stay_where_they_are(place):
    draft = left(place, 0.25, process=os.getppid())
    foreign = draft.rename(draft.with_name(f".{place.name}.elsewhere.{dead_process()}.draft"))
    left(place, 0.5, process=os.getppid())
    assert not storage.is_finished(place)
    assert not place.exists()
    dp.save(dp.Scores([0.75]), place)
    assert foreign.exists()


def test_a_draft_is_not_put_in_place_while_it_is_written_but_is_when_its_writer_left_it(place):
    with storage.atomic_write(place) as draft:
        draft.mkdir()
        (draft / storage.META).write_text("{}")
        assert not storage.is_finished(place)
        assert draft.exists()
    place.rename(storage.draft_of(place))
    assert storage.is_finished(place)


def test_what_came_back_is_there_while_its_successor_is_written(place):
    left(place, 0.25, aside="aside.")
    with suppress(KeyboardInterrupt), storage.atomic_write(place):
        assert dp.load(place).score.tolist() == [0.25]
        raise KeyboardInterrupt
    assert dp.load(place).score.tolist() == [0.25]


def test_what_came_back_is_not_replaced_by_another_kind(place):
    left(place, 0.25, aside="aside.")
    with pytest.raises(dp.InputError, match="already holds something else"):
        dp.save(dp.Subset([0], 1), place)


def test_a_draft_under_our_own_number_does_not_stop_us(place):
    """In containers every process has the same number."""
    left(place, 0.25, process=os.getpid())
    left(place, 0.5, process=os.getpid(), aside="aside.")
    dp.save(dp.Scores([0.75]), place)
    assert dp.load(place).score.tolist() == [0.75]
    assert [entry.name for entry in place.parent.iterdir()] == [place.name]


def test_what_is_discarded_stays_away(place):
    dp.save(dp.Scores([0.5]), place)
    left(place, 0.25)
    storage.discard(place)
    assert not storage.is_finished(place)
    assert list(place.parent.iterdir()) == []


def test_folders_above_are_made(tmp_path):
    storage.write_text(tmp_path / "a/b/c.txt", "text")
    with storage.folder_lock(tmp_path / "d/e", "working"):
        assert (tmp_path / "d/e").is_dir()


def test_a_replacement_that_fails_puts_the_old_one_back(place, monkeypatch):
    dp.save(dp.Scores([0.25]), place)
    rename = Path.rename

    def refused(self, target):
        if self == storage.draft_of(place):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(dp.InputError, match=r"^cannot write .*scores-dual: Input/output error; choose a place"):
        dp.save(dp.Scores([0.75]), place)
    assert dp.load(place).score.tolist() == [0.25]
    assert [entry.name for entry in place.parent.iterdir()] == [place.name]


def test_a_file_that_cannot_be_removed_does_not_keep_the_others(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    for name in "abc":
        (tmp_path / "old" / name).touch()
    unlink = os.unlink

    def refused(path, *, dir_fd=None):
        if path == "b":
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refused)
    storage.remove(tmp_path / "old")
    assert [entry.name for entry in (tmp_path / "old").iterdir()] == ["b"]


def test_a_link_to_a_folder_is_removed_and_the_folder_stays(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    storage.remove(tmp_path / "link")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("linking", [True, False])
def test_a_file_that_may_not_replace_another_says_so_with_and_without_links(tmp_path, monkeypatch, linking):
    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not linking:
        monkeypatch.setattr(os, "link", refused)

    def write(text):
        with storage.atomic_write(tmp_path / "a.txt", replace=False) as draft:
            draft.write_text(text)

    write("first")
    with pytest.raises(dp.InputError, match="was written by another process in the meantime; that one stays"):
        write("second")
    assert (tmp_path / "a.txt").read_text() == "first"


@pytest.mark.parametrize("many", [1000, 1])
def test_everything_is_on_the_disk_before_it_takes_its_place(place, monkeypatch, many):
    events, rename, fsync = [], Path.rename, os.fsync
    monkeypatch.setattr(atomic, "MANY", many)
    monkeypatch.setattr(os, "sync", lambda: events.append("all"))
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append(os.fstat(handle).st_ino), fsync(handle))[1])
    monkeypatch.setattr(Path, "rename", lambda self, target: (events.append("renamed"), rename(self, target))[1])
    with storage.atomic_write(place) as draft:
        (draft / "inner").mkdir(parents=True)
        (draft / "inner/a").touch()
        (draft / "link").symlink_to("nowhere")
        wanted = {one.stat().st_ino for one in (draft, draft / "inner", draft / "inner/a")}
    before, after = events[: events.index("renamed")], events[events.index("renamed") + 1 :]
    assert "all" in before if many == 1 else wanted <= {*before}
    assert ("all" in before) == (many == 1)
    assert after == [place.parent.stat().st_ino]


def test_a_file_system_that_cannot_flush_is_no_failure_and_a_broken_one_is(place, monkeypatch):
    def refused(_):
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "fsync", refused)
    number = errno.EINVAL
    storage.write_text(place, "text")
    number = errno.EIO
    with pytest.raises(dp.InputError, match="cannot write"):
        storage.write_text(place, "other")
    assert place.read_text() == "text"


@pytest.mark.parametrize(("host", "short"), [("node7.cluster", "node7"), ("node7", "node7"), ("", "localhost")])
def test_a_draft_names_its_machine_without_dots(monkeypatch, host, short):
    monkeypatch.setattr(atomic.socket, "gethostname", lambda: host)
    assert atomic._host.__wrapped__() == short


def test_a_folder_that_cannot_be_locked_is_one_sentence_and_nothing_stays_open(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    with storage.folder_lock(tmp_path, "working"):
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(BusyError, match="another process is waiting"):
            storage.acquire_lock(tmp_path, "waiting")
        monkeypatch.setattr(storage.locks.fcntl, "flock", refused)
        with pytest.raises(dp.InputError, match=r"cannot be locked .No locks available."):
            storage.acquire_lock(tmp_path, "working")
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_files_are_as_they_were_laid_down(place):
    """The format is read by other programs and by later versions."""
    storage.write_json(place, {"a": [np.int64(1), Path("b")]})
    assert place.read_text() == '{\n  "a": [\n    1,\n    "b"\n  ]\n}'
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        storage.write_array(place, np.array([{}], dtype=object))
    place.unlink()
    meta = json.loads((dp.save(dp.Scores([0.5]), place) / storage.META).read_text())
    assert meta == {
        "datapare": 2,
        "artifact": "scores",
        "fields": {
            "predicted": None, "key": None, "seconds": None,
            "provenance": {
                "step": "constructed", "method": "", "params": {}, "seed": None, "dataset": "", "versions": {},
                "parents": [],
            }
        },
        "arrays": {"score": {"dtype": "float64", "shape": [1]}},
        "digest": "6b6c74099a30285100cab8d86f6fc149",
    }  # fmt: skip
    (place / storage.META).write_text(json.dumps(dict(reversed(meta.items())), sort_keys=False))
    assert dp.load(place).score.tolist() == [0.5]
