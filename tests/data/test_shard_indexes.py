"""Files beside shards that say how many samples they hold: right in an export, or not in it."""

import hashlib
import io
import json
import tarfile

import pytest
import yaml
from sources import encoded, put

from datapare.artifacts import Subset
from datapare.data import export, open_dataset

N = 12
KEPT = [0, 1, 2, 3, 4, 7, 10]  # five of the first shard, two of the second


def shard(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for i in rows:
            for ending, content in (("png", encoded(i)), ("cls", b"%d" % (i % 2))):
                member = tarfile.TarInfo(f"{i:05d}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "d"
    shard(root / "train-0.tar", range(6))
    shard(root / "train-1.tar", range(6, N))
    shard(root / "val-0.tar", range(20, 24))
    return root


def exported(source, files, **options):
    for name, content in files.items():
        put(source / name, content.encode())
    data = open_dataset(source)
    return export(data, Subset(index=KEPT, total=N), source.parent / "out", **options)


def test_counts_of_shards_are_those_of_the_export(source):
    listed = [{"url": f"train-{i}.tar", "nsamples": 6, "filesize": 1, "md5sum": "?"} for i in range(2)]
    listed += [{"url": "val-0.tar", "nsamples": 4, "filesize": 1, "md5sum": "?"}]
    out = exported(
        source,
        {
            "_shards.json": json.dumps({"name": "pets", "shardlist": listed}),
            "sizes.json": json.dumps({"train-0.tar": 6, "train-1.tar": 6, "val-0.tar": 4}),
            "dataset.yaml": "name: pets\nnsamples: 12\ntrain:\n- urls: 's3://b/train-{0..1}.tar'\n  nsamples: 12\n",
            "info.yaml": "# as it was\nlicence: cc\n",
        },
    )
    assert json.loads((out / "sizes.json").read_text()) == {"train-0.tar": 5, "train-1.tar": 2, "val-0.tar": 4}
    found = json.loads((out / "_shards.json").read_text())["shardlist"]
    assert [one["nsamples"] for one in found] == [5, 2, 4]
    first = (out / "train-0.tar").read_bytes()
    assert (found[0]["filesize"], found[0]["md5sum"]) == (len(first), hashlib.md5(first).hexdigest())  # noqa: S324
    assert found[2] == listed[2]
    whole = yaml.safe_load((out / "dataset.yaml").read_text())
    assert (whole["nsamples"], whole["train"][0]["nsamples"]) == (7, 7)
    assert (out / "info.yaml").read_text() == "# as it was\nlicence: cc\n"


def test_what_cannot_be_corrected_is_not_in_the_export(source):
    data = {
        "all.json": json.dumps({"urls": ["train-0.tar", "train-1.tar", "val-0.tar"], "nsamples": 16}),
        "00000_stats.json": json.dumps({"count": 6, "successes": 6}),
        "broken.json": "{",
    }
    out = exported(source, data)
    assert not (out / "all.json").exists()
    assert not (out / "00000_stats.json").exists()
    assert (out / "broken.json").read_text() == "{"
    assert "1 files such as 00000_stats.json count a download: an export has none" in open_dataset(source).notes


def test_new_shards_have_no_index_of_the_former_ones(source):
    files = {"sizes.json": '{"train-0.tar": 6, "train-1.tar": 6}', "dataset.json": '{"nsamples": 12}'}
    out = exported(source, files, shard_size=4)
    assert not (out / "sizes.json").exists()
    assert json.loads((out / "dataset.json").read_text()) == {"nsamples": 7}
