"""What `mtkit init` finds out about files: reader, columns, languages, number of pairs."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtkit.data.read.discover import Discovery, discover
from mtkit.data.read.identify import code_of, codes_in, differing_codes
from mtkit.data.read.lines import read_lines
from mtkit.data.read.text_columns import TextColumn, pick_columns
from mtkit.errors import InputError, UsageError
from tests.support.corpora import corpus

ENGLISH = [
    "The house is on the hill.",
    "We are going to the market this morning to buy bread and milk.",
    "Where is the station, please?",
    "She reads a book every evening before she goes to bed, and so do her children.",
    "It rains.",
    "The children are playing in the garden with the dog of our neighbours.",
]
FRENCH = [
    "La maison est sur la colline.",
    "Nous allons au marché ce matin pour acheter du pain et du lait.",
    "Où est la gare, s'il vous plaît ?",
    "Elle lit un livre chaque soir avant d'aller au lit, et ses enfants aussi.",
    "Il pleut.",
    "Les enfants jouent dans le jardin avec le chien de nos voisins.",
]
PAIRS = list(zip(ENGLISH, FRENCH, strict=True)) * 5


def write(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)


def tmx(path: Path, *codes: str) -> str:
    texts = {"en": ENGLISH, "fr": FRENCH, "de": FRENCH}
    units = "".join(
        "<tu>"
        + "".join(f'<tuv xml:lang="{code}"><seg>{texts[code[:2].lower()][n]}</seg></tuv>' for code in codes)
        + "</tu>"
        for n in range(len(ENGLISH))
    )
    return write(path, [f'<tmx version="1.4"><header srclang="{codes[0]}"/><body>{units}</body></tmx>'])


def tsv(path: Path) -> str:
    return write(path, [f"{number}\t{tgt}\t{src}\tok" for number, (src, tgt) in enumerate(PAIRS)])


def spreadsheet(path: Path) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["id", "English", "French", "comment"])
        rows.writerows((n, src, tgt, "a;b") for n, (src, tgt) in enumerate(PAIRS))
    return str(path)


def jsonl(path: Path) -> str:
    return write(path, [json.dumps({"n": 1, "translation": {"fr": tgt, "en": src}}) for src, tgt in PAIRS])


def array(path: Path) -> str:
    return write(path, [json.dumps([{"n": 1, "fr": tgt, "en": src} for src, tgt in PAIRS])])


def xliff(path: Path) -> str:
    units = "".join(
        f'<trans-unit id="{n}"><source>{src}</source><target>{tgt}</target></trans-unit>'
        for n, (src, tgt) in enumerate(PAIRS)
    )
    languages = 'source-language="en-US" target-language="fr-FR"'
    head = f'<xliff version="1.2"><file original="a" datatype="plaintext" {languages}>'
    return write(path, [f"{head}<body>{units}</body></file></xliff>"])


def po(path: Path) -> str:
    lines = ['msgid ""', 'msgstr ""', '"Language: fr\\n"', ""]
    for src, tgt in zip(ENGLISH, FRENCH, strict=True):
        lines += [f'msgid "{src}"', f'msgstr "{tgt}"', ""]
    return write(path, lines)


def only(found: Discovery) -> dict[str, Any]:
    (corpus,) = found.corpora
    return {key: value for key, value in corpus.options.items() if key not in ("path", "src", "tgt")}


FORMATS: list[tuple[str, Callable[[Path], str], dict[str, Any]]] = [
    ("my.tmx", lambda path: tmx(path, "en-US", "fr-FR"), {"reader": "tmx"}),
    ("my", lambda path: tmx(path, "en", "fr"), {"reader": "tmx"}),
    ("my.sdlxliff", xliff, {"reader": "xliff"}),
    ("my.po", po, {"reader": "po"}),
    (
        "my.csv",
        spreadsheet,
        {"reader": "csv", "src_column": "English", "tgt_column": "French", "delimiter": ";"},
    ),
    (
        "my.jsonl",
        jsonl,
        {"reader": "jsonl", "src_field": "translation.en", "tgt_field": "translation.fr"},
    ),
    ("my.json", array, {"reader": "jsonl", "src_field": "en", "tgt_field": "fr"}),
    ("my.en-fr.tsv", tsv, {"reader": "tsv", "src_column": 3, "tgt_column": 2}),
]


@pytest.mark.parametrize(("name", "make", "options"), FORMATS)
def test_each_format(name: str, make: Callable[[Path], str], options: dict[str, Any], tmp_path: Path) -> None:
    if name.endswith("tsv"):
        pytest.importorskip("py3langid")  # the name says en-fr, but the texts are the other way round
    found = discover([make(tmp_path / name)], "en" if "json" in name else None)
    assert (found.src_lang, found.tgt_lang) == ("en", "fr")
    assert only(found) == options
    assert found.pairs in (len(ENGLISH), len(PAIRS))
    assert (sample := found.corpora[0].sample) is not None
    assert (sample.src, sample.tgt) == PAIRS[0]


def test_the_wanted_direction_is_kept(tmp_path: Path) -> None:
    found = discover([spreadsheet(tmp_path / "a.csv")], "fr", "en")
    assert only(found)["src_column"] == "French"
    assert discover([tmx(tmp_path / "a.tmx", "en", "fr")], tgt_lang="en").src_lang == "fr"


def test_a_memory_with_three_languages_asks_which(tmp_path: Path) -> None:
    path = tmx(tmp_path / "a.tmx", "en", "fr", "de")
    with pytest.raises(UsageError, match=r"has units in en, fr, de.*--src-lang"):
        discover([path])
    found = discover([path], "de", "en")
    assert found.pairs == len(ENGLISH)
    assert (found.src_lang, found.tgt_lang) == ("de", "en")


def test_two_files_of_text_by_their_names_and_by_their_texts(tmp_path: Path) -> None:
    src, tgt = write(tmp_path / "a.en", ENGLISH), write(tmp_path / "a.fr", FRENCH)
    assert discover([src, tgt]).corpora[0].why == "from their names"
    pytest.importorskip("py3langid")
    one, other = write(tmp_path / "one.txt", FRENCH), write(tmp_path / "other.txt", ENGLISH)
    found = discover([one, other])
    assert (found.src_lang, found.tgt_lang) == ("fr", "en")


def test_a_folder_with_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test_2016"):
        for code, texts in (("en", ENGLISH), ("fr", FRENCH)):
            with gzip.open(tmp_path / f"{split}.{code}.gz", "wt", encoding="utf-8") as file:
                file.write("\n".join(texts) + "\n")
    write(tmp_path / "more.de", FRENCH)
    found = discover([str(tmp_path)], "en", "fr")
    assert [corpus.split for corpus in found.corpora] == ["train", "valid", "test"]
    assert found.omitted == [("more.de", "has no translation beside it")]
    with pytest.raises(UsageError, match="texts in de, en, fr"):
        discover([str(tmp_path)])


def test_a_folder_is_read_without_the_files_that_cannot_be(tmp_path: Path) -> None:
    tmx(tmp_path / "memory.tmx", "en", "fr")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "new.xlf").write_text(
        '<xliff version="1.2"><file source-language="en" target-language="fr" original="a"><body>'
        '<trans-unit id="1"><source>The bridge is closed.</source></trans-unit></body></file></xliff>'
    )
    (tmp_path / "jobs" / "torn.tmx").write_text((tmp_path / "memory.tmx").read_text()[:400])
    tmx(tmp_path / "jobs" / "other.tmx", "en", "de")
    found = discover([str(tmp_path)])
    assert [corpus.name for corpus in found.corpora] == ["memory.tmx"]
    told = dict(found.omitted)
    assert told.keys() == {"jobs/new.xlf", "jobs/torn.tmx", "jobs/other.tmx"}
    assert "unit without a translation (1 time)" in told["jobs/new.xlf"]
    assert told["jobs/other.tmx"] == "is en and de"
    with pytest.raises(InputError, match="torn"):  # a file that the user names is wanted
        discover([str(tmp_path / "memory.tmx"), str(tmp_path / "jobs" / "torn.tmx")])
    (tmp_path / "memory.tmx").unlink()
    (tmp_path / "jobs" / "other.tmx").unlink()
    with pytest.raises(InputError, match=r"new\.xlf.*unit without a translation"):
        discover([str(tmp_path)])
    (tmp_path / "jobs" / "new.xlf").unlink()
    (tmp_path / "jobs" / "junk.tmx").write_text("junk")
    with pytest.raises(InputError, match=r"junk\.tmx: .*not well-formed XML.*1 more"):
        discover([str(tmp_path)])


def test_a_few_invalid_rows_are_skipped_and_many_refused(tmp_path: Path) -> None:
    rows = [f"{src}\t{tgt}" for src, tgt in PAIRS]
    found = discover([write(tmp_path / "a.en-fr.tsv", [*rows, "broken"])])
    assert only(found)["on_error"] == "skip"
    assert found.pairs == len(PAIRS)
    assert "a.en-fr.tsv:31" in found.corpora[0].skipped[0]
    with pytest.raises(InputError, match="bad items"):
        discover([write(tmp_path / "b.en-fr.tsv", [*rows, *["broken"] * 40])])


def test_another_encoding_is_found_on_the_side_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "a.fr").write_bytes("\n".join(FRENCH).encode("cp1252"))
    english = write(tmp_path / "a.en", ENGLISH)
    found = discover([english, str(tmp_path / "a.fr")])
    assert only(found) == {"reader": "plain", "tgt_encoding": "cp1252"}
    assert (sample := found.corpora[0].sample) is not None
    assert sample.tgt == FRENCH[0]
    found = discover([str(tmp_path / "a.fr"), english])
    assert only(found) == {"reader": "plain", "encoding": "cp1252", "tgt_encoding": "utf-8"}
    rows = "".join(f"{src}\t{tgt}\n" for src, tgt in PAIRS).encode("cp1252")
    (tmp_path / "a.en-fr.tsv").write_bytes(rows)
    assert only(discover([str(tmp_path / "a.en-fr.tsv")]))["encoding"] == "cp1252"


def test_bytes_that_are_text_in_no_encoding_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.fr").write_bytes(b"\x81\x8d\xff\n" * len(FRENCH))
    with pytest.raises(InputError, match="not UTF-8"):
        discover([write(tmp_path / "a.en", ENGLISH), str(tmp_path / "a.fr")])


@pytest.mark.parametrize("names", [["a.en"], ["nothing.tmx"], ["a.en", "my.tmx", "b.en"]])
def test_arguments_that_make_no_corpus(names: list[str], tmp_path: Path) -> None:
    for name in ("a.en", "b.en"):
        write(tmp_path / name, ENGLISH)
    tmx(tmp_path / "my.tmx", "en", "fr")
    with pytest.raises(UsageError):
        discover([str(tmp_path / name) for name in names])


def test_columns_that_cannot_be_told_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ["1\t2\t3", "4\t5\t6"])
    with pytest.raises(UsageError, match="--columns SRC,TGT"):
        discover([path], "en", "fr")
    found = discover([path], "en", "fr", ("3", "1"))
    assert only(found) == {"reader": "tsv", "src_column": 3, "tgt_column": 1}


def test_translations_are_the_columns_whose_lengths_agree() -> None:
    licence = [f"CC-BY 2.0, attribution to contributor {name} of the project" for name in "abcdef"]
    columns = [
        TextColumn("", licence),
        TextColumn("", ENGLISH),
        TextColumn("", ["x"] * 6),
        TextColumn("", FRENCH),
    ]
    picked = pick_columns(columns)
    assert picked is not None
    assert (picked.src, picked.tgt) == (1, 3)


@pytest.mark.parametrize(
    "header",
    [
        ("English", "Français"),
        ("Anglais", "Français"),
        ("Englisch", "Französisch"),
        ("英语", "法语"),
        ("English (United States)", "French (France)"),
        ("en-GB", "fr_CA"),
    ],
)
def test_a_header_may_name_the_languages_in_any_language(header: tuple[str, str], tmp_path: Path) -> None:
    found = discover([write(tmp_path / "a.tsv", ["\t".join(row) for row in [header, *PAIRS]])])
    assert only(found) == {"reader": "tsv", "src_column": header[0], "tgt_column": header[1]}
    assert (found.src_lang[:2], found.tgt_lang[:2], found.pairs) == ("en", "fr", len(PAIRS))


def test_the_name_of_a_language_and_its_translation_are_a_pair(tmp_path: Path) -> None:
    rows = [("French", "Français"), ("German", "Allemand"), *PAIRS]
    found = discover([write(tmp_path / "a.tsv", ["\t".join(row) for row in rows])], "en", "fr")
    assert (only(found), found.pairs) == ({"reader": "tsv", "src_column": 1, "tgt_column": 2}, len(rows))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": "x"}\n{"b": "y"}\n', "no field has text in most of the first 2 records"),
        ('{"a": "x"}\n{"b": \n', r"a\.jsonl:2: is not JSON"),
        ("[]", "no field has text"),
    ],
)
def test_records_without_texts_are_refused(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line)
    for columns in (None, ("en", "fr")):
        with pytest.raises(InputError, match=message):
            discover([str(tmp_path / "a.jsonl")], columns=columns)


@pytest.mark.parametrize(
    ("name", "begin", "message"),
    [
        ("a.xlsx", b"PK\x03\x04", "is a spreadsheet. Save it as CSV"),
        ("a.docx", b"PK\x03\x04", "is a document"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3", "is a document"),
        ("a.txt", b"{\\rtf1\\ansi", "is a document"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "is a document"),
    ],
)
def test_documents_are_told_from_text(name: str, begin: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(begin)
    other = write(tmp_path / "a.fr", FRENCH)
    for names in ([str(tmp_path / name)], [str(tmp_path / name), other]):
        with pytest.raises(InputError, match=message):
            discover(names, "en", "fr")
    with pytest.raises(InputError, match=message):
        list(read_lines(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("tico19.en-fr.tmx", ["en", "fr"]),
        ("tico19-g_en_fr-FR.csv", ["en", "fr-FR"]),
        ("eng-cmn.tsv", ["en", "zh"]),
        ("news.de2en.tsv", ["de", "en"]),
        ("train.fr", ["fr"]),
        ("my.tsv", []),
        ("no-it-is.txt", ["nb", "it"]),
        ("corpus.txt", []),
    ],
)
def test_languages_in_names(name: str, codes: list[str]) -> None:
    assert codes_in(name) in (codes, [code.replace("nb", "no") for code in codes])


def test_words_that_name_languages() -> None:
    assert [code_of(word) for word in ("French", "fra", "fr_FR", "fr_XX", "source", "the", "x")] == [
        "fr", "fr", "fr-FR", "fr", None, None, None,
    ]  # fmt: skip
    assert differing_codes("source_en.txt", "target_fr.txt") == ("en", "fr")
    assert differing_codes("a.txt", "b.txt") is None


@pytest.mark.parametrize(
    ("name", "languages", "pairs"),
    [
        ("formats/tico19.en-fr.tmx.gz", ("en", "fr"), 3_071),
        ("formats/xliff/validators.fr.xlf", ("en", "fr"), 116),
        ("terminology/tico19-g_en_fr-FR.csv", ("en", "fr"), 336),
        ("tatoeba/eng-fra.tsv.gz", ("en", "fr"), 142_787),
    ],
)
def test_real_files(name: str, languages: tuple[str, str], pairs: int) -> None:
    folder, _, file = name.partition("/")
    found = discover([str(corpus(folder) / file)])
    assert (found.src_lang, found.tgt_lang) == languages
    assert found.pairs == pairs
