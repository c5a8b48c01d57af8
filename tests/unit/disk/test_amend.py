from __future__ import annotations

from pathlib import Path

import pytest

from mtkit.disk.amend import add_file
from mtkit.disk.files import atomic_folder, new_file
from mtkit.disk.manifest import MANIFEST, read_manifest
from mtkit.errors import InputError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "made"
    with atomic_folder(path, {"format": "mtkit-test", "version": 3, "about": ["x", 1]}) as new:
        for name in ("large", "small"):
            with new_file(new / name) as file:
                file.write(name.encode() * 1000)
    return path


def test_a_file_is_added_and_replaced_and_all_else_stays(folder: Path) -> None:
    for content in (b"one", b"another"):
        add_file(folder, "added.json", content)
        manifest = read_manifest(folder, "mtkit-test", 3)
        assert manifest["about"] == ["x", 1]
        assert sorted(manifest["files"]) == ["added.json", "large", "small"]
        assert (folder / "added.json").read_bytes() == content
        assert (folder / "large").read_bytes() == b"large" * 1000
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


def test_a_damaged_folder_is_refused_and_stays(folder: Path) -> None:
    (folder / "large").write_bytes(b"LARGE" * 1000)
    with pytest.raises(InputError, match="has changed"):
        add_file(folder, "added.json", b"")
    assert not (folder / "added.json").exists()


def test_files_of_others_are_not_lost(folder: Path) -> None:
    (folder / "mine").write_text("")
    with pytest.raises(UsageError):
        add_file(folder, "added.json", b"")
    assert (folder / "mine").exists()


def test_a_folder_without_a_manifest_is_refused(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(InputError, match="there is no manifest"):
        add_file(folder, "added.json", b"")
