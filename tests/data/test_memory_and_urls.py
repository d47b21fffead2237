"""DataFrames, torch datasets, streams and URLs are opened and exported as files are."""

import socket
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from sources import FORMATS, KEPT, encoded, pixels

from datapare.artifacts import Subset
from datapare.data import export, images, open_dataset
from datapare.errors import InputError

N = 12


def kept(data, index=(0, 1, 5)):
    return Subset(np.array(index), len(data), key=data.key)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"a": rng.random(N), "b": rng.random(N), "kind": pd.Categorical(["x", "y"] * 6), "label": ["p", "q", "r"] * 4}
    )


@pytest.mark.parametrize("form", ["pandas", "polars", "lazy"])
def test_a_dataframe_is_its_columns(form, tmp_path):
    source = frame() if form == "pandas" else pl.from_pandas(frame())
    data = open_dataset(source.lazy() if form == "lazy" else source)
    assert (data.kind, data.inputs, data.classes, data.format) == (
        "table",
        ("a", "b", "kind"),
        ("p", "q", "r"),
        "dataframe",
    )
    same = open_dataset(frame())
    np.testing.assert_array_equal(data.key, same.key)
    out = export(data, kept(data), tmp_path / "smaller.parquet")
    if form == "pandas":
        pd.testing.assert_frame_equal(pd.read_parquet(out), frame().iloc[[0, 1, 5]].reset_index(drop=True))
    else:
        assert pl.read_parquet(out).equals(source[[0, 1, 5]])


def test_an_index_of_names_identifies_the_rows():
    named = open_dataset(frame().set_index(pd.Index([f"u{i}" for i in range(N)])))
    assert (named.name[3], named.inputs) == ("u3", ("a", "b", "kind"))
    shuffled = open_dataset(frame().set_index(pd.Index([f"u{i}" for i in range(N)])).iloc[::-1])
    np.testing.assert_array_equal(shuffled.key, named.key[::-1])
    filtered = open_dataset(frame().iloc[np.random.default_rng(0).permutation(N)])
    assert filtered.inputs == ("a", "b", "kind")


def test_a_dataframe_with_objects_of_several_types_opens():
    odd = pd.DataFrame({"text": ["a", "b"] * 3, "odd": [1, "x", [2]] * 2, 7: 0, "label": [0, 1] * 3})
    assert open_dataset(odd).inputs == ("text",)
    twice = pd.DataFrame([[1, 2, 0]] * 4, columns=["a", "a", "label"])
    with pytest.raises(InputError, match="two columns have the same name"):
        open_dataset(twice)


class Items(torch.utils.data.Dataset):
    """Items as a user makes them."""

    def __init__(self, make, n=N, **more):
        self.make, self.n = make, n
        self.__dict__.update(more)

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.make(i)


def test_a_torch_dataset_is_its_items(tmp_path):
    x = torch.arange(N * 3 * 4 * 4, dtype=torch.uint8).reshape(N, 3, 4, 4)
    data = open_dataset(torch.utils.data.TensorDataset(x, torch.arange(N) % 3))
    np.testing.assert_array_equal(data.array, x.permute(0, 2, 3, 1).numpy())
    assert (data.kind, data.label.tolist(), data.format) == ("image", [i % 3 for i in range(N)], "torch_dataset")
    with np.load(export(data, kept(data), tmp_path / "out.npz")) as smaller:
        np.testing.assert_array_equal(smaller["x"], x[[0, 1, 5]].permute(0, 2, 3, 1))
    part = torch.utils.data.Subset(torch.utils.data.TensorDataset(x, torch.arange(N) % 3), range(6))
    np.testing.assert_array_equal(open_dataset(part).key, data.key[:6])


def test_a_torch_dataset_of_images_keeps_pixels_sizes_and_class_names(tmp_path):
    made = Items(lambda i: (Image.fromarray(pixels(i, (10 + i, 9))), i % 2), classes=["cat", "dog"])
    data = open_dataset(made)
    assert (data.kind, data.classes) == ("image", ("cat", "dog"))
    np.testing.assert_array_equal(np.asarray(images(data, [3])[0]), pixels(3, (10 + 3, 9)))
    again = open_dataset(export(data, kept(data), tmp_path / "out"))
    np.testing.assert_array_equal(again.key, data.key[[0, 1, 5]])


def test_a_torch_dataset_of_mappings_has_named_columns():
    data = open_dataset(Items(lambda i: {"text": f"word {i}", "label": i % 2, "n": torch.tensor(i)}))
    assert (data.kind, data.inputs, data.label.tolist()) == ("text", ("text",), [i % 2 for i in range(N)])


def test_labels_may_lie_beside_the_items_and_be_arrays_of_one_number():
    pair = open_dataset(Items(lambda i: (np.arange(4.0) + i, i % 3)))
    beside = open_dataset(Items(lambda i: np.arange(4.0) + i, targets=[i % 3 for i in range(N)]))
    np.testing.assert_array_equal(beside.key, pair.key)
    assert "holds beside them" in beside.notes[-1]
    single = open_dataset(Items(lambda i: (np.arange(4.0) + i, torch.tensor([i % 3]))))
    np.testing.assert_array_equal(single.key, pair.key)


def test_parts_and_chains_of_a_torch_dataset_have_its_class_names_and_keys():
    whole = Items(lambda i: (Image.fromarray(pixels(i)), i % 2), classes=["cat", "dog"])
    key = open_dataset(whole).key
    part = open_dataset(torch.utils.data.Subset(whole, [5, 2, 3]))
    assert part.classes == ("cat", "dog")
    np.testing.assert_array_equal(part.key, key[[5, 2, 3]])
    halves = [torch.utils.data.Subset(whole, range(6)), torch.utils.data.Subset(whole, range(6, N))]
    np.testing.assert_array_equal(open_dataset(torch.utils.data.ConcatDataset(halves)).key, key)


def test_items_are_seen_as_a_person_sees_them():
    def clear(i):
        return Image.fromarray(np.full((4, 4, 4), (255, 0, 0, 0), np.uint8)), i % 2

    def deep(i):
        return Image.fromarray(np.full((4, 4), 257 * i, np.uint16)), i % 2

    def dark(i):  # of 0 to 255: one image of ones is nearly black
        return torch.full((3, 4, 4 + i % 2), 255.0 if i else 1.0), i % 2

    assert np.asarray(images(open_dataset(Items(clear)), [0])[0]).min() == 255
    grey = [np.asarray(one)[0, 0, 0] for one in images(open_dataset(Items(deep)), range(N))]
    assert grey == sorted(grey)
    assert len(set(grey)) == N
    assert np.asarray(images(open_dataset(Items(dark)), [0])[0]).max() == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_items_may_be_images_of_every_mode(mode):
    data = open_dataset(
        Items(lambda i: (Image.fromarray(pixels(i)).convert("L" if mode in "IF" else "RGB").convert(mode), i % 2))
    )
    assert (data.kind, len(data)) == ("image", N)


def test_columns_of_types_that_arrow_has_not_come_along():
    bins = pd.cut(np.arange(N), 3)
    odd = frame().assign(
        sparse=pd.arrays.SparseArray([0, 1] * 6), bins=bins, waves=np.arange(N) * 1j,
        month=pd.Categorical(pd.period_range("2020", periods=2, freq="M").repeat(6)),
    )  # fmt: skip
    assert open_dataset(odd).inputs == ("a", "b", "kind", "sparse", "bins", "month")
    wide = pl.from_pandas(frame()).with_columns(wide=pl.Series(range(N), dtype=pl.Int128))
    assert open_dataset(wide).inputs[:3] == ("a", "b", "kind")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda i: (torch.zeros(10, 4, 4 + i % 2), i % 2), "expected 1, 3 or 4 channels"),
        (lambda i: torch.zeros(3), "expected a pair"),
        (lambda i: 1 / 0, "item 0 of Items cannot be read: ZeroDivisionError"),
        (lambda i: (torch.randn(3, 4, 4), i % 2), "expected 0 to 255, or 0.0 to 1.0"),
    ],
)
def test_items_that_cannot_be_read_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        open_dataset(Items(make))


def test_a_stream_is_read_to_its_end(tmp_path):
    import datasets

    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["n", "p"]))
    whole = datasets.Dataset.from_dict(
        {"text": [f"t {i}" for i in range(N)], "label": [i % 2 for i in range(N)]}, features=features
    )
    data, same = open_dataset(whole.to_iterable_dataset(num_shards=2)), open_dataset(whole)
    assert data.classes == ("n", "p")
    assert data.digest == same.digest
    again = open_dataset(export(data, kept(data), tmp_path / "out"))
    np.testing.assert_array_equal(again.key, data.key[[0, 1, 5]])
    generated = datasets.IterableDataset.from_generator(
        lambda: iter([{"text": f"t {i}", "label": i % 2} for i in range(N)])
    )
    assert len(open_dataset(datasets.IterableDatasetDict(train=generated))) == N


def filled(system, root: str) -> None:
    for i in range(8):
        system.pipe_file(f"{root}/photos/{'ab'[i % 2]}/{i}.png", encoded(i))
    system.pipe_file(f"{root}/t.csv", b"text,label\n" + b"".join(b"word %d,%d\n" % (i, i % 2) for i in range(N)))


def check_urls(system, root: str, url: str) -> None:
    folder = open_dataset(f"{url}/photos")
    assert (len(folder), folder.classes, folder.address) == (8, ("a", "b"), f"{url}/photos")
    assert export(folder, kept(folder), f"{url}/fewer") == f"{url}/fewer"
    left = sorted(path.split("/fewer/")[1] for path in system.find(f"{root}/fewer"))
    assert left == sorted(folder.name[i] for i in (0, 1, 5))
    with pytest.raises(InputError, match="exists and is not empty"):
        export(folder, kept(folder), f"{url}/fewer")
    table = open_dataset(f"{url}/t.csv")
    export(table, kept(table), f"{url}/small.csv")
    assert system.cat_file(f"{root}/small.csv") == b"text,label\nword 0,0\nword 1,1\nword 5,1\n"
    with pytest.raises(InputError, match="there is nothing at"):
        open_dataset(f"{url}/nothing.csv")


def check_format(system, root: str, url: str, source: Path) -> None:
    """Open a source at a URL and here alike, export it there, and open that."""
    files = sorted(one for one in source.rglob("*") if one.is_file()) if source.is_dir() else [source]
    for one in files:
        system.pipe_file(f"{root}/{one.relative_to(source.parent).as_posix()}", one.read_bytes())
    here, there = open_dataset(source), open_dataset(f"{url}/{source.name}")
    np.testing.assert_array_equal(there.key, here.key)
    out = export(there, kept(there, KEPT), f"{url}/smaller/{source.name}")
    np.testing.assert_array_equal(np.sort(open_dataset(out).key), np.sort(there.key[KEPT]))


def test_sources_and_exports_may_be_urls():
    import fsspec

    system = fsspec.filesystem("memory")
    filled(system, "/here")
    check_urls(system, "/here", "memory://here")
    with pytest.raises(InputError, match="cannot be reached"):
        open_dataset("nowhere://a/b")


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"webdataset_shards", "hub_object", "pair"}))  # no file or folder
def test_every_format_may_be_at_a_url(name, tmp_path):
    import fsspec

    check_format(fsspec.filesystem("memory"), f"/{name}", f"memory://{name}", FORMATS[name](tmp_path))


@pytest.mark.filterwarnings("ignore")  # of the server and its client
def test_a_bucket_is_a_folder(monkeypatch, tmp_path):
    server = pytest.importorskip("moto.server")
    fsspec = pytest.importorskip("s3fs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = server.ThreadedMotoServer("127.0.0.1", port, verbose=False)
    running.start()
    try:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        system = fsspec.S3FileSystem()
        system.mkdir("bucket")
        filled(system, "bucket")
        check_urls(system, "bucket", "s3://bucket")
        for name in ("parquet_shards", "webdataset", "split_folder"):
            check_format(system, f"bucket/{name}", f"s3://bucket/{name}", FORMATS[name](tmp_path))
    finally:
        running.stop()


def test_objects_of_other_libraries_are_read_and_written(tmp_path):
    import pyarrow as pa
    from datasets import Dataset

    words = [f"words {i}" for i in range(N)]
    table = pa.table({"text": words, "label": [i % 2 for i in range(N)]})
    rows = Dataset(table)
    transformed = rows.with_transform(lambda batch: {**batch, "text": ["x"] * len(batch["label"])})
    sources = {
        "a batch": table.to_batches()[0],
        "periods": pd.DataFrame({"text": words, "label": pd.period_range("2020", periods=2, freq="M").tolist() * 6}),
        "objects": (np.array(words, object), np.array(["a", "b"] * 6, object)),
        "a dict with objects": {"x": np.eye(N), "y": [0, 1] * 6, "frame": None, "names": np.array(["a", "b"], object)},
        "a transform": transformed,
    }
    for name, source in sources.items():
        data = open_dataset(source)
        again = open_dataset(export(data, kept(data, (0, 1, 4, 5)), tmp_path / name))
        np.testing.assert_array_equal(again.key, data.key[[0, 1, 4, 5]])
    assert open_dataset(sources["periods"]).classes == ("2020-01", "2020-02")
    assert "the transform of the dataset is not applied" in open_dataset(transformed).notes[0]


def test_a_sparse_matrix_is_refused_with_the_way_out():
    from scipy.sparse import csr_matrix

    with pytest.raises(InputError, match=r"pass X.toarray\(\)"):
        open_dataset((csr_matrix(np.eye(4)), [0, 1, 0, 1]))


def test_the_library_that_a_file_system_needs_is_named_in_one_word():
    from fsspec.registry import known_implementations

    from datapare.data.remote import missing_library

    texts = {scheme: one["err"] for scheme, one in known_implementations.items() if "nstall" in one.get("err", "")}
    named = {scheme: missing_library(ImportError(text)) for scheme, text in texts.items()}
    assert (named["gs"], named["s3"], named["sftp"], named["github"]) == ("gcsfs", "s3fs", "paramiko", "requests")
    assert not {"the", "Please", ""} & {*named.values()}
    assert sum(" " in name for name in named.values()) <= 3  # of those that name none
