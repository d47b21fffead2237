"""A subset on the Hub: an index into a revision of its source, read back by `datasets`, uploaded by its own client."""

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import datasets
import numpy as np
import pytest

import datapare as dp
from datapare.reporting.hub import push_to_hub, write_hub_folder

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def source():
    rng = np.random.default_rng(0)
    return datasets.Dataset.from_dict(
        {
            "text": [f"example {number}" for number in rng.permutation(40)],
            "label": ["cat", "dog"] * 20,
        }
    )


@pytest.fixture
def subset():
    return dp.Subset(np.array([3, 8, 21]), 40, provenance=dp.Provenance("select", "beta", {"keep": 3}, 7))


def test_the_code_of_the_card_loads_the_kept_examples(source, subset, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "me" / "small"
    folder.mkdir(parents=True)
    data = dp.open_dataset(source)
    write_hub_folder(data, subset, folder, repo_id="me/small", source="org/pets", revision=SHA)
    card = (folder / "README.md").read_text()
    assert "select beta" in card
    assert "source_datasets:\n- org/pets" in card
    code = re.search(r"```python\n(.*?)```", card, flags=re.DOTALL)[1]
    asked = []

    def load_dataset(name, *, split, revision=None):
        """Read a repository that lies in a folder of its name; the source is at hand."""
        asked.append((name, revision))
        if name == "org/pets":
            return source
        return datasets.load_dataset(str(tmp_path / name), split=split)

    held = {}
    exec(code.replace("from datasets import load_dataset", ""), {"load_dataset": load_dataset}, held)  # noqa: S102
    assert held["smaller"]["text"][:] == [source["text"][i] for i in (3, 8, 21)]
    assert asked == [("me/small", None), ("org/pets", SHA)]
    assert np.array_equal(dp.load(folder / "subset").index, subset.index)
    assert json.loads((folder / "source.json").read_text())["revision"] == SHA


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's interface as an upload of small files uses."""

    def log_message(self, *_):
        pass

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"id": "org/pets", "sha": SHA, "siblings": [], "tags": [], "private": False, "downloads": 0})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = self.server.address
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self.answer({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines() if line]
            self.server.files.update(
                {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
            )
            self.answer({"success": True, "commitOid": SHA, "commitUrl": f"{place}/datasets/me/small/commit/{SHA}"})
        else:
            self.answer({"url": f"{place}/datasets/me/small", "name": "me/small", "id": "me/small"})


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.address, server.files = f"http://127.0.0.1:{server.server_port}", {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_hubs_client_uploads_the_index_and_the_revision_of_the_source(source, subset, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    address = push_to_hub(dp.open_dataset(source), subset, "me/small", source="org/pets", endpoint=hub.address)
    assert address.endswith(SHA)
    assert {"README.md", "index.parquet", "source.json", "subset/meta.json"} <= hub.files.keys()
    assert json.loads(hub.files["source.json"])["revision"] == SHA


def test_a_name_that_is_no_repository_and_a_foreign_subset_are_refused(source, subset, tmp_path):
    data = dp.open_dataset(source)
    with pytest.raises(dp.InputError, match="expected a repository as ORG/NAME, got 'small'"):
        push_to_hub(data, subset, "small")
    with pytest.raises(dp.DatapareError, match="expected a subset of 40 examples, got one of 5"):
        write_hub_folder(data, dp.Subset([0], 5), tmp_path, repo_id="me/small")
