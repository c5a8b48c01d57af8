"""Several references of each sentence, by every reader that can have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.inputs import record_inputs, settings_of
from mtkit.data.prepare.prepared import read_test
from mtkit.errors import ConfigError, InputError

ROWS = [("a cat", "un chat", "le chat", "un matou"), ("a dog", "un chien", "le chien", "un toutou")]
NAMES = ("en", "fr", "fr2", "fr3")


def write_all(folder: Path) -> None:
    for name, texts in zip(NAMES, zip(*ROWS, strict=True), strict=True):
        (folder / f"t.{name}").write_text("".join(f"{text}\n" for text in texts), "utf-8")
    (folder / "t.tsv").write_text("".join("\t".join([*row, "0.5"]) + "\n" for row in ROWS), "utf-8")
    (folder / "t.csv").write_text("\n".join(",".join(row) for row in [NAMES, *ROWS]) + "\n", "utf-8")
    objects = [{"en": row[0], "all": {"fr": row[1], "more": list(row[2:])}} for row in ROWS]
    (folder / "t.jsonl").write_text("".join(json.dumps(each) + "\n" for each in objects), "utf-8")
    (folder / "set").mkdir()
    (folder / "set" / "train.jsonl").write_bytes((folder / "t.jsonl").read_bytes())


SOURCES = {
    "plain": "{reader: plain, src: t.en, tgt: [t.fr, t.fr2, t.fr3]}",
    "plain, refs": "{reader: plain, src: t.en, tgt: t.fr, refs: [t.fr2, t.fr3]}",
    "tsv": "{reader: tsv, path: t.tsv, tgt_column: [2, 3, 4], score_column: 5}",
    "tsv, refs": "{reader: tsv, path: t.tsv, refs: [3, 4]}",
    "csv": "{reader: csv, path: t.csv, src_column: en, tgt_column: [fr, fr2, fr3]}",
    "csv by number": "{reader: csv, path: t.csv, tgt_column: [2, 3, 4], header: true}",
    "csv, only the reference by name": "{reader: csv, path: t.csv, refs: [fr2, fr3]}",
    "jsonl": "{reader: jsonl, path: t.jsonl, src_field: en, tgt_field: [all.fr, all.more.0, all.more.1]}",
    "huggingface": "{reader: huggingface, path: set, src_column: en, "
    "tgt_column: [all.fr, all.more.0, all.more.1]}",
}


def load(folder: Path, test: str, more: str = "") -> Config:
    path = folder / "c.yaml"
    path.write_text(
        "run: run\ndata:\n  src_lang: en\n  tgt_lang: fr\n"
        f"  train: [{{reader: phrasebook}}]\n  valid: {{reader: phrasebook}}\n  test: {{t: {test}}}\n{more}"
    )
    return load_config([path]).config


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_each_reference_is_read(source: str, tmp_path: Path) -> None:
    write_all(tmp_path)
    pairs = read_test(load(tmp_path, source), "t")
    assert [(pair.src, pair.tgt, *pair.refs) for pair in pairs] == ROWS


def test_references_are_one_line_each(tmp_path: Path) -> None:
    record = {"en": "a", "fr": ["b", "c \n d"]}
    (tmp_path / "t.jsonl").write_text(json.dumps(record) + "\n")
    config = load(tmp_path, "{reader: jsonl, path: t.jsonl, src_field: en, tgt_field: [fr.0, fr.1]}")
    [pair] = read_test(config, "t")
    assert pair.refs == ("c d",)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{reader: tsv, path: t.tsv, tgt_column: [2, 9]}", "expected at least 9 columns"),
        ("{reader: csv, path: t.csv, refs: [fr9]}", "there is no column fr9"),
        ("{reader: jsonl, path: t.jsonl, src_field: en, tgt_field: [all.fr, no]}", "there is no field no"),
        ("{reader: plain, src: t.en, tgt: [t.fr, short]}", "has 2 lines, but"),
        ("{reader: plain, src: t.en, tgt: [t.fr, gone]}", "there is no such file"),
    ],
)
def test_a_missing_reference_is_named(source: str, message: str, tmp_path: Path) -> None:
    write_all(tmp_path)
    (tmp_path / "short").write_text("x\n")
    with pytest.raises(InputError, match=message):
        read_test(load(tmp_path, source), "t")


REFUSED = {
    "train": "train: [{reader: tsv, path: t.tsv, refs: [3]}]",
    "valid": "valid: {reader: jsonl, path: t.jsonl, refs: [x]}",
    "extra": "extra_valid: {more: {reader: csv, path: t.csv, refs: [3]}}",
}


@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED)
def test_only_test_sets_have_several(options: str, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(f"data: {{{options}}}\n")
    load(tmp_path, "{reader: phrasebook}")
    with pytest.raises(ConfigError, match="only test sets can have several references"):
        load_config([tmp_path / "c.yaml", tmp_path / "more.yaml"])


def test_they_cannot_be_reversed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"test\.t\.refs cannot be combined with reverse"):
        load(tmp_path, "{reader: tsv, path: t.tsv, tgt_column: [2, 3], reverse: true}")


def test_prepared_data_depend_on_them(tmp_path: Path) -> None:
    write_all(tmp_path)
    one, two = (load(tmp_path, f"{{reader: tsv, path: t.tsv, tgt_column: {c}}}") for c in ("2", "[2, 3]"))
    assert settings_of(one) != settings_of(two)
    assert "refs" not in settings_of(one)["test"][0]  # as before there were any
    plain: list[dict[str, Any]] = record_inputs(load(tmp_path, SOURCES["plain"]))
    assert [Path(each["path"]).name for each in plain][-4:] == ["t.en", "t.fr", "t.fr2", "t.fr3"]
