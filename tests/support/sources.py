"""The same 24 examples of 3 classes as a source of every format, for the tests of opening and exporting."""

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")
N = 24
LABEL = np.array([0, 1, 2, 1, 2, 2, 1, 0] * 3)
NAMES = [CLASSES[i] for i in LABEL]
KEPT = [1, 2, 3, 5, 9, 12, 20, 22]  # no ant among them


def pixels(i: int, size: tuple[int, int] = (12, 12)) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8)


def encoded(i: int, ending: str = "png", size: tuple[int, int] = (12, 12)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(i, size)).save(buffer, {"jpg": "jpeg"}.get(ending, ending))
    return buffer.getvalue()


def text(i: int) -> str:
    return f'The {NAMES[i]} number {i}, said "{i * 7}",\nor so — ünd so'


def record(i: int) -> dict[str, Any]:
    colour = ["red", "green", "?"][i % 3]
    return {"width": i * 0.5, "legs": 4 if i % 2 else None, "colour": colour, "class": NAMES[i]}


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def image_folder(at: Path) -> Path:
    for i in range(N):
        put(at / "photos" / NAMES[i] / f"{i}.png", encoded(i))
    put(at / "photos" / "README.md", b"a card")
    return at / "photos"


def split_folder(at: Path) -> Path:
    for i in range(N):
        put(at / "photos" / "train" / NAMES[i] / "deep" / f"{i}.jpg", encoded(i, "jpg"))
        put(at / "photos" / "test" / NAMES[i] / f"{i}.jpg", encoded(i + N, "jpg"))
    return at / "photos"


def listed_folder(at: Path) -> Path:
    for i in range(N):
        put(at / "photos" / "images" / f"{i}.png", encoded(i))
    lines = [f"images/{i}.png,{NAMES[i]},{i / 10:.3f}" for i in range(N)]
    put(at / "photos" / "labels.csv", "\r\n".join(["file_name,label,blur", *lines]).encode())
    return at / "photos"


def parquet_images(at: Path) -> Path:
    import datasets

    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(CLASSES)))
    rows = {"image": [{"bytes": encoded(i), "path": f"{i}.png"} for i in range(N)], "label": LABEL.tolist()}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(at / "images.parquet"))
    return at / "images.parquet"


def parquet_bytes(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "label": pa.array(LABEL, pa.int8()),
        "image": [encoded(i, "jpg") for i in range(N)],
        "extra": list(range(N)),
    }
    pq.write_table(pa.table(columns), at / "bytes.parquet", row_group_size=7, compression="zstd")
    return at / "bytes.parquet"


def parquet_shards(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (at / "shards").mkdir()
    table = pa.table({"text": [text(i) for i in range(N)], "intent": pa.array(NAMES).dictionary_encode()})
    for k, (start, stop) in enumerate([(0, 10), (10, 11), (11, N)]):
        pq.write_table(table.slice(start, stop - start), at / "shards" / f"train-{k:05d}-of-00003.parquet")
    pq.write_table(table, at / "shards" / "test.parquet")
    return at / "shards"


def parquet_table(at: Path) -> Path:
    import pandas as pd

    pd.DataFrame([record(i) for i in range(N)]).astype({"colour": "category"}).to_parquet(at / "table.parquet")
    return at / "table.parquet"


def parquet_vectors(at: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = pa.array([np.random.default_rng(i).normal(size=5).tolist() for i in range(N)], pa.list_(pa.float32()))
    pq.write_table(
        pa.table({"uid": [f"u{i}" for i in range(N)], "embedding": vectors, "y": LABEL}), at / "vectors.parquet"
    )
    return at / "vectors.parquet"


def csv_text(at: Path) -> Path:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["review", "sentiment", "stars"])
    writer.writerows([text(i), NAMES[i], f"0{i}.50"] for i in range(N))
    put(at / "reviews.csv", buffer.getvalue().encode())
    return at / "reviews.csv"


def tsv_table(at: Path) -> Path:
    lines = ["\t".join("" if v is None else str(v) for v in record(i).values()) for i in range(N)]
    put(at / "table.tsv", "\n".join(["\t".join(record(0)), *lines]).encode())
    return at / "table.tsv"


def jsonl_text(at: Path) -> Path:
    lines = [
        json.dumps({"text": text(i), "n": i, "label": NAMES[i], "more": {"a": [i]}}, ensure_ascii=False)
        for i in range(N)
    ]
    put(at / "texts.jsonl", "\n\n".join(lines).encode() + b"\n")
    return at / "texts.jsonl"


def webdataset(at: Path) -> Path:
    with tarfile.open(at / "shard.tar", "w") as tar:
        for i in range(N):
            for ending, content in (("jpg", encoded(i, "jpg")), ("cls", str(LABEL[i]).encode()), ("seg.txt", b"more")):
                member = tarfile.TarInfo(f"a/{i:04d}.{ending}")
                member.size, member.mtime = len(content), 1_700_000_000
                tar.addfile(member, io.BytesIO(content))
    return at / "shard.tar"


def webdataset_shards(at: Path) -> Path:
    (at / "tars").mkdir()
    for k, rows in enumerate([range(10), range(10, N)]):
        with tarfile.open(at / "tars" / f"{k}.tar", "w") as tar:
            for i in rows:
                for ending, content in (("json", json.dumps({"label": NAMES[i]}).encode()), ("png", encoded(i))):
                    member = tarfile.TarInfo(f"{i:04d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return at / "tars" / "*.tar"


def saved(at: Path) -> Path:
    import datasets

    from datapare.data.formats.hf_datasets import quiet

    with quiet():
        hub_object(at).save_to_disk(str(at / "saved"))
        assert isinstance(datasets.load_from_disk(str(at / "saved")), datasets.Dataset)
    return at / "saved"


def saved_splits(at: Path) -> Path:
    import datasets

    from datapare.data.formats.hf_datasets import quiet

    with quiet():
        datasets.DatasetDict(train=hub_object(at), test=hub_object(at).select([0, 1, 2])).save_to_disk(
            str(at / "splits")
        )
    return at / "splits"


def hub_object(_: Path) -> Any:
    import datasets

    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=list(CLASSES)))
    return datasets.Dataset.from_dict({"text": [text(i) for i in range(N)], "label": LABEL.tolist()}, features=features)


def npz_images(at: Path) -> Path:
    x = np.stack([pixels(i) for i in range(N)])
    np.savez_compressed(
        at / "images.npz", x_train=x, y_train=LABEL[:, None], x_test=x[::-1], y_test=LABEL, mean=x.mean(0)
    )
    return at / "images.npz"


def npz_vectors(at: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(N, 6)).astype(np.float32)
    np.savez(at / "vectors.npz", embeddings=x, labels=np.array(NAMES), uid=np.arange(N), classes=np.array(CLASSES))
    return at / "vectors.npz"


def npy_folder(at: Path) -> Path:
    (at / "arrays").mkdir()
    np.save(at / "arrays" / "X.npy", np.stack([pixels(i)[..., 0] for i in range(N)]))
    np.save(at / "arrays" / "y.npy", LABEL)
    return at / "arrays"


def pair(_: Path) -> Any:
    return np.random.default_rng(0).normal(size=(N, 6)), LABEL.tolist()


FORMATS: dict[str, Callable[[Path], Any]] = {
    make.__name__: make
    for make in (
        *(image_folder, split_folder, listed_folder, parquet_images, parquet_bytes, parquet_shards, parquet_table),
        *(parquet_vectors, csv_text, tsv_table, jsonl_text, webdataset, webdataset_shards, saved, saved_splits),
        *(hub_object, npz_images, npz_vectors, npy_folder, pair),
    )
}


def order(name: str) -> np.ndarray:
    """Which example stands in each row of the source: folders sort by class."""
    by_class = sorted(range(N), key=lambda i: f"{NAMES[i]}/{i}.")
    return np.array(by_class if name in {"image_folder", "split_folder"} else range(N))


def rows_kept(name: str) -> list[int]:
    """The rows of the source that hold the examples KEPT."""
    return np.flatnonzero(np.isin(order(name), KEPT)).tolist()


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder: the bytes of each file, None for a folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def write_points(path: Path, count: int = 120, seed: int = 0) -> Path:
    """Two classes of embeddings, apart by one standard deviation, as an .npz file."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    np.savez(path, x=rng.normal(size=(count, 6)).astype(np.float32) + y[:, None], y=y)
    return path
