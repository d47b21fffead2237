"""The card and the Croissant metadata of a pruned dataset, read by the libraries that they are for."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

import datapare as dp
from datapare.data import example_table, write_examples
from datapare.reporting.dataset_card import croissant, dataset_card

N = 30


def source(folder, kind):
    """A dataset of N examples in two classes."""
    rng = np.random.default_rng(0)
    if kind == "image_folder":
        for i in range(N):
            place = folder / "photos" / "cd"[i % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(place / f"{i}.png")
        return dp.open_dataset(folder / "photos")
    rows = [{"text": f"text <b>{i}</b>", "label": i % 2} for i in range(N)]
    if kind == "json_lines":
        (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return dp.open_dataset(folder / "texts.jsonl")
    lines = [f"{row['text']},{row['label']}" for row in rows]
    (folder / "texts.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    return dp.open_dataset(folder / "texts.csv")


def pruned(folder, kind):
    """The folder that `prune` makes, with its card and metadata."""
    data = source(folder, kind)
    scores = dp.Scores(np.random.default_rng(0).normal(size=N), key=data.key)
    subset = dp.select(scores, "top", keep=0.5)
    out = folder / "keep-0.5"
    dp.export(data, subset, out / "dataset")
    write_examples(example_table(data, subset, scores=scores, why=["because"] * N), out / "examples.parquet")
    (out / "README.md").write_text(dataset_card(data, subset), encoding="utf-8")
    (out / "croissant.json").write_text(json.dumps(croissant(data, subset, out)), encoding="utf-8")
    return data, subset, out


@pytest.mark.parametrize("kind", ["csv", "json_lines", "image_folder"])
def test_datasets_loads_the_folder_by_its_card(tmp_path, kind):
    from datasets import load_dataset
    from huggingface_hub import DatasetCard

    data, subset, out = pruned(tmp_path, kind)
    loaded = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(loaded) == len(subset)
    if kind != "image_folder":
        assert loaded["text"] == [f"text <b>{i}</b>" for i in subset]
    card = DatasetCard.load(out / "README.md")
    assert card.data.pretty_name == f"{data.path.name}, pruned to 50 %"
    assert card.data.size_categories == ["n<1K"]
    assert "`select top`: keep 0.5, seed 0" in card.text
    assert data.digest in card.text


def test_a_card_of_names_alone_names_no_files(tmp_path):
    data, subset, _ = pruned(tmp_path, "csv")
    assert "configs" in dataset_card(data, subset)
    assert "configs" not in dataset_card(data, subset, written=False)


@pytest.mark.filterwarnings("ignore")
def test_croissant_is_read_by_its_own_library(tmp_path):
    import mlcroissant

    _, subset, out = pruned(tmp_path, "csv")
    found = mlcroissant.Dataset(jsonld=str(out / "croissant.json"))
    assert [str(one) for one in found.metadata.conforms_to] == ["http://mlcommons.org/croissant/1.1"]
    assert not found.metadata.ctx.issues.errors
    rows = list(found.records("examples"))
    assert len(rows) == N
    assert [bool(row["examples/kept"]) for row in rows] == subset.mask.tolist()
    assert {row["examples/why"] for row in rows} == {b"because"}


def test_croissant_says_what_the_dataset_was_derived_from(tmp_path):
    data, _, out = pruned(tmp_path, "csv")
    meta = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    assert meta["prov:wasDerivedFrom"]["@id"] == f"urn:datapare:dataset:{data.digest}"
    assert meta["@context"]["prov"] == "http://www.w3.org/ns/prov#"
    assert [step["name"] for step in meta["prov:wasGeneratedBy"]][-1] == "select top"
    stored = meta["distribution"][0]["sha256"]
    assert stored == hashlib.sha256((out / "examples.parquet").read_bytes()).hexdigest()
