"""WebDataset exports: DataComp's list of kept samples, and shards of another size."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sources import encoded, put

from datapare.artifacts import Subset
from datapare.data import export, images, open_dataset
from datapare.data.formats import webdataset
from datapare.errors import InputError

UIDS = [f"{(i * 2654435761) % 2**64:016x}{i:016X}" for i in range(12)]
KEPT = [0, 1, 4, 5, 6, 9, 11]


def shards(folder, uids=UIDS):
    """Three shards of four samples, each an image and a JSON object with the label and the uid."""
    folder.mkdir()
    for s in range(3):
        with tarfile.open(folder / f"{s:03d}.tar", "w") as tar:
            for i in range(4 * s, 4 * s + 4):
                fields = {"label": "ab"[i % 2]} | ({} if uids is None else {"uid": uids[i]})
                for ending, content in (("png", encoded(i)), ("json", json.dumps(fields).encode())):
                    member = tarfile.TarInfo(f"{i:06d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return folder


def members(folder):
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            found[path.name] = {one.name: tar.extractfile(one).read() for one in tar}
    return found


def test_the_index_of_shards_with_uids_has_datacomps_list(tmp_path):
    data = open_dataset(shards(tmp_path / "d"))
    out = export(data, Subset(index=KEPT, total=12), tmp_path / "kept", as_="index")
    found = np.load(out / "subset.npy")
    expected = sorted((int(UIDS[i][:16], 16), int(UIDS[i][16:], 16)) for i in KEPT)
    assert found.dtype == np.dtype("u8,u8")
    assert [tuple(map(int, one)) for one in found] == expected
    assert len((out / "keep.txt").read_text().splitlines()) == len(KEPT)


@pytest.mark.parametrize("size", [None, 3])
def test_the_tables_of_img2dataset_beside_shards_lose_the_rows_of_dropped_samples(size, tmp_path):
    source = shards(tmp_path / "d")
    for s in range(3):
        rows = {
            "uid": [*UIDS[4 * s : 4 * s + 4], "none"],
            "key": [f"{i:06d}" for i in range(4 * s, 4 * s + 4)] + ["failed"],
        }
        pq.write_table(pa.table(rows), source / f"{s:03d}.parquet")
        put(source / f"{s:03d}_stats.json", b'{"count": 4}')
    data = open_dataset(source)
    assert (data.format, len(data)) == ("webdataset", 12)
    out = export(data, Subset(index=KEPT, total=12), tmp_path / "kept", shard_size=size)
    found = [key for s in range(3) for key in pq.read_table(out / f"{s:03d}.parquet")["key"].to_pylist()]
    assert [key for key in found if key != "failed"] == [f"{i:06d}" for i in KEPT]
    assert found.count("failed") == 3, "a row of no sample stays"
    np.testing.assert_array_equal(open_dataset(out).key, data.key[KEPT])


def test_other_parquet_beside_shards_is_refused(tmp_path):
    source = shards(tmp_path / "d")
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}), source / "t.parquet")
    with pytest.raises(InputError, match="different formats"):
        open_dataset(source)


@pytest.mark.parametrize("uids", [None, ["7"] * 12])
def test_without_uids_there_is_no_such_list(uids, tmp_path):
    data = open_dataset(shards(tmp_path / "d", uids))
    out = export(data, Subset(index=KEPT, total=12), tmp_path / "kept", as_="index")
    assert sorted(one.name for one in out.iterdir()) == ["drop.txt", "keep.txt"]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_new_shards_hold_the_kept_samples_in_order(size, tmp_path):
    source = shards(tmp_path / "d")
    put(source / "LICENSE", b"free")
    data = open_dataset(source)
    out = export(data, Subset(index=KEPT, total=12), tmp_path / "out", shard_size=size)
    before = {name: content for shard in members(source).values() for name, content in shard.items()}
    new = members(out)
    assert list(new) == [f"train-{i:05d}.tar" for i in range(-(-len(KEPT) // size))]
    assert [len(shard) // 2 for shard in new.values()][:-1] == [size] * (len(new) - 1)
    written = [(name, content) for shard in new.values() for name, content in shard.items()]
    assert written == [(f"{i:06d}.{e}", before[f"{i:06d}.{e}"]) for i in KEPT for e in ("png", "json")]
    assert (out / "LICENSE").read_bytes() == b"free"
    assert open_dataset(out).name == [data.name[i] for i in KEPT]


def test_a_shard_size_is_for_copies_of_shards(tmp_path):
    data = open_dataset((np.eye(12), [0, 1] * 6))
    with pytest.raises(InputError, match="a shard size is for copies of WebDataset shards"):
        export(data, Subset(index=KEPT, total=12), tmp_path / "out", shard_size=3)
    data = open_dataset(shards(tmp_path / "d"))
    with pytest.raises(InputError, match="at least one sample, not 0"):
        export(data, Subset(index=KEPT, total=12), tmp_path / "out", shard_size=0)


def test_one_of_several_images_of_a_sample_can_be_named(tmp_path):
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as tar:
        for i in range(6):
            members = {"a.b/%d.jpg": encoded(i), "a.b/%d.seg.png": encoded(i + 50), "a.b/%d.cls": b"%d" % (i % 2)}
            for name, content in members.items():
                member = tarfile.TarInfo(name % i)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    with pytest.raises(InputError, match=r"has 2 images \(jpg, seg.png\); name the ending of the one to read"):
        open_dataset(path)
    for ending, first in (("jpg", 0), ("seg.png", 50)):
        data = open_dataset(path, input=ending)
        assert len(data) == 6
        np.testing.assert_array_equal(
            np.asarray(images(data, [3])[0]), np.asarray(Image.open(io.BytesIO(encoded(first + 3))))
        )


def test_shards_are_indexed_alike_by_one_process_and_by_several(tmp_path, monkeypatch):
    for shard in range(3):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as tar:
            for i in range(4):
                for ending, content in (("png", encoded(i)), ("cls", str(i % 2).encode())):
                    member = tarfile.TarInfo(f"{shard}{i}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    files = sorted(tmp_path.glob("*.tar"))
    alone = webdataset.index_shards(files, None)
    monkeypatch.setattr(webdataset, "MANY_SAMPLES", 1)
    assert webdataset.index_shards(files, None) == alone
    assert [len(shard) for shard in alone] == [4, 4, 4]
