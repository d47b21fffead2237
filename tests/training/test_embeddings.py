"""A backbone embeds a dataset in parts, and a killed command goes on with those that are missing."""

import numpy as np
import pytest

import datapare as dp
from datapare.training import embeddings
from datapare.training.embeddings import embed_with

transformers = pytest.importorskip("transformers")
N = 20


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path / "resnet")
    monkeypatch.setattr(embeddings, "PART", 8)
    return str(tmp_path / "resnet")


def pictures(seed: int = 0) -> dp.Dataset:
    return dp.open_dataset(
        (np.random.default_rng(seed).integers(0, 256, (N, 16, 16), dtype=np.uint8), np.arange(N) % 2)
    )


def counted(monkeypatch, lost: int | None = None) -> list[int]:
    """Count the examples that a network sees; the call of that number is the last of its process."""
    seen, predict = [], embeddings.predict

    def counting(network, inputs):
        if len(seen) == lost:
            raise KeyboardInterrupt
        seen.append(len(inputs))
        return predict(network, inputs)

    monkeypatch.setattr(embeddings, "predict", counting)
    return seen


def test_parts_are_those_of_one_pass_and_are_made_once(backbone, tmp_path, monkeypatch):
    data, folder = pictures(), tmp_path / "parts"
    whole = embed_with(backbone, data)
    with monkeypatch.context() as patch:
        counted(patch, lost=2)
        with pytest.raises(KeyboardInterrupt):
            embed_with(backbone, data, parts=folder)
    with monkeypatch.context() as patch:
        seen = counted(patch)
        resumed = embed_with(backbone, data, parts=folder)
        assert seen == [4], "two parts of three were there"
    np.testing.assert_allclose(resumed, whole, rtol=1e-5, atol=1e-6)
    uninterrupted = embed_with(backbone, data, parts=tmp_path / "others")
    np.testing.assert_array_equal(resumed, uninterrupted)


def test_parts_of_another_dataset_are_not_taken(backbone, tmp_path, monkeypatch):
    folder = tmp_path / "parts"
    one = embed_with(backbone, pictures(), parts=folder)
    seen = counted(monkeypatch)
    other = embed_with(backbone, pictures(1), parts=folder)
    assert seen == [8, 8, 4]
    assert not np.array_equal(one, other)


def test_a_damaged_part_is_one_sentence(backbone, tmp_path):
    folder = tmp_path / "parts"
    embed_with(backbone, pictures(), parts=folder)
    (folder / f"{8:012d}.npy").write_bytes(b"no array")
    with pytest.raises(dp.InputError, match=r"npy is missing or damaged .*; remove it"):
        embed_with(backbone, pictures(), parts=folder)
