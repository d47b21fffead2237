"""Scenarios: the laws that every file obeys, what each does, and that what was done stays with the dataset."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import CLASSES, LABEL, N, encoded, image_folder, parquet_images, put

import datapare as dp
from datapare.artifacts import Subset
from datapare.data import aligned_labels, images
from datapare.data.perturbation import Pictures
from datapare.errors import InputError
from datapare.methods.registry import find, names

SCENARIOS = names("perturb")
SHARED = [name for name in SCENARIOS if "share" in find("perturb", name).params]
CORRUPTING = [name for name in SCENARIOS if "image" in find("perturb", name).reads]
RELABELLING = ["label_noise", "asymmetric_noise"]


def run(name, label, image, seed, **params):
    given = {
        "label": label,
        "image": image,
        "human_label": None if label is None else label[::-1],
        "rng": np.random.default_rng(seed),
    }
    function = find("perturb", name).function
    return function(**{key: given[key] for key in function.__annotations__ if key in given}, **params)


@pytest.fixture
def label():
    return np.random.default_rng(0).permutation(np.repeat(np.arange(4), 25))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(1, 255, (100, 9, 12, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_seed_does_the_same_and_another_another(name, label, image):
    one, again, other = (run(name, label, image, seed) for seed in (3, 3, 4))
    for field in ("row", "touched", "label"):
        np.testing.assert_array_equal(getattr(one, field), getattr(again, field))
    if one.image is not None:
        assert all(np.array_equal(a, b) for a, b in zip(one.image, again.image, strict=True))
    if "rng" in find("perturb", name).function.__annotations__:
        same = (one.row.shape == other.row.shape and (one.row == other.row).all(), one.touched.tolist())
        assert same != (True, other.touched.tolist()) or not np.array_equal(one.label, other.label)


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("share", [0.2, 0.3, 0.4, 0.57])
def test_exactly_the_share_is_touched(name, share, label, image):
    touched = run(name, label, image, 0, share=share).touched
    assert len(touched) == int(share * 100 + 1e-9)
    assert (np.diff(touched) > 0).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_class_vanishes_and_the_arrays_given_stay_as_they_were(name, label, image):
    before = label.copy(), image.copy()
    change = run(name, label, image, 1)
    assert set(label[change.row] if change.label is None else change.label) == {0, 1, 2, 3}
    np.testing.assert_array_equal(label, before[0])
    np.testing.assert_array_equal(image, before[1])


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
@pytest.mark.parametrize("name", SHARED)
def test_an_impossible_share_is_refused(name, share, label, image):
    with pytest.raises(InputError, match="share is the fraction"):
        run(name, label, image, 0, share=float(share))


@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.sampled_from(RELABELLING), st.floats(0.05, 1))
@settings(max_examples=60, deadline=None)
def test_noise_never_gives_the_label_that_was_there(n_classes, seed, name, share):
    label = np.random.default_rng(seed).integers(0, 3 * n_classes, 80) // 3 * 5  # numbers with gaps between them
    if len(np.unique(label)) < 2:
        return
    change = run(name, label, None, seed, share=share)
    np.testing.assert_array_equal(np.flatnonzero(change.label != label), change.touched)
    assert set(change.label) <= set(label)


def test_symmetric_noise_spreads_evenly_over_the_other_classes():
    label = np.repeat(np.arange(5), 2000)
    change = run("label_noise", label, None, 0, share=0.4)
    step = (change.label - label)[change.touched] % 5
    assert np.allclose(np.bincount(step, minlength=5)[1:] / len(step), 0.25, atol=0.03)


@pytest.mark.parametrize(("factor", "counts"), [(0.1, [100, 46, 21, 10]), (0.01, [100, 21, 4, 2]), (1.0, [100] * 4)])
def test_the_long_tail_falls_exponentially_to_its_factor(factor, counts):
    label = np.repeat(np.arange(4), 100)
    assert np.bincount(label[run("long_tail", label, None, 0, factor=factor).row]).tolist() == counts


def test_the_long_tail_takes_no_more_than_a_class_has_and_skips_numbers_without_examples():
    label = np.repeat([0, 2, 5], [100, 3, 50])
    assert np.bincount(label[run("long_tail", label, None, 0, factor=0.1).row]).tolist() == [100, 0, 3, 0, 0, 10]


@pytest.mark.parametrize("name", CORRUPTING)
def test_corrupted_images_change_and_keep_size_and_type(name, image):
    change = run(name, None, image, 0, share=0.5)
    assert len(change.image) == 50
    for i, one in zip(change.touched, change.image, strict=True):
        assert one.shape == image[i].shape
        assert one.dtype == np.uint8
        assert not np.array_equal(one, image[i])


def test_corruption_deals_the_five_kinds_out_evenly(image, monkeypatch):
    from datapare.methods.perturb import corruption, fog, gaussian_noise, motion_blur, occlusion

    count = dict.fromkeys(("noise", "hidden", "small", "fog", "blur"), 0)

    def counting(kind):
        def corrupt(one, *_):
            count[kind] += 1
            return one

        return corrupt

    modules = (gaussian_noise, "noise"), (occlusion, "hidden"), (fog, "fog"), (motion_blur, "blur")
    for module, kind in modules:
        monkeypatch.setattr(module, "corrupt_image", counting(kind))
    monkeypatch.setattr(corruption, "lower_resolution", counting("small"))
    run("corruption", None, image, 0, share=0.52)
    assert sorted(count.values()) == [10, 10, 10, 11, 11]


def test_occlusion_hides_one_rectangle_inside_the_image(image):
    for one in run("occlusion", None, image, 0, share=1.0, area=0.25).image:
        rows, columns = np.nonzero((one == 0).all(-1))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1, len(rows)) == (4, 6, 24)


def test_motion_blur_keeps_the_mean_of_a_plain_image_and_every_direction_is_a_line():
    from datapare.methods.perturb.motion_blur import line

    plain = np.full((4, 16, 16, 1), 77, np.uint8)
    assert all((one == 77).all() for one in run("motion_blur", None, plain, 0, share=1.0).image)
    for angle in np.linspace(0, np.pi, 20):
        kernel = line(3, angle)
        assert kernel.sum() == pytest.approx(1)
        np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


def test_fog_is_smooth_and_white():
    black = np.zeros((1, 32, 32, 1), np.uint8)
    cloud = run("fog", None, black, 0, share=1.0, density=1.0).image[0][..., 0].astype(int)
    assert (cloud.min(), cloud.max()) == (128, 255)
    assert np.abs(np.diff(cloud, axis=0)).mean() < 10


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("fog", {"density": 0.0}), ("occlusion", {"area": 1.1}), ("resolution", {"scale": 0.0}),
        ("motion_blur", {"length": -1.0}), ("gaussian_noise", {"sigma": 0.0}), ("long_tail", {"factor": 0.0}),
    ],
)  # fmt: skip
def test_an_impossible_strength_is_refused(name, params, label, image):
    with pytest.raises(InputError, match=next(iter(params))):
        run(name, label, image, 0, **params)


@pytest.mark.parametrize("name", RELABELLING)
def test_noise_needs_two_classes(name):
    with pytest.raises(InputError, match="two or more classes"):
        run(name, np.zeros(4, np.int64), None, 0)


# What dp.perturbation makes of a dataset


@pytest.fixture
def photos(tmp_path):
    return dp.open_dataset(image_folder(tmp_path))


def saved_again(data, out):
    dp.export(data, Subset(np.arange(len(data)), len(data)), out)
    return dp.open_dataset(out)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_saved_scenario_comes_back_as_it_was(name, photos, tmp_path):
    people = [CLASSES[(i + 1) % 3] for i in LABEL] if name == "human_noise" else None
    made = dp.perturb(photos, name, seed=5, human_label=people)
    again = saved_again(made, tmp_path / "out")
    assert again.digest == made.digest != photos.digest
    assert again.classes == photos.classes
    assert len(set(made.key.tolist())) == len(made)
    for field in ("source", "touched", "label"):
        np.testing.assert_array_equal(getattr(again.perturbation, field), getattr(made.perturbation, field))
    assert again.perturbation.provenance.method == name
    assert again.perturbation.provenance.dataset == photos.digest
    assert dp.perturb(photos, name, seed=5, human_label=people).digest == made.digest


def test_untouched_images_keep_their_bytes_and_touched_ones_are_the_corrupted(photos):
    made = dp.perturb(photos, "occlusion", share=0.25, area=0.5)
    before, after = images(photos, range(N)), images(made, range(N))
    differ = [i for i in range(N) if np.asarray(before[i]).tobytes() != np.asarray(after[i]).tobytes()]
    assert differ == made.perturbation.touched.tolist()
    cells = [row["image"]["bytes"] for row in made.rows]
    originals = [one.read_bytes() for one in (photos.path / name for name in photos.name)]
    assert [i for i in range(N) if cells[i] != originals[i]] == differ


def test_every_kind_of_source_bears_label_noise(tmp_path):
    vectors = dp.open_dataset((np.random.default_rng(0).random((N, 5)), LABEL))
    pixels = dp.open_dataset({"x": np.random.default_rng(0).integers(0, 256, (N, 6, 6, 1), np.uint8), "y": LABEL})
    texts = dp.open_dataset({"text": np.array([f"a {i}" for i in range(N)]), "y": LABEL})
    table = dp.open_dataset({"x": np.random.default_rng(0).random((N, 2)), "y": LABEL}, kind="table")
    for number, data in enumerate((vectors, pixels, texts, table)):
        made = dp.perturb(data, "label_noise", share=0.5)
        assert made.kind == data.kind
        assert int((made.label != data.label).sum()) == N // 2
        assert saved_again(made, tmp_path / str(number)).digest == made.digest
    np.testing.assert_array_equal(dp.perturb(pixels, "label_noise").array, pixels.array)
    twice = dp.perturb(vectors, "duplicates", share=1.0)
    np.testing.assert_array_equal(twice.array, np.tile(vectors.array, (2, 1)).astype(np.float32))


def test_photos_of_different_sizes_are_corrupted_at_their_own(tmp_path):
    for i in range(12):
        put(tmp_path / "photos" / CLASSES[i % 3] / f"{i}.png", encoded(i, size=(100 + i, 130)))
    data = dp.open_dataset(tmp_path / "photos")
    made = dp.perturb(data, "corruption", share=0.5)
    assert [one.size for one in images(made, range(12))] == [one.size for one in images(data, range(12))]
    assert Pictures(data)[0].shape == (*images(data, [0])[0].size[::-1], 3)
    assert len(Pictures(data)[:2]) == 2


def test_a_touched_example_is_no_longer_who_it_was_even_if_it_has_an_id(tmp_path):
    table = pa.table({"id": [f"u{i}" for i in range(N)], "text": [f"text {i}" for i in range(N)], "label": LABEL})
    pq.write_table(table, tmp_path / "ids.parquet")
    data = dp.open_dataset(tmp_path / "ids.parquet")
    made = dp.perturb(data, "label_noise", share=0.25)
    assert np.flatnonzero(made.key != data.key).tolist() == made.perturbation.touched.tolist()


def test_a_scenario_of_a_scenario_remembers_both(photos, tmp_path):
    twice = dp.perturb(dp.perturb(photos, "duplicates"), "label_noise", seed=1)
    assert twice.perturbation.provenance.parents[0].method == "duplicates"
    again = saved_again(twice, tmp_path / "twice").perturbation.provenance
    assert again.parents[0].method == "duplicates"


def test_a_smaller_export_says_what_was_done_to_the_rows_that_stay(photos, tmp_path):
    made = dp.perturb(photos, "label_noise", share=0.5)
    keep = np.array([0, 3, 7, 8, 9, 11, 13, 17, 19, 21, 22, 23])
    dp.export(made, Subset(keep, N), tmp_path / "small")
    small = dp.open_dataset(tmp_path / "small")
    assert small.perturbation.source.tolist() == keep.tolist()
    assert [keep[i] for i in small.perturbation.touched] == [i for i in made.perturbation.touched if i in keep]
    np.testing.assert_array_equal(small.perturbation.label, photos.label[keep])


def test_a_record_of_a_scenario_says_what_was_done(photos):
    made = dp.perturb(photos, "label_noise", share=0.5, seed=9)
    dynamics = dp.record(made, epochs=1)
    assert dynamics.provenance.parents == (made.perturbation.provenance,)
    assert dp.record(photos, epochs=1).provenance.parents == ()


def test_human_labels_are_numbers_or_names_one_per_row_of_the_source(tmp_path):
    path = parquet_images(tmp_path)
    data = dp.open_dataset(path)
    people = np.roll(LABEL, 1)
    pq.write_table(pa.table({"number": people, "name": [CLASSES[i] for i in people]}), tmp_path / "people.parquet")
    for column in ("number", "name"):
        given = aligned_labels(f"{tmp_path / 'people.parquet'}:{column}")
        np.testing.assert_array_equal(dp.perturb(data, "human_noise", human_label=given).label, people)
    some = replace(data, row=np.arange(1, N), label=data.label[1:])  # as if the first image could not be read
    with pytest.raises(InputError, match="one label for each of 23 rows"):
        dp.perturb(some, "human_noise", human_label=people)


@pytest.mark.parametrize("people", [[3] * N, ["dog"] * N, [0.5] * N])
def test_human_labels_that_are_no_classes_are_refused(photos, people):
    with pytest.raises(InputError, match="numbers from 0 to 2"):
        dp.perturb(photos, "human_noise", human_label=people)


def test_wrong_calls_get_one_sentence(photos, tmp_path):
    vectors = dp.open_dataset((np.random.default_rng(0).random((N, 5)), LABEL))
    with pytest.raises(InputError, match="holds embedding data"):
        dp.perturb(vectors, "fog")
    with pytest.raises(InputError, match="give them as human_label"):
        dp.perturb(photos, "human_noise")
    with pytest.raises(InputError, match="fog reads no labels of people"):
        dp.perturb(photos, "fog", human_label=LABEL)
    with pytest.raises(InputError, match="did you mean label_noise"):
        dp.perturb(photos, "label_nois")
    with pytest.raises(InputError, match="has no parameter 'severity'"):
        dp.perturb(photos, "fog", severity=3)
    with pytest.raises(InputError, match="FILE:COLUMN"):
        aligned_labels("people.parquet")
    with pytest.raises(InputError, match="has no column 'worse'; its columns are image, label"):
        aligned_labels(f"{parquet_images(tmp_path)}:worse")


def test_the_verb_writes_a_dataset_that_opens_again(photos, tmp_path, capsys):
    from datapare.cli.app import main

    out = tmp_path / "noisy"
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "perturb",
                str(photos.path),
                "--method",
                "label_noise",
                "--share",
                "0.5",
                "--seed",
                "2",
                "--out",
                str(out),
            ]
        )
    assert stop.value.code == 0
    assert "24 examples from 24, 12 of them changed or added by label_noise" in capsys.readouterr().out
    assert dp.open_dataset(out).digest == dp.perturb(photos, "label_noise", share=0.5, seed=2).digest
    with pytest.raises(SystemExit) as stop:
        main(["perturb", str(photos.path), "--out", str(out)])
    assert stop.value.code == 2


def test_the_source_stays_as_it_is(photos):
    before = {path: path.read_bytes() for path in photos.path.rglob("*") if path.is_file()}
    dp.perturb(photos, "corruption", share=1.0)
    assert {path: path.read_bytes() for path in photos.path.rglob("*") if path.is_file()} == before


def test_human_labels_of_cifar_are_as_wrong_as_their_authors_say(real_data):
    clean = pq.read_table(real_data / "human_labels" / "cifar10n_train.parquet")
    data = dp.open_dataset((np.zeros((50_000, 1), np.float32), clean["clean_label"].to_numpy()))
    people = aligned_labels(f"{real_data / 'human_labels' / 'cifar10n_train.parquet'}:worse_label")
    assert len(dp.perturb(data, "human_noise", human_label=people).perturbation.touched) / 50_000 == 0.40208


def test_digests_of_perturbed_datasets_are_those_of_the_first_stored_format():
    """The key names of that format are hashed, so what was stored then still fits its run folders and subsets."""
    import json

    from datapare.artifacts import Perturbation, Provenance
    from datapare.data.keys import mix, text_keys
    from datapare.data.open import with_perturbation

    data = dp.open_dataset((np.eye(4), [0, 1, 0, 1]))
    parent = Provenance("perturb", "fog", {"strength": 2}, 1, "a" * 32, {"numpy": "2"})
    done = Provenance("scenario", "label_noise", {"share": 0.5}, 0, "b" * 32, {"numpy": "2"}, (parent,))
    as_then = {
        "verb": "scenario", "method": "label_noise", "knobs": {"share": 0.5}, "seed": 0, "dataset": "b" * 32,
        "versions": {"numpy": "2"},
        "parents": [
            {"verb": "perturb", "method": "fog", "knobs": {"strength": 2}, "seed": 1, "dataset": "a" * 32,
             "versions": {"numpy": "2"}, "parents": []},
        ],
    }  # fmt: skip
    mark = text_keys([json.dumps(as_then, sort_keys=True)])
    made = with_perturbation(data, Perturbation(np.arange(4), np.array([1]), data.label, done))
    assert made.key[1] == mix(mark, data.key[1:2])[0]
