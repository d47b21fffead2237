"""One recording by several processes: what one process records, up to the order of additions."""

import json
from itertools import pairwise

import forked
import numpy as np
import pytest
import together
import torch
import torch.distributed as dist
from once import made_once
from sources import image_folder, write_points
from together import CASES, images, record_all_and_die, record_case

import datapare as dp
from datapare.cli.processes import _print_once
from datapare.errors import DatapareError, InputError
from datapare.training.distributed import synchronise
from datapare.training.launch import launch
from datapare.training.shares import share_of, whole

# Of a probability, after two epochs of three steps: 1.5e-7 was measured here, and 5e-7 until an activation crosses the
# kink of a ReLU (benchmarks/processes.py).
ROUNDING = 2e-5


def test_shares_cover_a_batch_and_every_process_has_a_row():
    for total in range(1, 12):
        for count in range(1, 6):
            shares = [share_of(total, rank, count) for rank in range(count)]
            assert sum(share.size for share in shares) == total
            assert all(share.high > share.low for share in shares)
            counted = [share for share in shares if share.counted]
            assert all(left.high == right.low for left, right in pairwise(counted))
            draw = torch.arange(total)
            assert torch.equal(torch.cat([share.drawn(lambda n: draw[:n]) for share in counted]), draw)  # noqa: B023
    assert share_of(7, 0, 1) == whole(7)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """The folder of what one, two and three processes recorded; three completed one in which the second was killed."""
    return made_once(tmp_path_factory, "processes", record_everything)


def record_everything(folder):
    write_points(folder / "points.npz")
    image_folder(folder)
    seen = []
    with pytest.raises(
        DatapareError, match=r"one of 2 training processes was killed \(SIGKILL\).*same command resumes"
    ):
        launch(2, record_all_and_die, folder / "2", report=seen.append)
    progress = json.loads((folder / "2" / "killed" / "progress.json").read_text())
    assert len(progress["coverage"]) == 1
    assert {state.examples_done for state in seen if not state.making} >= {23, 34}, "the last state of each epoch"
    ended = forked.run(folder, together.__file__, folder)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_several_processes_record_what_one_does(recorded, name):
    alone = dp.load(recorded / "1" / name)
    for count in (2, 3):
        several = dp.load(recorded / str(count) / name)
        assert np.array_equal(several.key, alone.key)
        for channel, values in alone.channels.items():
            assert np.array_equal(np.isnan(several.channels[channel]), np.isnan(values)), "as many are observed"
        apart = several.channels["target_prob"] - alone.channels["target_prob"]
        assert np.nanmax(np.abs(apart)) < ROUNDING
        assert several.provenance.params["processes"] == count
        assert "whole batch" in several.provenance.params["batch_norm"]
        assert "processes" not in alone.provenance.params
    assert {path.name for path in (recorded / "3" / name).iterdir()} == {
        path.name for path in (recorded / "1" / name).iterdir()
    }


@pytest.mark.slow
def test_a_killed_process_resumes_with_another_number(recorded):
    alone, resumed = dp.load(recorded / "1" / "streamed"), dp.load(recorded / "2" / "killed")
    np.testing.assert_allclose(resumed.channels["target_prob"], alone.channels["target_prob"], atol=ROUNDING)
    np.testing.assert_allclose(resumed.arrays["embedding"], alone.arrays["embedding"], atol=1e-3)
    params = resumed.provenance.params
    assert (params["processes"], params["processes_at_end"]) == (2, 3)
    again = record_case("streamed", recorded / "2" / "killed")
    assert again.provenance == resumed.provenance, "finished, so one process reads it as it is"


@pytest.mark.slow
def test_processes_that_record_with_other_seeds_all_refuse(recorded):
    for rank in range(3):
        refused = (recorded / "3" / f"refused-{rank}.txt").read_text()
        assert refused.startswith("process 1 of 3 records with other provenance than process 0")


def test_what_one_process_computes_alone_is_refused(tmp_path):
    class Own(torch.nn.BatchNorm2d):
        pass

    with pytest.raises(InputError, match="the network's Own does not allow; record in one process"):
        synchronise(torch.nn.Sequential(Own(3)))
    with pytest.raises(InputError, match="autotune times the steps of one process"):
        dp.record(images(), out=tmp_path / "run", autotune=True, processes=2)


def printed(folder, name):
    return [(folder / f"{name}-{rank}").read_text() for rank in range(2)]


@pytest.mark.slow
def test_the_command_under_a_launcher_prints_and_writes_once(recorded):
    first, second = printed(recorded / "command", "out")
    assert "120 examples, 2 epochs" in first
    assert (second, printed(recorded / "command", "err")[1]) == ("", "")
    alone = dp.record(recorded / "points.npz", epochs=2)
    several = dp.load(recorded / "points.npz.datapare" / "dynamics")
    np.testing.assert_allclose(several.channels["target_prob"], alone.channels["target_prob"], atol=ROUNDING)
    assert several.provenance.params["processes"] == 2


@pytest.mark.slow
def test_a_mistake_under_a_launcher_is_one_sentence(recorded):
    assert printed(recorded / "mistaken", "code") == ["2", "2"]
    sentences = "".join(printed(recorded / "mistaken", "err"))
    assert sentences.count("datapare: ") == sentences.count("resnet7") == 1
    assert "Traceback" not in sentences


def test_of_the_errors_of_several_processes_one_is_printed(capsys):
    """All that raise the same share a store; here one process raises twice."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        assert [_print_once(InputError("no such model.")), _print_once(InputError("no such model."))] == [2, 2]
        assert capsys.readouterr().err == "datapare: no such model.\n"
        assert _print_once(RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")) == 1
        assert capsys.readouterr().err == "", "the process that is lost knows why"
        with pytest.raises(RuntimeError, match="a bug"):
            _print_once(RuntimeError("a bug"))
    finally:
        dist.destroy_process_group()
