"""Two processes that want one place: one is stopped before each touch of the disk while the other does its work.

`benchmarks/races.py` does the same with the commands.
"""

import numpy as np
import pytest
from shell import FAST, run
from simultaneous import alone, at_once, in_the_midst
from sources import write_points

import datapare as dp
from datapare.pipeline.exports import export_once
from datapare.pipeline.steps import save_or_verify_subset
from datapare.storage import folder_lock

ONE, OTHER = (dp.Subset(index, 6, provenance=dp.Provenance("select", name)) for index, name in (
    ([0, 1], "top"), ([4, 5], "random"),
))  # fmt: skip


def saving(subset, place, **options):
    def act():
        try:
            save_or_verify_subset(subset, place, **options)
        except dp.InputError as error:
            raise SystemExit(2) from error

    return act


def test_of_two_subsets_for_one_place_one_is_saved_and_the_other_refused(tmp_path):
    touches, seen = alone(saving(ONE, tmp_path / "alone"), tmp_path / "log").touches, set()
    assert touches >= 8
    for event in range(1, touches + 1):
        place = tmp_path / f"keep-{event}"
        ends = in_the_midst(saving(ONE, place), saving(OTHER, place), tmp_path / "log", event)
        codes = tuple(end.code for end in ends)
        seen.add(codes)
        assert sorted(codes) == [0, 2], (event, ends)
        assert np.array_equal(dp.load(place / "subset").index, (ONE, OTHER)[codes.index(0)].index)
        assert [entry.name for entry in place.iterdir()] == ["subset"]
    assert seen == {(2, 0), (0, 2)}


@pytest.mark.parametrize("seed", range(3))
def test_processes_that_save_the_same_subset_at_once_all_end_well(tmp_path, seed):
    ends = at_once([saving(ONE, tmp_path / "keep")] * 3, tmp_path / "log", seed)
    assert [end.code for end in ends] == [0, 0, 0]
    assert [entry.name for entry in (tmp_path / "keep").iterdir()] == ["subset"]


def test_two_forced_replacements_leave_one_whole_subset(tmp_path):
    for event in range(1, 60):
        place = tmp_path / f"keep-{event}"
        dp.save(dp.Subset([2, 3], 6), place / "subset")
        ends = in_the_midst(saving(ONE, place, force=True), saving(OTHER, place, force=True), tmp_path / "log", event)
        assert 0 in {end.code for end in ends}
        assert {end.code for end in ends} <= {0, 2}, ends
        assert dp.load(place / "subset").index.tolist() in ([0, 1], [4, 5])
        if ends[0].touches < event:
            break
    else:
        pytest.fail("it touches the disk too often for this test")


def test_what_is_replaced_while_it_is_read_is_read_whole(tmp_path):
    made = [
        dp.Scores([float(value)] * 3, provenance=dp.Provenance("score", name))
        for value, name in ((1, "dual"), (2, "aum"))
    ]

    def reading():
        found = dp.load(tmp_path / "scores")
        assert (found.provenance.method, found.score.tolist()) in (("dual", [1, 1, 1]), ("aum", [2, 2, 2]))

    dp.save(made[0], tmp_path / "scores")
    touches = alone(reading, tmp_path / "log").touches
    assert touches >= 2
    for event in range(1, touches + 1):
        dp.save(made[0], tmp_path / "scores")
        ends = in_the_midst(reading, lambda: dp.save(made[1], tmp_path / "scores"), tmp_path / "log", event)
        assert [end.code for end in ends] == [0, 0], (event, ends)


def test_a_subset_is_chosen_and_exported_by_one_command_at_a_time(tmp_path, capsys):
    source, place = write_points(tmp_path / "points.npz", 24), tmp_path / "run"
    assert run(capsys, "prune", source, "--keep", 0.5, "--out", place, "--window", 3, *FAST)[0] == 0
    calls = (("export", place, "--keep", 0.5), ("select", place, "--keep", 0.5, "--rule", "top", "--force"))
    with folder_lock(place / ".keep-0.5", "working"):
        for call in calls:
            code, _, complaint = run(capsys, *call)
            assert code == 2
            assert "another process is working" in complaint
        assert run(capsys, "select", place, "--keep", 0.25)[0] == 0, "another subset is free"
    assert [run(capsys, *call)[0] for call in calls] == [0, 0]


def test_an_export_that_found_its_place_taken_leaves_no_note_of_it(tmp_path):
    data = dp.open_dataset(write_points(tmp_path / "points.npz", 24))
    out, folder = tmp_path / "small.npz", tmp_path / "keep"

    def taken():
        out.write_bytes(b"of another command")

    with pytest.raises(dp.InputError, match="exists"):
        export_once(data, dp.Subset([0, 1, 2, 3], 24), out, folder, "copy", before_writing=taken)
    assert [*folder.iterdir()] == []
    assert out.read_bytes() == b"of another command"
