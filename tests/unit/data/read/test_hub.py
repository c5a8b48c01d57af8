"""Data sets in local folders, laid out as on the Hub; nothing is downloaded."""

from __future__ import annotations

import bz2
import gzip
import inspect
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mtkit.config.sources import HuggingFaceSource
from mtkit.data.read.readers import read_pairs, source_files, source_name
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
    rows = [
        {"a": {"b": en}, "fr": fr, "score": 0.5, "doc": {"id": 7}, "genre": "news"} for en, fr in EXPECTED
    ]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = HuggingFaceSource(
        reader="huggingface",
        path=folder,
        split="test",
        src_column="a.b",
        tgt_column="fr",
        score_column="score",
        domain_column="genre",
        document_column="doc.id",
    )
    assert texts(source) == EXPECTED
    labels = {(pair.score, pair.domain, pair.document) for pair in read_pairs(source, "en", "fr")}
    assert labels == {(0.5, "news", "7")}


def test_what_save_to_disk_wrote(tmp_path: Path, datasets: Any) -> None:
    data = datasets.Dataset.from_list(ROWS)
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": data.select([0]), "test": data}).save_to_disk(tmp_path / "many")
    assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "one")) == EXPECTED
    assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "many", split="test")) == EXPECTED


def test_a_wrong_split_config_or_folder_is_named(wmt14: Path) -> None:
    right = HuggingFaceSource(reader="huggingface", path=wmt14, config="fr-en")
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"split": "tset"}, "has no split tset; it has train, validation."),
        ({"config": "xx"}, "has no configuration xx; it has de-en, fr-en."),
        ({"config": None}, "has no configuration default; it has de-en, fr-en."),
    ]
    for wrong, message in wrongs:
        with pytest.raises(InputError, match=f"{wmt14}: {message}") as caught:
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
    with pytest.raises(InputError, match="evil: has no split train; it has none"):
        texts(HuggingFaceSource(reader="huggingface", path=folder))
    assert not (tmp_path / "ran").exists()


def test_datasets_is_imported_only_for_a_source_on_the_hub() -> None:
    code = "import sys, mtkit.data.read.readers; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "path or name must be given"),
        ({"path": "/x", "name": "a/b", "revision": "c"}, "path or name must be given"),
        ({"name": "a/b"}, "revision is missing"),
        ({"path": "/x", "revision": "c"}, "revision requires name"),
    ],
)
def test_the_place_of_a_data_set_is_one_and_pinned(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HuggingFaceSource.model_validate_json(json.dumps({"reader": "huggingface", **options}))


SECRET = [{"translation": {"en": "secret", "fr": "secret"}}]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def card(folder: Path, paths: str) -> None:
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files: {paths}\n---\n")


@pytest.mark.parametrize(
    "paths",
    [
        "../secret/*.jsonl",
        "SECRET/train.jsonl",
        "[{split: train, path: [../secret/train.jsonl]}]",
        "http://127.0.0.1:{port}/train.jsonl",
        "{split: train, path: 'zip://train.jsonl::http://127.0.0.1:{port}/a.zip'}",
        "hf://datasets/a/b/train.jsonl",
        "a/../../secret/train.jsonl",
    ],
)
def test_a_data_set_reads_no_file_outside_and_opens_no_connection(paths: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "secret" / "train.jsonl", SECRET)
    write_rows(tmp_path / "set" / "train.jsonl", ROWS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = str(server.getsockname()[1])
        card(tmp_path / "set", paths.replace("SECRET", str(tmp_path / "secret")).replace("{port}", port))
        with pytest.raises(InputError, match="lists files outside the dataset, which are not read"):
            texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "set"))
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("what", ["file", "folder", "card", "shard"])
def test_a_link_out_of_a_data_set_is_refused(what: str, tmp_path: Path, datasets: Any) -> None:
    write_rows(tmp_path / "secret" / "train.jsonl", SECRET)
    folder = tmp_path / "set"
    write_rows(folder / "train.jsonl", ROWS)
    link, target = folder / "train-1.jsonl", tmp_path / "secret" / "train.jsonl"
    if what == "folder":
        link, target = folder / "data", tmp_path / "secret"
    elif what == "card":
        link = folder / "README.md"
    elif what == "shard":
        datasets.Dataset.from_list(SECRET).save_to_disk(tmp_path / "saved")
        datasets.Dataset.from_list(ROWS).save_to_disk(folder)
        link, target = folder / "data-1.arrow", tmp_path / "saved" / "data-00000-of-00001.arrow"
    link.symlink_to(target)
    source = HuggingFaceSource(reader="huggingface", path=folder)
    for read in (texts, source_files):
        with pytest.raises(InputError, match=f"{link}: is a link to a place outside the dataset"):
            read(source)


def test_a_link_inside_a_data_set_is_followed(tmp_path: Path) -> None:
    write_rows(tmp_path / "set" / "kept" / "rows.jsonl", ROWS)
    card(tmp_path / "set", "train.jsonl")
    (tmp_path / "set" / "train.jsonl").symlink_to(Path("kept", "rows.jsonl"))
    assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "set")) == EXPECTED


def test_what_save_to_disk_is_said_to_have_written_elsewhere_is_not_read(
    tmp_path: Path, datasets: Any
) -> None:
    datasets.Dataset.from_list(SECRET).save_to_disk(tmp_path / "secret")
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "set")
    state = tmp_path / "set" / "state.json"
    state.write_text(state.read_text().replace('"data-', '"../secret/data-'))
    assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "set")) == EXPECTED


def test_a_picture_in_a_row_is_not_fetched(tmp_path: Path, datasets: Any) -> None:
    """Its feature would have `datasets` open the path that the row gives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.png"
        rows = [{**row, "image": {"path": address, "bytes": None}} for row in ROWS]
        data = datasets.Dataset.from_list(rows)
        metadata = {"info": {"features": {"image": {"_type": "Image"}}}}
        table = data.data.table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
        (tmp_path / "set").mkdir()
        pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "set" / "train.parquet")
        assert texts(HuggingFaceSource(reader="huggingface", path=tmp_path / "set")) == EXPECTED
        with pytest.raises(BlockingIOError):
            server.accept()


NAMES = [
    ({"data/train-00000-of-00001.jsonl", "data/new-00000-of-00001.jsonl"}, {"train", "new"}),
    ({"train/a.jsonl", "valid/a.jsonl", "test-set/a.jsonl"}, {"train", "validation", "test"}),
    ({"my_train.jsonl", "train.jsonl", "x-dev.jsonl", "eval.1.jsonl"}, {"train", "validation", "test"}),
    ({"a.jsonl", "b/c.jsonl"}, {"train"}),
    ({"strain.jsonl", "tests.jsonl"}, {"train"}),
    ({"train.csv", "valid.jsonl", "train-2.jsonl"}, {"train", "validation"}),
]


@pytest.mark.parametrize(("names", "splits"), NAMES)
def test_splits_are_found_by_name_as_datasets_finds_them(
    names: set[str], splits: set[str], tmp_path: Path, datasets: Any
) -> None:
    folder = tmp_path / "set"
    for name in sorted(names):
        row = {"en": name, "fr": "x"}
        write_rows(folder / name, [row])
        if name.endswith(".csv"):
            (folder / name).write_text(f"en,fr\n{name},x\n")
    expected = datasets.load_dataset(str(folder))
    assert set(expected) == splits
    for split in splits:
        source = HuggingFaceSource(
            reader="huggingface", path=folder, split=split, src_column="en", tgt_column="fr"
        )
        assert sorted(texts(source)) == sorted((row["en"], row["fr"]) for row in expected[split])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", b'en,fr\n"a, b",1\nc,d\n'),
        ("train.tsv.gz", gzip.compress(b'en\tfr\n"a, b"\t1\nc\td\n', mtime=0)),
        ("train.json", b'[{"en": "a, b", "fr": "1"},\n {"en": "c", "fr": "d"}]'),
        ("train.ndjson.bz2", bz2.compress(b'{"en": "a, b", "fr": "1"}\n{"en": "c", "fr": "d"}\n')),
    ],
    ids=["csv", "tsv.gz", "json", "ndjson.bz2"],
)
def test_rows_of_each_kind_of_text_file(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    source = HuggingFaceSource(reader="huggingface", path=tmp_path, src_column="en", tgt_column="fr")
    assert texts(source) == [("a, b", "1"), ("c", "d")]
