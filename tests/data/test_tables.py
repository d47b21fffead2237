"""Tables are read as pandas and `datasets` read them, except that labels and ids stay the text of the file."""

import csv
import gzip
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import put

from datapare.artifacts import Subset
from datapare.data import export, open_dataset, texts
from datapare.data.formats.delimited import csv_table
from datapare.data.formats.json_lines import values_column
from datapare.errors import InputError


def refused(source, **options) -> str:
    with pytest.raises(InputError) as caught:
        open_dataset(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lines(at, *rows, name="t.csv", encoding="utf-8"):
    put(at / name, "".join(f"{row}\n" for row in rows).encode(encoding))
    return at / name


def records(at, *rows, name="t.jsonl"):
    return lines(at, *(json.dumps(row) for row in rows), name=name)


def parquet(at, columns, name="t.parquet"):
    import pyarrow as pa
    import pyarrow.parquet as pq

    at.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), at / name)
    return at / name


def classes_read(data):
    return [data.classes[i] for i in data.label.tolist()]


def half(data):
    return Subset(np.arange(0, len(data), 2), len(data), key=data.key)


LABELS = {
    "dates": ["2019-01-01", "2020-01-01"],
    "padded": ["01", "1"],
    "codes": ["1e3", "1000"],
    "times": ["12:00", "13:00"],
    "words for nothing": ["null", "NA"],
    "truth": ["true", "FALSE"],
    "large": ["9007199254740993", "9007199254740992"],
    "larger": ["18446744073709551617", "18446744073709551616"],
    "signs": ["-1", "1"],
    "one decimal": ["1.0", "2.0"],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_a_class_is_the_text_that_stands_in_the_file(kind, separator, tmp_path):
    names = LABELS[kind]
    rows = [f"word {i}{separator}{names[i % 2]}" for i in range(8)]
    data = open_dataset(lines(tmp_path, f"text{separator}label", *rows))
    assert classes_read(data) == names * 4


@pytest.mark.parametrize("kind", ["dates", "padded", "words for nothing", "large"])
def test_a_class_of_json_is_the_text_that_stands_there(kind, tmp_path):
    names = LABELS[kind]
    data = open_dataset(records(tmp_path, *({"text": f"word {i}", "label": names[i % 2]} for i in range(8))))
    assert classes_read(data) == names * 4


def test_far_numbers_are_as_many_classes_as_there_are(tmp_path):
    far = open_dataset(lines(tmp_path, "text,label", *(f"a b c {i},{20_000 + i % 5}" for i in range(40))))
    assert far.classes == ("20000", "20001", "20002", "20003", "20004")
    near = open_dataset(lines(tmp_path, "text,label", *(f"a b c {i},{1 + i % 3}" for i in range(40))))
    assert near.classes == ("0", "1", "2", "3")
    assert (near.label == 1 + np.arange(40) % 3).all()


def test_held_out_labels_are_matched_by_name(tmp_path):
    train = open_dataset(
        lines(tmp_path, "text,label", *(f"a {i},{['1', '2', '3', 'unknown'][i % 4]}" for i in range(16)))
    )
    for source in (
        lines(tmp_path, "text,label", *(f"b {i},{i % 3 + 1}" for i in range(9)), name="test.csv"),
        records(tmp_path, *({"text": f"b {i}", "label": i % 3 + 1} for i in range(9)), name="test.jsonl"),
        parquet(tmp_path, {"text": [f"b {i}" for i in range(9)], "label": [i % 3 + 1 for i in range(9)]}),
    ):
        test = open_dataset(source, classes=train.classes)
        assert classes_read(test) == ["1", "2", "3"] * 3
    places = open_dataset(lines(tmp_path, "text,label", *(f"a {i},{'cd'[i % 2]}" for i in range(4))))
    assert "labels are matched by name" in refused(lines(tmp_path, "text,label", "x,0", "y,1"), classes=places.classes)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "idx", "row", "other"])
def test_row_numbers_are_no_input(name, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(30), "b": rng.random(30), "label": np.repeat(["no", "yes"], 15)})
    put(tmp_path / "t.csv", frame.to_csv(index_label=name or None).encode())
    assert set(open_dataset(tmp_path / "t.csv").inputs) == {"a", "b"}
    shuffled = frame.sample(frac=1, random_state=0)
    put(tmp_path / "s.csv", shuffled.to_csv(index_label=name or None).encode())
    assert set(open_dataset(tmp_path / "s.csv").inputs) == {"a", "b"}
    shuffled.to_parquet(tmp_path / "s.parquet")
    assert set(open_dataset(tmp_path / "s.parquet").inputs) == {"a", "b"}
    assert "a" in open_dataset(tmp_path / "t.csv", input=["a", frame.columns[1]], kind="table").inputs


def test_short_lists_of_whole_numbers_are_no_embeddings(tmp_path):
    text, label = [f"word {i}" for i in range(20)], [i % 2 for i in range(20)]
    spans = parquet(tmp_path, {"text": text, "span": [[0, 5]] * 20, "label": label})
    assert open_dataset(spans).inputs == ("text",)
    tokens = parquet(tmp_path, {"text": text, "input_ids": [[1] * (i % 3 + 9) for i in range(20)], "label": label})
    assert open_dataset(tokens).inputs == ("text",)
    boxes = parquet(tmp_path, {"text": text, "box": [[0.5, 1.0]] * 20, "label": label})
    assert open_dataset(boxes).inputs == ("text",)
    digits = parquet(tmp_path, {"pixels": [[i] * 64 for i in range(20)], "label": label})
    assert (open_dataset(digits).kind, open_dataset(digits).inputs) == ("embedding", ("pixels",))
    both = parquet(tmp_path, {"text": text, "embedding": [[0.5, float(i)] for i in range(20)], "label": label})
    assert "kind=embedding or kind=text" in refused(both)
    assert open_dataset(both, kind="text").inputs == ("text",)
    assert open_dataset(both, kind="embedding").inputs == ("embedding",)


def test_free_text_is_no_category(tmp_path):
    rows = [(f"team {i} wins the match today", "abc"[i % 3], i * 0.5, ["sport", "money"][i % 2]) for i in range(30)]
    news = lines(tmp_path, "headline,publisher,category", *(f"{a},{b},{d}" for a, b, _, d in rows))
    assert (open_dataset(news).kind, open_dataset(news).inputs) == ("text", ("headline",))
    mixed = lines(tmp_path, "headline,clicks,category", *(f"{a},{c},{d}" for a, _, c, d in rows))
    assert "kind=text or kind=table" in refused(mixed)
    assert open_dataset(mixed, kind="text").inputs == ("headline",)
    assert open_dataset(mixed, kind="table").inputs == ("headline", "clicks")


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (("question", "sentence"), ("question", "sentence")),
        (("sentence", "question"), ("sentence", "question")),
        (("premise", "hypothesis"), ("premise", "hypothesis")),
        (("question", "answer"), ("question", "answer")),
        (("title", "body"), ("title", "body")),
        (("text_a", "text_b"), ("text_a", "text_b")),
        (("text", "title"), ("text",)),
    ],
)
def test_both_texts_of_a_pair_are_read(names, read, tmp_path):
    columns = {name: [f"{name} {i}" for i in range(12)] for name in names}
    data = open_dataset(parquet(tmp_path, {**columns, "label": [0, 1] * 6, "idx": list(range(12))}))
    assert (data.kind, data.inputs) == ("text", read)
    assert texts(data, [3]) == ["\n".join(f"{name} 3" for name in read)]


def test_names_of_files_are_never_read_as_text(tmp_path):
    rows = [f"clips/{i}.wav" for i in range(8)]
    assert "names files (clips/0.wav)" in refused(
        lines(tmp_path, "clip,label", *(f"{r},{i % 2}" for i, r in enumerate(rows)))
    )
    listed = parquet(tmp_path, {"audio": rows, "label": [0, 1] * 4})
    assert "names files" in refused(listed)
    assert "names files" in refused(listed, input="audio", kind="text")
    with_text = parquet(tmp_path, {"file": rows, "text": [f"a {i}" for i in range(8)], "label": [0, 1] * 4})
    assert open_dataset(with_text).inputs == ("text",)


def test_shards_may_differ_in_type(tmp_path):
    for k, codes in enumerate((["01230", "45670"], ["AB 12", "CD 34"])):
        lines(
            tmp_path / "shards",
            "code,text,label",
            *(f"{codes[i % 2]},a {i},{'np'[i % 2]}" for i in range(6)),
            name=f"train-{k}.csv",
        )
    data = open_dataset(tmp_path / "shards")
    assert data.rows["code"][:2] == ["01230", "45670"]
    out = export(data, half(data), tmp_path / "out")
    assert (out / "train-0.csv").read_text().splitlines()[1:] == [f"01230,a {i},n" for i in (0, 2, 4)]
    import pyarrow as pa

    text, label = ["a", "b"] * 3, [0, 1] * 3
    for name, other in {"empty": pa.nulls(6), "narrow": pa.array(label, pa.int8()), "words": ["x"] * 6}.items():
        for k, note in enumerate((other, [7] * 6)):
            parquet(tmp_path / name, {"text": text, "label": label, "note": note}, f"train-{k}.parquet")
        assert len(open_dataset(tmp_path / name)) == 12


def test_a_column_of_a_rare_type_comes_along(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = 8
    odd = {
        "map": pa.array([[("k", str(i))] for i in range(n)], pa.map_(pa.string(), pa.string())),
        "nested": pa.array([[[("k", i)]] for i in range(n)], pa.list_(pa.map_(pa.string(), pa.int64()))),
        "span": pa.array(list(range(n)), pa.duration("s")),
        "large": pa.array([str(10**40 + i) for i in range(n)]).cast(pa.decimal256(60, 0)),
    }
    file = parquet(tmp_path, {"text": [f"a {i}" for i in range(n)], "label": [0, 1] * 4, **odd})
    data = open_dataset(file, input="text")
    got = pq.read_table(export(data, half(data), tmp_path / "out.parquet"))
    assert got.equals(pq.read_table(file).take(list(range(0, n, 2))))


def test_ids_stay_as_they_stand(tmp_path):
    ids = [12345678901234567890 + i for i in range(6)]
    for source in (
        lines(tmp_path, "id,text,label", *(f"{one},a {i},{i % 2}" for i, one in enumerate(ids))),
        records(tmp_path, *({"id": one, "text": f"a {i}", "label": i % 2} for i, one in enumerate(ids))),
    ):
        assert list(open_dataset(source).name) == [str(one) for one in ids]
    padded = lines(tmp_path, "who,text,label", *(f"00{i},a {i},{i % 2}" for i in range(6)))
    assert open_dataset(padded, id="who").name[1] == "001"


@pytest.mark.parametrize(
    ("separator", "values", "read"),
    [
        (";", ["1,5", "-2,25", "1000"], [1.5, -2.25, 1000.0]),
        ("\t", ["1.234,5", "2", "0,125"], [1234.5, 2.0, 0.125]),
        (",", ['"1,5"', '"2,75"', "3"], [1.5, 2.75, 3.0]),
        (",", ['"1,234.5"', '"2,000"', "3"], [1234.5, 2000.0, 3.0]),
    ],
)
def test_numbers_with_commas_are_numbers(separator, values, read, tmp_path):
    rows = [f"{value}{separator}{'ab'[i % 2]}" for i, value in enumerate(values * 2)]
    data = open_dataset(lines(tmp_path, f"x{separator}label", *rows), kind="table", input="x")
    assert data.rows["x"][: len(read)] == read


def test_commas_in_words_are_no_numbers(tmp_path):
    rows = ['"1,5",a', '"Paris, France",b', '"2,5",a', '"1,2,3",b']
    assert open_dataset(lines(tmp_path, "x,label", *rows), kind="table").rows["x"][1] == "Paris, France"


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("gap", [1, 9])
def test_a_lone_quotation_mark_swallows_no_lines(separator, gap, tmp_path):
    rows = [f"{i % 2}{separator}sentence number {i} word{i % 2}" for i in range(40)]
    rows[3], rows[3 + gap] = f'1{separator}"Stop it he said', f'0{separator}again"'
    message = refused(lines(tmp_path, f"label{separator}sentence", *rows))
    assert "line 5: a quotation mark opens a field" in message


def test_marks_of_inches_swallow_no_lines(tmp_path):
    rows = [f'a {i}" pipe of {"copper" if i % 2 else "iron"},{i % 2}' for i in range(8)]
    data = open_dataset(lines(tmp_path, "text,label", *rows))
    assert len(data) == 8
    assert export(data, half(data), tmp_path / "o.csv").read_text().splitlines() == ["text,label", *rows[::2]]


def test_a_column_that_counts_for_a_while_is_an_input(tmp_path):
    frame = pd.DataFrame(
        {"age": [*range(20), *[7, 3, 5, 4] * 5], "b": np.tile([0.5, 1.5], 20), "label": ["u", "v"] * 20}
    )
    put(tmp_path / "t.csv", frame.to_csv(index=False).encode())
    assert set(open_dataset(tmp_path / "t.csv").inputs) == {"age", "b"}


def test_json_columns_of_one_type_keep_it_and_others_are_text():
    assert [values_column(one).type for one in ([1, None], [1, 2.5], [True], ["a"])] == [
        pa.int64(), pa.float64(), pa.bool_(), pa.string(),
    ]  # fmt: skip
    assert values_column([1, "a", None]).to_pylist() == ["1", "a", None]
    assert values_column([None, None]).null_count == 2


def test_the_first_label_that_is_no_whole_number_is_named():
    with pytest.raises(InputError, match=r"2 values of 'y' are not whole numbers, the first \(0\.5\) in row 2;"):
        open_dataset((np.zeros((5, 3)), [0.0, 1.0, 0.5, 1.0, 2.5]))


def test_quoted_line_breaks_are_read(tmp_path):
    put(tmp_path / "t.csv", b'text,label\r\n"a,\r\nb ""c""",x\r\nd,y\r\n\r\n"e\n\nf",x\r\ng,y')
    data = open_dataset(tmp_path / "t.csv")
    assert texts(data) == ['a,\r\nb "c"', "d", "e\n\nf", "g"]
    assert export(data, half(data), tmp_path / "o.csv").read_bytes() == (
        b'text,label\r\n"a,\r\nb ""c""",x\r\n"e\n\nf",x\r\n'
    )


@pytest.mark.parametrize("ending", [".csv.gz", ".jsonl.gz", ".json.gz"])
def test_packed_files_come_back_packed(ending, tmp_path):
    rows = [{"text": f"a {i}", "label": i % 2} for i in range(6)]
    plain = (
        "text,label\n" + "".join(f"a {i},{i % 2}\n" for i in range(6))
        if "csv" in ending
        else "".join(json.dumps(r) + "\n" for r in rows)
    )
    put(tmp_path / f"t{ending}", gzip.compress(plain.encode()))
    data = open_dataset(tmp_path / f"t{ending}")
    assert texts(data)[:2] == ["a 0", "a 1"]
    out = export(data, half(data), tmp_path / "out")
    assert texts(open_dataset(out, classes=("0", "1"))) == ["a 0", "a 2", "a 4"]
    assert gzip.decompress((out / f"t{ending}").read_bytes()).decode().count("\n") == plain.count("\n") - 3


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_named(encoding, tmp_path):
    assert "is not UTF-8 text" in refused(lines(tmp_path, "text,label", "größe,a", "x,b", encoding=encoding))


def test_a_mark_of_byte_order_is_no_part_of_a_name(tmp_path):
    for name, content in {
        "t.csv": b"text,label\na b,x\nc d,y\n",
        "t.jsonl": b'{"text": "a b", "label": "x"}\n{"text": "c d", "label": "y"}\n',
        "t.json": b'[{"text": "a b", "label": "x"}, {"text": "c d", "label": "y"}]',
    }.items():
        put(tmp_path / name, b"\xef\xbb\xbf" + content)
        data = open_dataset(tmp_path / name, classes=("x", "y"))
        assert (data.inputs, classes_read(data)) == (("text",), ["x", "y"])


ODD_VALUES = {
    "above 63 bits": [12345678901234567890, 1],
    "far above 64 bits": [10**30, -(10**30)],
    "half a character": ["cut \ud83d", "whole"],
    "several types": [1, "x", None, True, [1], {"a": 1}],
    "no one shape": [{"a": 1}, {"a": "x"}, {"b": []}],
    "dates": ["2020-01-01T00:00:00", "2020-01-02T00:00:00"],
    "NaN": [float("nan"), 1.5],
}


@pytest.mark.parametrize("kind", ODD_VALUES)
@pytest.mark.parametrize("form", ["lines", "list", "in an object"])
def test_json_values_that_no_column_holds_come_along(kind, form, tmp_path):
    rows = [{"odd": ODD_VALUES[kind][i % len(ODD_VALUES[kind])], "text": f"a {i}", "label": i % 2} for i in range(12)]
    if form == "lines":
        file = records(tmp_path, *rows)
    else:
        whole = rows if form == "list" else {"version": "1", "data": rows}
        file = lines(tmp_path, json.dumps(whole, indent=1), name="t.json")
    data = open_dataset(file)
    assert texts(data) == [f"a {i}" for i in range(12)]
    out = export(data, half(data), tmp_path / f"out{file.suffix}")
    text = out.read_text()
    back = [json.loads(line) for line in text.splitlines()] if form == "lines" else json.loads(text)
    back = back["data"] if form == "in an object" else back
    assert json.dumps(back) == json.dumps(rows[::2])
    assert texts(open_dataset(out, classes=("0", "1"))) == [f"a {i}" for i in range(0, 12, 2)]


def test_json_that_is_no_list_of_examples_is_refused(tmp_path):
    columns = {"text": ["a", "b"], "label": [0, 1, 2]}
    assert "expected one list" in refused(lines(tmp_path, json.dumps(columns, indent=1), name="t.json"))
    two = {"train": [{"text": "a"}], "test": [{"text": "b"}]}
    assert "with 2 lists of objects" in refused(lines(tmp_path, json.dumps(two), name="t.json"))
    for form in ("split", "index"):
        other = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]}).to_json(orient=form)
        assert f"with orient='{form}'" in refused(lines(tmp_path, other, name="t.json"))
    assert "what follows member 1 is none" in refused(lines(tmp_path, '[{"text": "a"}, {"text": ', name="t.json"))


def test_classes_of_one_example_open(tmp_path):
    data = open_dataset(lines(tmp_path, "text,label", *(f"a {i},{'x' if i < 6 else 'y'}" for i in range(7))))
    assert np.bincount(data.label).tolist() == [6, 1]
    named = lines(tmp_path, "text,label", *(f"a {i},name {i}" for i in range(7)))
    assert "such a column names examples and not classes" in refused(named)


cell = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=8)
number = st.one_of(st.integers(-(10**6), 10**6).map(str), st.floats(-1e6, 1e6).map(lambda x: f"{x:.3f}"), st.just(""))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(cell, number, st.sampled_from(["cat", "01", "1", "NA", "2020"])), min_size=2, max_size=8),
    separator=st.sampled_from([",", ";", "\t"]), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)  # fmt: skip
def test_a_csv_has_the_rows_that_pandas_reads(rows, separator, quoting, tmp_path_factory):
    at = tmp_path_factory.mktemp("csv")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=separator, quoting=quoting, lineterminator="\n")
    writer.writerow(["text", "n", "label"])
    writer.writerows(rows)
    put(at / "t.csv", buffer.getvalue().encode())
    oracle = pd.read_csv(io.StringIO(buffer.getvalue()), sep=separator, dtype=str, keep_default_na=False)
    table = csv_table(at / "t.csv")
    assert table["label"].to_pylist() == oracle["label"].tolist()
    assert [str(one) for one in table["text"].cast("string").to_pylist()] == oracle["text"].tolist() or not (
        table["text"].type.equals("string")
    )
    values = pd.to_numeric(oracle["n"])
    read = np.array([np.nan if one is None else one for one in table["n"].to_pylist()], float)
    np.testing.assert_allclose(read, values.to_numpy(float))


value = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.text(max_size=4))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), value), min_size=2, max_size=8),
    form=st.sampled_from(["lines", "list", "indented"]), data=st.data(),
)  # fmt: skip
def test_any_json_comes_back_as_it_was(rows, form, data, tmp_path_factory):
    at = tmp_path_factory.mktemp("json")
    rows = [{**row, "text": f"t {i}", "label": i % 2} for i, row in enumerate(rows)]
    if form == "lines":
        content = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        content = json.dumps(rows, indent=2 if form == "indented" else None)
    file = at / ("t.jsonl" if form == "lines" else "t.json")
    put(file, content.encode())
    opened = open_dataset(file, classes=("0", "1"))
    assert opened.rows["text"][:] == [row["text"] for row in rows]
    index = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1)))
    out = export(opened, Subset(np.array(index), len(rows), key=opened.key), at / f"out{file.suffix}").read_text()
    back = [json.loads(line) for line in out.splitlines()] if form == "lines" else json.loads(out)
    assert json.dumps(back) == json.dumps([rows[i] for i in index])


def test_figures_beside_rows_are_no_dataset(tmp_path):
    from sources import encoded

    for i, place in enumerate(["assets/0.png", "assets/1.png", "figures/0.png", "plot.png"]):
        put(tmp_path / "csv" / place, encoded(i))
        put(tmp_path / "jsonl" / place, encoded(i))
        put(tmp_path / "images" / f"{'ab'[i % 2]}/{i}.png", encoded(i))
    lines(tmp_path / "csv" / "data", "text,label", *(f"a b {i},{i % 2}" for i in range(9)), name="train.csv")
    records(tmp_path / "jsonl", *({"text": f"a b {i}", "label": i % 2} for i in range(9)), name="all.jsonl")
    lines(tmp_path / "images", "label,colour", "a,red", "b,blue", name="legend.csv")
    for name in ("csv", "jsonl"):
        data = open_dataset(tmp_path / name)
        assert (data.kind, len(data)) == ("text", 9)
        out = export(data, half(data), tmp_path / f"{name}-out")
        assert sorted(path.name for path in out.rglob("*.png")) == ["0.png", "0.png", "1.png", "plot.png"]
    assert open_dataset(tmp_path / "images").classes == ("a", "b")
    lines(tmp_path / "images", "label,colour", *(f"{'ab'[i % 2]},shade {i}" for i in range(4)), name="legend.csv")
    assert "say which of them is the dataset" in refused(tmp_path / "images")
    assert open_dataset(tmp_path / "images", kind="image").kind == "image"


def test_arrow_files_and_feather_are_read_and_written(tmp_path):
    import pyarrow as pa

    table = pa.table({"text": [f"a {i}" for i in range(8)], "label": [0, 1] * 4})
    pd.DataFrame(table.to_pydict()).to_feather(tmp_path / "t.feather")
    with pa.ipc.new_stream(str(tmp_path / "t.arrow"), table.schema) as writer:
        writer.write_table(table)
    for name, reader in (("t.feather", pa.ipc.open_file), ("t.arrow", pa.ipc.open_stream)):
        data = open_dataset(tmp_path / name)
        out = export(data, half(data), tmp_path / f"out.{name}")
        assert reader(str(out)).read_all()["text"].to_pylist() == ["a 0", "a 2", "a 4", "a 6"]
    put(tmp_path / "cut.arrow", b"ARROW1")
    assert "is no Arrow file" in refused(tmp_path / "cut.arrow")


def test_columns_without_values_and_second_labels_are_no_inputs(tmp_path):
    rows = [f"{i * 0.5},{i * i},{i % 2}," for i in range(12)]
    assert open_dataset(lines(tmp_path, "a,b,label,", *rows)).inputs == ("a", "b")
    assert "Label, label could all be it" in refused(
        lines(tmp_path, "Label,label,x", *(f"{i % 2},{i % 3},w" for i in range(9)))
    )
    put(tmp_path / "with" / "config.json", b"{}")
    lines(tmp_path / "with", "text,label", *(f"a {i},{i % 2}" for i in range(6)), name="train.csv")
    assert len(open_dataset(tmp_path / "with")) == 6


def test_nan_among_texts_of_json_is_a_missing_value(tmp_path):
    rows = [{"text": f"words {i}", "label": "ab"[i % 2]} for i in range(8)]
    records(tmp_path, *rows[:-1], {"text": "words", "label": float("nan")}, name="l.jsonl")
    assert "1 of 8 examples have no label" in refused(tmp_path / "l.jsonl")
    records(tmp_path, *rows[:-1], {"text": float("nan"), "label": "a"}, name="t.jsonl")
    assert "row 7: there is no text" in refused(tmp_path / "t.jsonl")
