"""Models by name, from a hub on this machine that speaks as the real one does."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub.constants
import pytest

from mtkit.convert.hub_download import HubModel, download, hub_model
from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.errors import InputError, UsageError
from tests.support.foreign import write_opus

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "some/opus-mt-en-fr"


class Hub(ThreadingHTTPServer):
    """Serves one folder as the model `some/opus-mt-en-fr`; `asked` are the files that were fetched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, set[str]()
        super().__init__(("127.0.0.1", 0), Answers)


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        files = sorted(file for file in self.server.folder.iterdir() if file.is_file())
        if path == f"/api/models/{NAME}" or path.startswith(f"/api/models/{NAME}/revision/"):
            asked = path.partition("/revision/")[2] or "main"
            siblings = [{"rfilename": file.name, "size": file.stat().st_size} for file in files]
            known = asked in ("main", "v1", COMMIT)
            self.answer(200 if known else 404, json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}))
        elif path.startswith(f"/api/models/{NAME}/tree/{COMMIT}"):
            entries = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f.name} for f in files
            ]
            self.answer(200, json.dumps(entries))
        elif path.startswith(f"/{NAME}/resolve/{COMMIT}/"):
            content = (self.server.folder / path.rpartition("/")[2]).read_bytes()
            if self.command == "GET":
                self.server.asked.add(path.rpartition("/")[2])
            self.answer(200, content)
        else:
            self.answer(404, "{}")

    def answer(self, status: int, body: str | bytes) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opus(tmp_path_factory.mktemp("opus"))


@pytest.fixture
def hub(opus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = Path(shutil.copytree(opus, tmp_path / "served"))
    for name in ("README.md", "tf_model.h5", "pytorch_model.bin", "rust_model.ot"):
        (folder / name).write_bytes(b"license: cc-by-4.0\n")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", here)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        here + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("hf://a/b", HubModel("a/b")),
        ("hf://a/b@v1.0", HubModel("a/b", "v1.0")),
        ("hf://a-1/b.c_d@refs/pr/3", HubModel("a-1/b.c_d", "refs/pr/3")),
        ("a/b", None),
        ("./hf/a", None),
    ],
)
def test_names(source: str, found: HubModel | None) -> None:
    assert hub_model(source) == found
    assert found is None or str(found) == source


@pytest.mark.parametrize("source", ["hf://", "hf://a", "hf://a/b/c", "hf://a/b@", "hf:///b", "hf://a/b c"])
def test_what_is_no_name(source: str) -> None:
    with pytest.raises(UsageError, match="hf://OWNER/NAME"):
        hub_model(source)


def test_an_import_by_name(hub: Hub, tmp_path: Path) -> None:
    """The run tells name and commit, and only what is needed was fetched."""
    said: list[str] = []
    import_model(ImportRequest(f"hf://{NAME}", tmp_path / "run"), said.append)
    origin = json.loads((tmp_path / "run/model/origin.json").read_text("utf-8"))
    assert origin["source"] == f"hf://{NAME}@{COMMIT}"
    assert (
        origin["files"]["source.spm"] == hashlib.sha256((hub.folder / "source.spm").read_bytes()).hexdigest()
    )
    assert {"model.safetensors", "config.json", "vocab.json", "README.md"} <= hub.asked
    assert not {"tf_model.h5", "pytorch_model.bin", "rust_model.ot"} & hub.asked
    assert said[0].startswith(f"hf://{NAME}: ")
    assert COMMIT in said[0]


def test_without_the_network_the_cache_is_used_and_that_is_said(hub: Hub, tmp_path: Path) -> None:
    first, commit = download(HubModel(NAME, "v1"), lambda _: None)
    hub.shutdown()
    hub.server_close()
    said: list[str] = []
    assert download(HubModel(NAME, COMMIT), said.append) == (first, commit)
    assert "cannot be reached" in said[0]
    with pytest.raises(InputError, match=r"hf://some/other: cannot be asked for"):
        download(HubModel("some/other"), said.append)


def test_a_model_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"hf://some/thing: cannot be asked for"):
        import_model(ImportRequest("hf://some/thing", tmp_path / "run"), lambda _: None)
    assert not (tmp_path / "run").exists()
    for path in hub.folder.iterdir():
        path.unlink()
    (hub.folder / "tf_model.h5").touch()
    with pytest.raises(InputError, match="no files of a model"):
        download(HubModel(NAME), lambda _: None)
