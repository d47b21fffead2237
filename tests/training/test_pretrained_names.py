"""A pretrained network that cannot be had is refused at once, before anything is opened, in one sentence."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import numpy as np
import pytest
from shell import run

import datapare as dp

pytest.importorskip("transformers")
NOWHERE = "http://127.0.0.1:9"  # a port on which nothing listens


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch, tmp_path):
    """No cache, no network, and whoever waits to ask again fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waits {seconds} s to ask again"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", NOWHERE)
    np.savez("points.npz", x=np.eye(4, dtype=np.float32), y=[0, 1, 0, 1])


@pytest.fixture
def hub(monkeypatch):
    """A hub that has no model of any name; what it was asked."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps({"error": "Repository not found"}).encode()
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - as the server calls it

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


NAMES = ("transformers:nobody/nothing", "transformers:nothing-at-all", "timm/nothing.in1k")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", [("record", "no data"), ("prune", "no data", "--keep", 0.5)])
def test_out_of_reach(verb, name, capsys):
    code, told, complaint = run(capsys, *verb, "--model", name)
    assert (code, told) == (2, "")
    backbone = name.removeprefix("transformers:")
    assert complaint == (
        f"datapare: there is no folder {backbone!r}, no model of that name was downloaded before, and the Hugging Face "
        "hub is out of reach; check the spelling and the connection.\n"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_that_has_none_of_that_name_is_asked_once(name, hub, capsys):
    code, told, complaint = run(capsys, "record", "no data", "--model", name)
    assert (code, told) == (2, "")
    assert "the Hugging Face hub gives no model of that name; check the spelling" in complaint
    assert len(hub) == 1


@pytest.mark.parametrize("name", ["transformers:../no/such/folder", "transformers:a b", "nosuch.module:make"])
def test_what_is_no_name_at_all(name, capsys):
    code, told, complaint = run(capsys, "record", "no data", "--model", name)
    assert (code, told, complaint.count("\n")) == (2, "", 1)


def test_offline_mode_asks_nobody(monkeypatch, capsys, hub):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    code, _, complaint = run(capsys, "record", "no data", "--model", "transformers:nobody/nothing")
    assert (code, hub) == (2, [])
    assert "no model of that name was downloaded before" in complaint


@pytest.mark.parametrize("verb", [dp.record, lambda data, model: dp.compare(data, dp.Subset([0], 4), model=model)])
def test_python_refuses_it_too(verb):
    with pytest.raises(dp.InputError, match="out of reach"):
        verb("points.npz", model="transformers:nobody/nothing")
