"""`mtkit import`: a run folder that can be used, or exit 3 and nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import mtkit
from tests.support.foreign import write_opus

TEXT = "the cat sat on the mat.\nis it late, or early?\n"


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opus(tmp_path_factory.mktemp("opus"))


def test_an_imported_run_translates_and_is_exported(opus: Path, tmp_path: Path) -> None:
    done = mtkit("import", str(opus), "-o", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "--keep-vocabulary keeps them" in done.stderr
    assert "--tag fra" in done.stderr
    origin = json.loads((tmp_path / "run/model/origin.json").read_text("utf-8"))
    assert origin["licence"] == {"README.md": "license: cc-by-4.0"}
    assert {"config.json", "vocab.json", "source.spm", "target.spm", "model.safetensors"} <= {
        *origin["files"]
    }
    native = mtkit("translate", "-m", "run", "--engine", "native", "--tag", "fra", cwd=tmp_path, input=TEXT)
    assert native.returncode == 0, native.stderr
    assert native.stdout.count("\n") == 2
    done = mtkit("export", "run", "--to", "ctranslate2", "--quantization", "float32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    fast = mtkit(
        "translate", "-m", "run", "--engine", "ctranslate2", "--tag", "fra", cwd=tmp_path, input=TEXT
    )
    assert fast.stdout == native.stdout
    again = mtkit("import", str(opus), "-o", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert "there is a model in it" in again.stderr


def test_what_cannot_be_imported_leaves_nothing(opus: Path, tmp_path: Path) -> None:
    done = mtkit("import", ".", "-o", "run", cwd=tmp_path)
    assert done.returncode == 3
    assert "no known model" in done.stderr
    done = mtkit("import", str(opus), "-o", "run", "--src-lang", "?", cwd=tmp_path)
    assert done.returncode == 2
    assert "--src-lang: '?' is no language code" in done.stderr
    assert not [*tmp_path.iterdir()]
