"""What a manifest may list, and what is read of that."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mtkit.disk.files import atomic_folder
from mtkit.disk.manifest import MANIFEST, manifest_bytes, open_listed, read_listed, read_manifest, sha256
from mtkit.errors import InputError
from mtkit.model.checkpoint import load_model
from mtkit.runs.exports import export_of
from mtkit.runs.find import model_folder
from tests.support.fakes import make_tiny_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with atomic_folder(tmp_path / "f", {"format": "x", "version": 1}) as new:
        (new / "a").write_bytes(b"first")
        (new / "d").mkdir()
        (new / "d" / "b").write_bytes(b"second")
    return tmp_path / "f"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    del manifest["digest"]
    change(manifest["files"])
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


@pytest.mark.parametrize(
    "name", ["./a", "././a", "d/../a", "d//b", "d/./b", "./d/b", "d/b/", "a/", "/a", "", ".", "d\\b", "a\0"]
)
def test_a_name_has_one_spelling(folder: Path, name: str) -> None:
    rewrite(folder, lambda files: files.update({name: files["a"]}))
    with pytest.raises(InputError, match="is not the name of a file in this folder"):
        read_manifest(folder, "x", 1)


def test_a_file_of_many_names_is_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As hard links have them, or a file system that ignores case."""
    (folder / "a").write_bytes(bytes(1 << 22))
    entry = {"size": 1 << 22, "sha256": sha256(folder / "a")}
    names = [f"a{number}" for number in range(1_000)]
    for name in names:
        (folder / name).hardlink_to(folder / "a")
    rewrite(folder, lambda files: files.update(dict.fromkeys(["a", *names], entry)))
    begin = time.process_time()
    read_manifest(folder, "x", 1)
    assert time.process_time() - begin < 1  # 4 GiB take several times that


def test_a_listed_file_is_read_as_it_was_compared(folder: Path) -> None:
    manifest = read_manifest(folder, "x", 1, hashes=False)
    assert read_listed(folder, manifest, "d/b", 6) == b"second"
    with pytest.raises(InputError, match="6 bytes, expected at most 5"):
        read_listed(folder, manifest, "d/b", 5)
    with pytest.raises(InputError, match="lists no c"):
        read_listed(folder, manifest, "c", 5)
    with open_listed(folder, manifest, "a") as file:
        (folder / "other").write_bytes(b"other")
        (folder / "other").replace(folder / "a")
        assert file.read() == b"first"
    for read in (lambda: read_listed(folder, manifest, "a", 9), lambda: open_listed(folder, manifest, "a")):
        with pytest.raises(InputError, match="its content has changed since it was written"):
            read()


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_takes_the_place_of_a_file_is_neither_followed_nor_waited_for(folder: Path, kind: str) -> None:
    manifest = read_manifest(folder, "x", 1)
    (folder / "a").rename(folder.parent / "a")
    match kind:
        case "pipe":
            os.mkfifo(folder / "a")
        case "link":
            (folder / "a").symlink_to(folder.parent / "a")
        case "folder":
            (folder / "a").mkdir()
    for read in (lambda: read_listed(folder, manifest, "a", 9), lambda: open_listed(folder, manifest, "a")):
        with pytest.raises(InputError, match="is a link or not a regular file"):
            read()


def test_the_weights_that_were_compared_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is put in the place of tokenizer, config and weights once each has been compared."""
    make_tiny_run(tmp_path)
    model = tmp_path / "runs" / "tiny" / "model"
    expected = load_model(model)
    from mtkit.model import checkpoint

    def exchanging(read: Callable[..., Any]) -> Callable[..., Any]:
        def exchange(folder: Path, manifest: dict[str, Any], name: str, *args: Any) -> Any:
            found = read(folder, manifest, name, *args)
            (folder / name).unlink()
            os.mkfifo(folder / name)
            return found

        return exchange

    for name in ("read_listed", "open_listed"):
        monkeypatch.setattr(checkpoint, name, exchanging(getattr(checkpoint, name)))
    found = load_model(model)
    assert not any(path.is_file() for path in model.iterdir() if path.name not in (MANIFEST, ".mtkit"))
    assert found.config == expected.config
    assert found.tokenizer.fingerprint == expected.tokenizer.fingerprint
    for name, weight in expected.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], weight)


@pytest.mark.parametrize("name", ["model", "best", "best/step-00000001", "export", "export/ctranslate2"])
def test_no_link_leads_out_of_a_run(tmp_path: Path, name: str) -> None:
    make_tiny_run(tmp_path)
    run = tmp_path / "runs" / "tiny"
    if name != "model":
        (run / "model").rename(tmp_path / "aside")
    elsewhere = tmp_path / "elsewhere"
    place = run / name
    match name:
        case "model":
            place.rename(elsewhere)
        case "best":
            elsewhere.mkdir()
            (tmp_path / "aside").rename(elsewhere / "step-00000001")
        case "best/step-00000001":
            (tmp_path / "aside").rename(elsewhere)
        case _:
            made = elsewhere / "ctranslate2" if name == "export" else elsewhere
            made.mkdir(parents=True)
            (made / "model.bin").touch()
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(elsewhere)
    with pytest.raises(InputError, match=f"{name}: is a link, expected a folder"):
        model_folder(run)
    if name.startswith("export"):
        with pytest.raises(InputError, match=f"{name}: is a link, expected a folder"):
            export_of(run / "model")


def test_a_run_may_be_named_by_a_link(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    (tmp_path / "latest").symlink_to(tmp_path / "runs" / "tiny")
    (tmp_path / "mine").symlink_to(tmp_path / "runs" / "tiny" / "model")
    assert model_folder(tmp_path / "latest") == tmp_path / "latest" / "model"
    assert model_folder(tmp_path / "mine") == tmp_path / "mine"
