"""Data sets in local folders, laid out as on the Hub; nothing is downloaded."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mtkit.config.sources import HuggingFaceSource
from mtkit.data.readers import read_pairs, source_files, source_name
from mtkit.errors import InputError

ROWS = [{"translation": {"en": f"text {n}\u2028", "fr": f"texte {n}"}} for n in range(5)]
README = """---
configs:
- config_name: de-en
  data_files:
  - {split: train, path: de-en/train-*}
- config_name: fr-en
  data_files:
  - {split: train, path: fr-en/train-*}
  - {split: validation, path: fr-en/validation-*}
---
"""


def texts(source: HuggingFaceSource) -> list[tuple[str, str]]:
    return [(pair.src, pair.tgt) for pair in read_pairs(source, "en", "fr")]


EXPECTED = [(row["translation"]["en"], row["translation"]["fr"]) for row in ROWS]


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package, with its cache in a folder of the test."""
    module = pytest.importorskip("datasets")
    monkeypatch.setattr(module.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return module


@pytest.fixture
def wmt14(tmp_path: Path, datasets: Any) -> Path:
    """A folder laid out as wmt/wmt14 is, in parquet."""
    folder = tmp_path / "wmt14"
    for pair in ("de-en", "fr-en"):
        (folder / pair).mkdir(parents=True)
    (folder / "README.md").write_text(README)
    for name, rows in (("train-00000-of-00002", ROWS[:3]), ("train-00001-of-00002", ROWS[3:])):
        datasets.Dataset.from_list(rows).to_parquet(folder / "fr-en" / f"{name}.parquet")
    datasets.Dataset.from_list(ROWS[:1]).to_parquet(folder / "de-en" / "train-00000-of-00001.parquet")
    datasets.Dataset.from_list(ROWS[:1]).to_parquet(folder / "fr-en" / "validation-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("streaming", [True, False])
def test_the_layout_of_wmt14_in_parquet(wmt14: Path, streaming: bool) -> None:
    source = HuggingFaceSource(reader="huggingface", path=wmt14, config="fr-en", streaming=streaming)
    assert texts(source) == EXPECTED
    assert next(read_pairs(source, "en", "fr")).origin == f"{wmt14}:train:1"
    assert source_name(source) == "wmt14 fr-en train"
    assert len(source_files(source)) == 5
    assert texts(source.model_copy(update={"split": "validation"})) == EXPECTED[:1]


def test_columns_and_scores_in_jsonl(tmp_path: Path, datasets: Any) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [{"a": {"b": en}, "fr": fr, "score": 0.5} for en, fr in EXPECTED]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = HuggingFaceSource(
        reader="huggingface",
        path=folder,
        split="test",
        src_column="a.b",
        tgt_column="fr",
        score_column="score",
    )
    assert texts(source) == EXPECTED
    assert {pair.score for pair in read_pairs(source, "en", "fr")} == {0.5}


def test_what_save_to_disk_wrote(tmp_path: Path, datasets: Any) -> None:
    data = datasets.Dataset.from_list(ROWS)
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": data.select([0]), "test": data}).save_to_disk(tmp_path / "many")
    assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "one")) == EXPECTED
    assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "many", split="test")) == EXPECTED


def test_a_wrong_split_config_or_folder_is_named(wmt14: Path) -> None:
    right = HuggingFaceSource(reader="huggingface", path=wmt14, config="fr-en")
    for wrong in ({"split": "tset"}, {"config": "xx"}):
        with pytest.raises(InputError, match=f"{wmt14}: cannot be read: .*") as caught:
            texts(right.model_copy(update=wrong))
        assert caught.value.exit_code == 3
    with pytest.raises(InputError, match="none: there is no such folder"):
        texts(right.model_copy(update={"path": wmt14 / "none"}))


@pytest.mark.parametrize("streaming", [True, False])
def test_what_is_asked_of_the_hub(streaming: bool, monkeypatch: pytest.MonkeyPatch, datasets: Any) -> None:
    asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def load_dataset(*args: Any, **options: Any) -> Any:
        asked.append((args, options))
        inspect.signature(real).bind(*args, **options)  # or a TypeError, as the real one would raise
        return iter(ROWS)

    real = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = HuggingFaceSource(
        reader="huggingface", name="wmt/wmt14", revision="b199e40", config="fr-en", streaming=streaming
    )
    assert texts(source) == EXPECTED
    assert next(read_pairs(source, "en", "fr")).origin == "wmt/wmt14:train:1"
    assert asked[0] == (
        ("wmt/wmt14", "fr-en"),
        {"split": "train", "revision": "b199e40", "streaming": streaming},  # and no trust_remote_code
    )


def test_code_in_a_folder_is_not_run(tmp_path: Path, datasets: Any) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError, match="evil: cannot be read"):
        texts(HuggingFaceSource(reader="huggingface", path=folder))
    assert not (tmp_path / "ran").exists()


def test_without_datasets_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match="reading data sets needs datasets") as caught:
        texts(HuggingFaceSource(reader="huggingface", path=tmp_path))
    assert "mtkit[hub]" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "path or name must be given"),
        ({"path": "/x", "name": "a/b", "revision": "c"}, "path or name must be given"),
        ({"name": "a/b"}, "revision is missing"),
        ({"path": "/x", "revision": "c"}, "revision belongs to name"),
    ],
)
def test_the_place_of_a_data_set_is_one_and_pinned(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HuggingFaceSource.model_validate_json(json.dumps({"reader": "huggingface", **options}))
