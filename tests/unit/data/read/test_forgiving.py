"""Files that are almost what their reader expects: read as they were meant, or refused with what to write."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.config.sources import CsvSource, JsonlSource, MonoSource, PlainSource, PoSource, Source, TsvSource
from mtkit.data.read.readers import read_pairs
from mtkit.data.read.repairs import Repairs
from mtkit.errors import ConfigError, InputError

PAIRS = [(f"The house has {n} doors.", f"La maison a {n} portes, déjà.") for n in range(20)]


def read(source: Source, langs: tuple[str, str] = ("en", "fr")) -> tuple[list[tuple[str, str]], Repairs]:
    repairs = Repairs()
    return [(pair.src, pair.tgt) for pair in read_pairs(source, *langs, repairs)], repairs


def tsv(path: Path, rows: Sequence[tuple[str, ...]], **options: Any) -> TsvSource:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8", newline="\n")
    return TsvSource(reader="tsv", path=path, **options)


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize("place", [0, 7])
def test_a_row_with_more_columns_than_most_is_shifted(place: int, tmp_path: Path) -> None:
    rows: list[tuple[str, ...]] = [*PAIRS]
    rows.insert(place, ("A man", "with a tab", "Un homme"))
    with pytest.raises(InputError, match=rf"t.tsv:{place + 1}: expected 2 columns as in most lines, found 3"):
        read(tsv(tmp_path / "t.tsv", rows))
    found, repairs = read(tsv(tmp_path / "t.tsv", rows, on_error="skip"))
    assert found == PAIRS
    assert [fault.count for fault in repairs.skipped.values()] == [1]
    found, repairs = read(tsv(tmp_path / "t.tsv", rows, columns="any"))
    assert found[place] == ("A man", "with a tab")
    assert len(found) == 21


def test_empty_columns_at_the_end_are_no_shift(tmp_path: Path) -> None:
    rows = [*PAIRS, ("one", "un", "", " ")]
    assert read(tsv(tmp_path / "t.tsv", rows))[0] == [*PAIRS, ("one", "un")]


def test_the_head_says_how_many_columns_there_are(tmp_path: Path) -> None:
    rows = [("en", "fr", "note"), *PAIRS, ("one", "un", "a note"), ("a", "b", "c", "d")]
    source = tsv(tmp_path / "t.tsv", rows, src_column="en", tgt_column="fr", on_error="skip")
    assert read(source)[0] == [*PAIRS, ("one", "un")]


def test_blank_lines_of_a_table_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\n\nc\td\n  \n\t\n", encoding="utf-8", newline="\n")
    found, repairs = read(TsvSource(reader="tsv", path=path))
    assert found == [("a", "b"), ("c", "d"), ("", "")]
    (fault,) = repairs.skipped.values()
    assert (fault.kind, fault.count, fault.places) == ("blank line, skipped", 2, [f"{path}:2", f"{path}:4"])
    path.write_text("a,b\n\nc,d\n", encoding="utf-8", newline="\n")
    found, repairs = read(CsvSource(reader="csv", path=path))
    assert [fault.places for fault in repairs.skipped.values()] == [[f"{path}:2"]]


def test_tsv_in_quotes_is_read_without_them(tmp_path: Path) -> None:
    spoken = [('He said "no".', "Il dit « non »."), ("two\nlines", "deux lignes"), *PAIRS]
    rows = [tuple('"' + text.replace('"', '""') + '"' for text in pair) for pair in spoken]
    numbered = [(*row, str(number)) for number, row in enumerate(rows)]
    expected = [(src.replace("\n", " "), tgt) for src, tgt in spoken]
    for table in (rows, numbered):
        found, repairs = read(tsv(tmp_path / "t.tsv", table))
        assert found == expected
        assert "TSV whose texts are in quotes, read as CSV with tabs" in repairs.repaired


def test_quotes_in_some_rows_are_text(tmp_path: Path) -> None:
    rows = [('"Yes!"', '"Oui !"'), *PAIRS]
    assert read(tsv(tmp_path / "t.tsv", rows))[0] == rows


# ---------------------------------------------------------------- JSON


RECORDS = [{"translation": {"en": src, "fr": tgt}} for src, tgt in PAIRS]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        json.dumps({"data": RECORDS}),
        json.dumps({"version": {"a": [1]}, "data": RECORDS}, indent=1),
        "[\n" + ",\n".join(map(json.dumps, RECORDS)) + "\n]\n",
        "\n\n" + json.dumps(RECORDS, indent=0).replace("\n", "\n\n"),
    ],
    ids=["one line", "indented", "in data", "in data, indented", "a line each", "blank lines"],
)
def test_an_array_is_read_object_by_object(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8", newline="\n")
    assert read(JsonlSource(reader="jsonl", path=path))[0] == PAIRS


def test_the_place_of_an_object_in_an_array_is_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(RECORDS[:2], indent=2), encoding="utf-8", newline="\n")
    pairs = read_pairs(JsonlSource(reader="jsonl", path=path), "en", "fr")
    assert [pair.origin for pair in pairs] == [f"{path}:2", f"{path}:8"]


@pytest.mark.parametrize("text", ['[{"translation": {"en": "a", "fr": "b"}}', '[{"a": 1} {"b": 2}]', "[{]"])
def test_a_broken_array_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a.json:\d: is not a JSON array of objects: "):
        read(JsonlSource(reader="jsonl", path=path, src_field="a", tgt_field="a", on_error="skip"))


def test_nan_is_named_and_a_bad_item_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"en": "a", "fr": "b", "score": NaN}\n', encoding="utf-8")
    options: dict[str, Any] = {"src_field": "en", "tgt_field": "fr", "score_field": "score"}
    with pytest.raises(InputError, match=r"a.jsonl:1: the field score is NaN, expected a number"):
        read(JsonlSource(reader="jsonl", path=path, **options))
    list(read_pairs(JsonlSource(reader="jsonl", path=path, on_error="skip", **options), "en", "fr"))
    assert caplog.records[-1].getMessage().endswith("expected a number (1 bad item skipped).")


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le with mark", "utf-16-be with mark", "utf-32"])
@pytest.mark.parametrize("reader", ["plain", "tsv", "csv", "jsonl", "po", "mono"])
def test_utf16_with_a_mark_is_read_by_every_reader(reader: str, codec: str, tmp_path: Path) -> None:
    name, mark = codec.split(maxsplit=1)[0], "\ufeff" if "mark" in codec else ""

    def put(name_: str, lines: list[str]) -> Path:
        path = tmp_path / name_
        path.write_bytes((mark + "".join(f"{line}\n" for line in lines)).encode(name))
        return path

    source: Source
    match reader:
        case "plain":
            src, tgt = (put(f"t.{side}", [pair[side] for pair in PAIRS]) for side in (0, 1))
            source = PlainSource(reader="plain", src=src, tgt=tgt)
        case "tsv":
            source = TsvSource(reader="tsv", path=put("t.tsv", ["\t".join(pair) for pair in PAIRS]))
        case "csv":
            source = CsvSource(reader="csv", path=put("t", [f'"{src}","{tgt}"' for src, tgt in PAIRS]))
        case "jsonl":
            lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
            source = JsonlSource(reader="jsonl", path=put("t.jsonl", lines))
        case "po":
            lines = [f'msgid "{src}"\nmsgstr "{tgt}"\n' for src, tgt in PAIRS]
            source = PoSource(reader="po", path=put("t.po", lines))
        case _:
            source = MonoSource(reader="mono", path=put("t", [tgt for _, tgt in PAIRS]), side="tgt")
    found, repairs = read(source)
    assert [tgt for _, tgt in found] == [tgt for _, tgt in PAIRS]
    assert [kind for kind in repairs.repaired if "UTF-16" in kind]


@pytest.mark.parametrize(
    ("codec", "other"), [("utf-16-le", "utf-8"), ("utf-16-be", "utf-8"), ("cp1250", None)]
)
def test_a_named_encoding_is_read(codec: str, other: str | None, tmp_path: Path) -> None:
    czech = [(f"It is {n} o'clock.", f"Je {n} hodin, žluťoučký kůň.") for n in range(9)]
    src, tgt = tmp_path / "t.en", tmp_path / "t.cs"
    src.write_bytes("".join(f"{one}\n" for one, _ in czech).encode(other or codec))
    tgt.write_bytes("".join(f"{two}\n" for _, two in czech).encode(codec))
    options = {"encoding": other, "tgt_encoding": codec} if other else {"encoding": codec}
    source = PlainSource.model_validate({"reader": "plain", "src": src, "tgt": tgt, **options})
    found, repairs = read(source, ("en", "cs"))
    assert found == czech
    assert not repairs.repaired


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_guessed_for_the_message(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes("".join(f"{src}\t{tgt}\n" for src, tgt in PAIRS).encode(codec))
    with pytest.raises(InputError, match=f"looks like UTF-16 without a byte order mark.*encoding: {codec}"):
        read(TsvSource(reader="tsv", path=path))
    assert read(TsvSource(reader="tsv", path=path, encoding=codec))[0] == PAIRS


@pytest.mark.parametrize(
    ("language", "codec", "text"),
    [
        ("cs", "cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
        ("fr", "cp1252", "Où est passée la fenêtre où l'été brûlait ?"),
        ("ru", "cp1251", "Съешь же ещё этих мягких французских булок."),
        ("ja", "cp932", "猫は椅子の上で寝ている。"),
        ("ell", "cp1253", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία."),
    ],
)
def test_an_old_encoding_is_guessed_from_text_and_language(
    language: str, codec: str, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes("".join(f"Text {n}\t{text} {n}\n" for n in range(5)).encode(codec))
    list(read_pairs(TsvSource(reader="tsv", path=path), "en", language))
    assert (
        caplog.records[-1]
        .getMessage()
        .endswith(f"(5 times). The text looks like {codec}: set encoding: {codec} in the corpus.")
    )


def test_an_unknown_encoding_is_refused_by_the_config() -> None:
    with pytest.raises(ValueError, match="must be an encoding such as utf-8, cp1250"):
        TsvSource.model_validate_json('{"reader": "tsv", "path": "x", "encoding": "klingon"}')


def test_text_whose_lines_end_in_cr_alone_is_split_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for side, name in enumerate(("t.en", "t.fr")):
        (tmp_path / name).write_bytes("".join(f"{pair[side]}\r" for pair in PAIRS).encode())
    source = PlainSource(reader="plain", src=tmp_path / "t.en", tgt=tmp_path / "t.fr")
    assert [(pair.src, pair.tgt) for pair in read_pairs(source, "en", "fr")] == PAIRS
    assert "lines end in CR alone" in caplog.records[-1].getMessage()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_recognised_by_content(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(pack("".join(f"{src}\t{tgt}\n" for src, tgt in PAIRS).encode()))
    assert read(TsvSource(reader="tsv", path=path))[0] == PAIRS


# ---------------------------------------------------------------- paths


def test_a_pattern_below_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "d [v2]"
    folder.mkdir()
    for part in "ab":
        tsv(folder / f"t-{part}.tsv", PAIRS)
    assert read(TsvSource(reader="tsv", path=folder / "t-?.tsv"))[0] == PAIRS * 2
    assert read(TsvSource(reader="tsv", path=tmp_path / "d *" / "t-[b].tsv"))[0] == PAIRS


def test_environment_variables_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "run: r\ndata:\n  src_lang: en\n  tgt_lang: fr\n"
        "  train: [{reader: tsv, path: '${CORPORA}/t.tsv'}]\n  valid: {reader: tsv, path: v.tsv}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("CORPORA", str(tmp_path / "far"))
    (source,) = load_config([config]).config.data.train
    assert isinstance(source, TsvSource)
    assert source.path == tmp_path / "far" / "t.tsv"
    monkeypatch.delenv("CORPORA")
    with pytest.raises(ConfigError, match=r"data.train.0.path: the environment variable CORPORA is not set"):
        load_config([config])
