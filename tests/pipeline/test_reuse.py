"""A dataset that changed after it was recorded: what is known is used again, what is new is predicted or recorded."""

import dataclasses
import shutil

import numpy as np
import pytest
from shell import run
from sources import encoded, put

import datapare as dp
from datapare import storage
from datapare.artifacts import Dynamics
from datapare.data import export, open_dataset
from datapare.data.former_keys import with_former_keys
from datapare.errors import InputError, MismatchError
from datapare.pipeline import pruning, reuse

N = 60
RNG = np.random.default_rng(0)
LABEL = np.arange(N) % 2
X = (RNG.normal(size=(N, 4)) + 2 * LABEL[:, None]).round(3)


def rows(order):
    lines = [",".join(map(str, [f"w{i}", *X[i], LABEL[i]])) for i in order]
    return "\n".join(["id,a,b,c,d,label", *lines]).encode()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run folder on 60 rows in order, with its dataset."""
    place = tmp_path_factory.mktemp("reuse")
    put(place / "d.csv", rows(range(N)))
    prune(place)
    return place


@pytest.fixture
def place(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "copy")
    run = tmp_path / "copy" / "run"
    described = storage.read_json(run / "run.json")
    storage.write_json(run / "run.json", {**described, "path": str(tmp_path / "copy" / "d.csv")})
    return tmp_path / "copy"


def prune(place, **options):
    said = []
    result = pruning.prune(
        place / "d.csv", keep=0.5, out=place / "run", score_params={"window": 2}, record_options={"epochs": 3},
        open_options={"id": "id"}, on_message=said.append, **options,
    )  # fmt: skip
    return result, said


def record_of(place):
    return storage.load(place / "run" / "dynamics")


def by_id(dynamics, data):
    return dict(zip(data.name, np.asarray(dynamics.channels["target_prob"]).T.tolist(), strict=True))


@pytest.mark.parametrize("change", ["shuffled", "shrunk"])
def test_what_is_known_is_not_trained_again(place, change, monkeypatch):
    before = by_id(record_of(place), open_dataset(place / "d.csv", id="id"))
    order = RNG.permutation(N) if change == "shuffled" else np.arange(N)[7:]
    put(place / "d.csv", rows(order))
    monkeypatch.setattr("datapare.training.record", lambda *_, **__: pytest.fail("trained again"))
    result, said = prune(place)
    data = open_dataset(place / "d.csv", id="id")
    after = by_id(record_of(place), data)
    assert after == {name: before[name] for name in data.name}
    assert any("is used again" in line for line in said)
    kept = (
        (result.dataset if result.dataset.is_file() else next(result.dataset.rglob("*.csv"))).read_text().splitlines()
    )
    assert [line.split(",")[0] for line in kept[1:]] == [data.name[i] for i in result.subset.index]
    assert storage.is_finished(next((place / "run" / reuse.PREVIOUS).iterdir()) / "dynamics")
    assert not prune(place)[0].fresh, "the same call finds everything there"


def test_a_subset_is_exported_after_the_dataset_was_shuffled(place):
    order = RNG.permutation(N)
    before = dp.RunFolder.open(place / "run").dataset
    put(place / "d.csv", rows(order))
    folder = dp.RunFolder.open(place / "run")
    np.testing.assert_array_equal(folder.dataset.key, before.key)
    np.testing.assert_array_equal(folder.dataset.label, before.label)
    soft = np.arange(2.0 * N).reshape(N, 2)  # of the record's examples
    subset = folder.subset(0.5)
    out = export(folder.dataset, subset, place / "out.csv", soft_labels=soft)
    names = [line.split(",")[0] for line in out.read_text().splitlines()[1:]]
    assert names == [f"w{i}" for i in order if i in subset.index], "in the order of the file"
    assert np.load(f"{out}.soft_labels.npy")[:, 0].tolist() == [2.0 * int(name[1:]) for name in names]
    now = open_dataset(place / "d.csv", id="id")  # from Python, with soft labels of its own examples
    same = export(now, subset, place / "same.csv", soft_labels=soft[order])
    assert same.read_bytes() == out.read_bytes()
    np.testing.assert_array_equal(np.load(f"{same}.soft_labels.npy"), np.load(f"{out}.soft_labels.npy"))


def test_a_command_says_how_the_record_of_a_changed_dataset_is_used(place):
    put(place / "d.csv", rows(range(7, N)))
    with pytest.raises(MismatchError, match=r"60 examples .* \(53 examples now\); .* datapare prune .*d.csv"):
        _ = dp.RunFolder.open(place / "run").dataset


def test_new_examples_are_asked_about_then_predicted_or_recorded(place):
    more = rows(range(N)) + b"\nnew1,0.1,0.2,0.3,0.4,0\nnew2,2.1,2.2,2.3,2.4,1\n"
    put(place / "d.csv", more)
    with pytest.raises(InputError, match=r"2 of 62 examples .* --new-examples predict"):
        prune(place)
    shutil.copytree(place, place.with_name("other"))
    result, said = prune(place, new_examples="predict")
    record = record_of(place)
    assert np.isnan(record.channels["target_prob"][:, -2:]).all()
    assert not np.isnan(record.channels["target_prob"][:, :-2]).any()
    assert result.subset.total == N + 2
    assert any("predicting 2 of 62 scores" in line for line in said)
    again, said = prune(place.with_name("other"), new_examples="record")
    assert any("recording: training" in line for line in said)
    assert not np.isnan(record_of(place.with_name("other")).channels["target_prob"]).any()
    assert again.subset.total == N + 2


def test_another_dataset_is_still_refused(place):
    put(place / "d.csv", rows(range(N)).replace(b"w", b"v"))
    with pytest.raises(MismatchError, match="is another or has changed"):
        prune(place)


def test_a_label_that_changed_is_not_known(place):
    put(place / "d.csv", rows(range(N)).replace(b",0\n", b",1\n", 1))
    with pytest.raises(InputError, match="1 of 60 examples"):
        prune(place)


def test_other_settings_are_refused_on_a_reused_record(place):
    put(place / "d.csv", rows(range(7, N)))
    prune(place)
    with pytest.raises(InputError, match="epochs 3 there, 5 here"):
        pruning.prune(
            place / "d.csv", keep=0.4, out=place / "run", score_params={"window": 2}, record_options={"epochs": 5},
            open_options={"id": "id"},
        )  # fmt: skip


@pytest.mark.parametrize("killed_at", range(4))
def test_a_kill_between_any_two_steps_loses_nothing(place, killed_at, monkeypatch):
    put(place / "d.csv", rows(np.arange(N)[::-1]))
    calls = iter(range(100))

    def dying(work):
        def step(*arguments):
            if next(calls) == killed_at:
                raise KeyboardInterrupt
            return work(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(reuse.storage, "save", dying(storage.save))
        patch.setattr(reuse.storage, "write_json", dying(storage.write_json))
        with pytest.raises(KeyboardInterrupt):
            prune(place)
    prune(place)
    data = open_dataset(place / "d.csv", id="id")
    record = record_of(place)
    assert isinstance(record, Dynamics)
    np.testing.assert_array_equal(record.key, data.key)


def test_a_reordered_record_belongs_to_the_reordered_dataset(place, tmp_path):
    record = record_of(place)
    put(place / "new.csv", rows(RNG.permutation(N)))
    new = open_dataset(place / "new.csv", id="id")
    moved = dp.reorder(record, new.key)
    assert moved.provenance.dataset == new.digest
    subset = dp.select(dp.score(moved, "dual", window=2), "beta", keep=0.3, dynamics=moved)
    dp.export(new, subset, tmp_path / "small.csv")
    lines = (tmp_path / "small.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [new.name[i] for i in subset.index]


def prune_images(place):
    said = []
    result = pruning.prune(
        place / "d", keep=0.5, out=place / "run", score_params={"window": 2}, record_options={"epochs": 2},
        on_message=said.append,
    )  # fmt: skip
    return result, said


def test_renamed_and_moved_images_are_known_by_their_content(tmp_path, monkeypatch):
    for i in range(16):
        put(tmp_path / "d" / "ab"[i % 2] / f"{i}.png", encoded(i))
    prune_images(tmp_path)
    before = record_of(tmp_path)
    old = open_dataset(tmp_path / "d").name
    for i in range(0, 16, 2):
        (tmp_path / "d" / "a" / f"{i}.png").rename(tmp_path / "d" / "a" / f"renamed-{99 - i}.png")
    (tmp_path / "d" / "b" / "deeper").mkdir()
    (tmp_path / "d" / "b" / "1.png").rename(tmp_path / "d" / "b" / "deeper" / "one.png")
    monkeypatch.setattr("datapare.training.record", lambda *_, **__: pytest.fail("trained again"))
    _, said = prune_images(tmp_path)
    assert any("the record of 16 examples is used again" in line for line in said)
    now = {f"a/renamed-{99 - i}.png": f"a/{i}.png" for i in range(0, 16, 2)} | {"b/deeper/one.png": "b/1.png"}
    where = [old.index(now.get(name, name)) for name in open_dataset(tmp_path / "d").name]
    np.testing.assert_array_equal(record_of(tmp_path).channels["loss"], before.channels["loss"][:, where])
    (tmp_path / "d" / "b" / "3.png").rename(tmp_path / "d" / "b" / "03.png")
    assert any("is used again" in line for line in prune_images(tmp_path)[1]), "and after another change"


def test_an_image_in_the_folder_of_another_class_is_new(tmp_path):
    for i in range(16):
        put(tmp_path / "d" / "ab"[i % 2] / f"{i}.png", encoded(i))
    prune_images(tmp_path)
    (tmp_path / "d" / "a" / "0.png").rename(tmp_path / "d" / "b" / "0.png")
    with pytest.raises(InputError, match="1 of 16 examples are not in the record"):
        prune_images(tmp_path)


def test_a_grown_shuffled_and_renamed_table_from_the_command_line(place, tmp_path, capsys):
    """The same command goes on with a file of another name, in another order, with rows added and rows gone."""
    base = ("--keep", 0.5, "--out", place / "run", "--epochs", 3, "--window", 2, "--id", "id", "--seed", 0)
    lines = rows(range(N)).decode().splitlines()
    lines = [lines[0], *lines[:10:-1], *(f"new{i},0.5,1.5,{i},0.25,{i % 2}" for i in range(4))]
    put(place / "renamed.csv", "\n".join(lines).encode())
    code, _, complaint = run(capsys, "prune", place / "renamed.csv", *base)
    assert code == 2
    assert f"4 of {N - 6} examples are not in the record" in complaint
    code, out, complaint = run(capsys, "prune", place / "renamed.csv", *base, "--new-examples", "predict")
    assert code == 0, complaint
    assert f"the record of {N - 10} examples is used again, 10 are gone, 4 are new and get predicted scores" in out
    code, out, complaint = run(capsys, "export", place / "run", "--keep", 0.5, "--out", tmp_path / "out.csv")
    assert code == 0, complaint
    assert set((tmp_path / "out.csv").read_text().splitlines()) <= set(lines)


def as_of_former_keys(place):
    """The run folder as it was before 0.2, when ids were hashed one by one."""
    before = with_former_keys(open_dataset(place / "d.csv", id="id"))
    run_, described = place / "run", storage.read_json(place / "run" / "run.json")
    record = dataclasses.replace(
        record_of(place), key=before.key,
        provenance=dataclasses.replace(record_of(place).provenance, dataset=before.digest),
    )  # fmt: skip
    for one in run_.iterdir():
        if one.name not in {"run.json", "dynamics"}:
            storage.remove(one)
    storage.save(record, run_ / "dynamics")
    storage.write_json(run_ / "run.json", {**described, "digest": before.digest})
    return before


def test_a_record_of_former_keys_is_used_as_it_is(place, capsys):
    before = as_of_former_keys(place)
    result, said = prune(place)
    assert not any("has changed" in line for line in said), said
    assert storage.load(result.folder / "subset").provenance.dataset == before.digest
    code, _, error = run(capsys, "score", place / "run", "--score", "el2n")
    assert code == 0, error


def test_a_record_of_former_keys_is_used_for_a_dataset_that_has_changed(place):
    as_of_former_keys(place)
    put(place / "d.csv", rows(reversed(range(1, N))))
    old = dict(zip([f"w{i}" for i in range(N)], record_of(place).channels["target_prob"].T.tolist(), strict=True))
    _, said = prune(place)
    assert any("59 examples is used again" in line for line in said), said
    data = open_dataset(place / "d.csv", id="id")
    assert np.array_equal(record_of(place).key, data.key)
    assert by_id(record_of(place), data) == {name: old[name] for name in data.name}
