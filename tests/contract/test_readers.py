"""What every reader must do: give all pairs in order and untouched, name the place of a fault, stream."""

from __future__ import annotations

import gzip
import itertools
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.sources import (
    CsvSource,
    HuggingFaceSource,
    JsonlSource,
    MonoSource,
    PhrasebookSource,
    PlainSource,
    PoSource,
    Source,
    TmxSource,
    TsvSource,
    XliffSource,
)
from mtkit.data.read.readers import read_pairs, source_files, source_name
from mtkit.data.read.repairs import Repairs
from mtkit.documents.catalogues.xliff import open_xliff
from mtkit.errors import InputError
from tests.support.writers import (
    OF_READER,
    Writer,
    csv_,
    huggingface,
    jsonl,
    plain,
    po,
    readers,
    tmx,
    tsv,
    xliff,
    xliff2,
)

AWKWARD = [
    ("Hello.", "Bonjour."),
    (" spaces ", "espaces\u00a0"),
    ("next\x85line", "ligne\u2028s\u00e9par\u00e9e"),
    ("\U0001f468\u200d\U0001f469", "\u05e9\u05dc\u05d5\u05dd"),
    ('say "so", & <b>that</b>', "dis \\ 'ceci', %s {0}"),
    ("#, fuzzy", "msgstr"),
    ("x" * 1_000_000, "e\u0301"),
]
EMPTY = [("", "")]
CONTROLS = [("\x0bvertical\x0c", "\x1cfile\x1d"), ("nul\x00", "\x1b[31m"), ("carriage\rreturn", "y")]


XML = [tmx, xliff, xliff2]
LINES = [plain, tsv]
RECORDS = [csv_, jsonl, huggingface]
# A reader without a writer fails here. mono has tests of its own, because it gives one side only.
EVERY = [*(OF_READER[name] for name in readers() if name != "mono"), xliff2]
WRITERS = pytest.mark.parametrize("write", EVERY)
FILES = pytest.mark.parametrize("write", [write for write in EVERY if write is not huggingface])
FIRST_LINE: dict[Writer, int] = {csv_: 2, tmx: 2, xliff: 2, xliff2: 2, po: 4}
LINES_A_PAIR: dict[Writer, int] = {po: 3}


def test_every_reader_is_in_a_family() -> None:
    assert {*LINES, *RECORDS, *XML, po} == {*EVERY}


def texts_of(source: Source) -> list[tuple[str, str]]:
    return [(pair.src, pair.tgt) for pair in read_pairs(source, "en", "fr")]


@WRITERS
def test_awkward_text_comes_back_as_it_was(write: Writer, tmp_path: Path) -> None:
    assert texts_of(write(tmp_path, AWKWARD)) == AWKWARD


@pytest.mark.parametrize("write", [*LINES, *RECORDS])
def test_control_characters_and_empty_texts_come_back_too(write: Writer, tmp_path: Path) -> None:
    expected = CONTROLS + EMPTY
    assert texts_of(write(tmp_path, expected)) == expected


@pytest.mark.parametrize("write", [*LINES, *RECORDS])
def test_control_characters_are_counted_with_their_places(write: Writer, tmp_path: Path) -> None:
    repairs = Repairs()
    pairs = list(read_pairs(write(tmp_path, AWKWARD[:3] + CONTROLS[1:2]), "en", "fr", repairs))
    (fault,) = repairs.repaired.values()
    assert "control characters" in fault.kind
    assert fault.places == [pairs[-1].origin]


@pytest.mark.parametrize("write", [*RECORDS, *XML])
def test_a_line_feed_inside_a_text_is_a_space(write: Writer, tmp_path: Path) -> None:
    source = write(tmp_path, [("one\n  two", "un\ndeux"), ("three", "trois")])
    repairs = Repairs()
    pairs = list(read_pairs(source, "en", "fr", repairs))
    assert [(pair.src, pair.tgt) for pair in pairs] == [("one two", "un deux"), ("three", "trois")]
    assert [(fault.count, fault.places) for fault in repairs.repaired.values()] == [(1, [pairs[0].origin])]


@WRITERS
def test_origin_is_file_and_line(write: Writer, tmp_path: Path) -> None:
    source = write(tmp_path, AWKWARD)
    if isinstance(source, HuggingFaceSource):
        place, first, step = f"{source.path}:train", 1, 1
    else:
        place = str(source_files(source)[0])
        first, step = FIRST_LINE.get(write, 1), LINES_A_PAIR.get(write, 1)
    assert [pair.origin for pair in read_pairs(source, "en", "fr")] == [
        f"{place}:{first + step * number}" for number in range(len(AWKWARD))
    ]


@WRITERS
def test_memory_does_not_grow_with_the_corpus(write: Writer, tmp_path: Path) -> None:
    few, more, text, slack = 5_000, 20_000, "some text", 600_000
    if write is huggingface:  # datasets reads 10 MB at once
        few, more, text, slack = 12_000, 36_000, "some text" * 100, 20_000_000

    def peak(pairs: int) -> int:
        source = write(tmp_path, ((f"{text} of the source", f"{text} of the target") for _ in range(pairs)))
        tracemalloc.start()
        assert sum(1 for _ in read_pairs(source, "en", "fr")) == pairs
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(10)
    # What is kept of 15,000 more pairs takes 3 MB and more (of 24,000 long ones 43 MB).
    assert peak(more) < peak(few) + slack


@WRITERS
def test_an_empty_corpus_has_no_pairs(write: Writer, tmp_path: Path) -> None:
    assert list(read_pairs(write(tmp_path, []), "en", "fr")) == []


@WRITERS
def test_a_missing_file_is_named(write: Writer, tmp_path: Path) -> None:
    source = write(tmp_path, AWKWARD)
    file = source_files(source)[-1]
    file.unlink()
    where = file.parent if write is huggingface else file
    with pytest.raises(InputError, match=f"{where}: (there is no such|cannot be read|has no split)"):
        list(read_pairs(source, "en", "fr"))


@WRITERS
def test_it_has_a_name_for_tables(write: Writer, tmp_path: Path) -> None:
    names = {"a.src + a.tgt", "a.tsv", "a.csv", "a.jsonl", "a.tmx", "a.xlf", "a.po", "set train"}
    assert source_name(write(tmp_path, AWKWARD)) in names


@FILES
def test_what_line_ends_and_bad_bytes_became_is_counted(write: Writer, tmp_path: Path) -> None:
    """Every line feed becomes CR LF, a byte order mark comes first, and one byte is not UTF-8."""
    source = write(tmp_path, [("first", "un"), ("second", "deux")])
    for file in source_files(source):
        data = file.read_bytes().replace(b"\n", b"\r\n").replace(b"cond", b"\xffond")
        file.write_bytes(b"\xef\xbb\xbf" + data)
    repairs = Repairs()
    pairs = list(read_pairs(source, "en", "fr", repairs))
    assert [(pair.src, pair.tgt) for pair in pairs] == [("first", "un"), ("se\ufffdond", "deux")]
    counts = {fault.kind.split(",")[0]: fault for fault in repairs.repaired.values()}
    assert counts["byte order mark"].count == len(source_files(source))
    assert counts["bytes that are not UTF-8"].places == [pairs[1].origin]
    if write not in XML:  # where the parser does it
        assert counts["line that ended in CR LF"].count == sum(
            file.read_bytes().count(b"\n") for file in source_files(source)
        )


@FILES
def test_one_pattern_stands_for_many_compressed_files(write: Writer, tmp_path: Path) -> None:
    """Shards are read in the order of their names."""
    expected = []
    for shard in ("b", "a", "c"):
        (tmp_path / shard).mkdir()
        source = write(tmp_path / shard, [(f"{shard} one", "un"), (f"{shard} two", "deux")])
        for file in source_files(source):
            (tmp_path / f"{shard}-{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    for shard in "abc":
        expected += [(f"{shard} one", "un"), (f"{shard} two", "deux")]
    names = {name: tmp_path / f"?-{path.name}.gz" for name, path in source if isinstance(path, Path)}
    many = source.model_copy(update=names)
    assert texts_of(many) == expected
    assert len(source_files(many)) == 3 * len(names)


# ---------------------------------------------------------------- bad items


IS = "the field translation."
BAD: list[tuple[Writer, str, str]] = [
    (tsv, "only one\n", "expected at least 3 columns, found 1."),
    (csv_, "1;un\n", "expected at least 3 columns, found 2."),
    (csv_, '1;"un"x;one\n', "not a row of CSV: ';' expected after '\"'."),
    (jsonl, "{'no': 'JSON'}\n", "is not JSON: Expecting property name"),
    (jsonl, '{"translation": {"en": "a"}}\n', "there is no field translation.fr; it has translation."),
    (jsonl, '{"translation": {"en": "a", "fr": null}}\n', f"{IS}fr is null, expected text."),
    (jsonl, '{"translation": {"en": 3, "fr": "b"}}\n', f"{IS}en is a number, expected text."),
    (jsonl, "[1, 2]\n", "there is no field translation.en; it has no fields."),
    (jsonl, "[" * 100_000 + "\n", "is not valid JSON: "),
    (huggingface, '{"translation": {"en": "a", "fr": null}}\n', f"{IS}fr is null, expected text."),
]  # fmt: skip


@pytest.mark.parametrize(("write", "line", "message"), BAD)
def test_a_bad_item_stops_with_file_and_line_or_is_skipped(
    write: Writer, line: str, message: str, tmp_path: Path
) -> None:
    texts = [("one", "un"), ("two", "deux")]
    source = write(tmp_path, texts)
    file = source_files(source)[0]
    place = list(read_pairs(source, "en", "fr"))[1].origin
    data = file.read_bytes().split(b"\n")
    data.insert(int(place.rpartition(":")[2]) - 1, line.rstrip("\n").encode())
    file.write_bytes(b"\n".join(data))

    with pytest.raises(InputError) as caught:
        texts_of(source)
    assert caught.value.message.startswith(f"{place}: {message}")
    assert "on_error: skip" in caught.value.hint
    assert caught.value.exit_code == 3

    told: list[str] = []
    repairs = Repairs(on_skip=lambda where, kind, what: told.append(f"{where}: {what}"))
    lenient = source.model_copy(update={"on_error": "skip"})
    assert [(pair.src, pair.tgt) for pair in read_pairs(lenient, "en", "fr", repairs)] == texts
    (fault,) = repairs.skipped.values()
    assert fault.count == 1
    assert fault.places == told
    assert told[0].startswith(f"{place}: {message}")


@pytest.mark.parametrize("write", XML)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda xml: xml.replace("</seg>", "", 1).replace("</target>", ""), ":2: is not well-formed XML: "),
        (lambda xml: "<html>" + xml.split("?>")[-1], ":1: the file is <html>, expected <"),
        (lambda xml: xml[: len(xml) // 2], ": is not well-formed XML: "),
        (lambda xml: "", ":1: is not well-formed XML: no element found."),
        (
            lambda xml: '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + xml.split(".dtd\">")[-1],
            ":1: declares entities, attributes or elements, which is not allowed.",
        ),
        (
            lambda xml: '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + xml.split(".dtd\">")[-1],
            ":1: declares entities, attributes or elements, which is not allowed.",
        ),
        (lambda xml: xml.replace("one", "&eacute;"), ":2: .*(undefined entity|eacute is not declared)"),
        (
            lambda xml: xml.replace("one", "<g>" * 300 + "</g>" * 300),
            ":2: elements are nested more than 256 deep.",
        ),
    ],
)  # fmt: skip
def test_xml_that_is_no_such_file_or_dangerous_is_refused(
    write: Writer, spoil: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    source = write(tmp_path, [("one", "un"), ("two", "deux")])
    (file,) = source_files(source)
    file.write_text(spoil(file.read_text()))
    with pytest.raises(InputError, match=f"{file}.*{message}"):
        texts_of(source)


# ---------------------------------------------------------------- each reader's own rules


@pytest.mark.parametrize(("src", "tgt"), [(5, 3), (3, 5), (0, 1)])
def test_plain_refuses_unequal_sides_before_the_first_pair(src: int, tgt: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n" * src)
    (tmp_path / "b").write_text("y\n" * tgt)
    pairs = read_pairs(PlainSource(reader="plain", src=tmp_path / "a", tgt=tmp_path / "b"), "en", "fr")
    with pytest.raises(InputError) as caught:
        next(pairs)
    assert caught.value.message == f"{tmp_path / 'a'}: has {src} lines, but {tmp_path / 'b'} has {tgt}."
    assert caught.value.exit_code == 3


def test_plain_refuses_unequal_numbers_of_files(tmp_path: Path) -> None:
    for name in ("1.en", "2.en", "1.fr"):
        (tmp_path / name).write_text("x\n")
    source = PlainSource(reader="plain", src=tmp_path / "*.en", tgt=tmp_path / "*.fr")
    with pytest.raises(InputError, match=r"matches 2 files, but .*fr matches 1\."):
        texts_of(source)


@pytest.mark.parametrize(
    ("line", "columns", "message"),
    [
        ("only one", None, "expected at least 2 columns, found 1."),
        ("a\tb\tc", 2, "expected 2 columns, found 3."),
        ("a", 2, "expected 2 columns, found 1."),
    ],
)
def test_tsv_names_the_line_of_a_wrong_number_of_columns(
    line: str, columns: int | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.tsv"
    path.write_text(f"a\tb\nc\td\n{line}\ne\tf\n")
    with pytest.raises(InputError) as caught:
        list(read_pairs(TsvSource(reader="tsv", path=path, columns=columns), "en", "fr"))
    assert caught.value.message == f"{path}:3: {message}"
    assert caught.value.hint


def test_a_table_has_scores_and_a_header_that_knows_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('en\tfr\tscore\none\tun "deux\t0.25\ntwo\tdeux\tnan\n')
    source = TsvSource(reader="tsv", path=path, src_column="en", tgt_column=2, score_column="score")
    pairs = read_pairs(source, "en", "fr")
    pair = next(pairs)
    assert (pair.src, pair.tgt, pair.score, pair.origin) == ("one", 'un "deux', 0.25, f"{path}:2")
    with pytest.raises(InputError, match=f"{path}:3: the score, in column 3, is not a number"):
        next(pairs)
    with pytest.raises(InputError, match=f"{path}:1: there is no column de. It has en, fr, score."):
        texts_of(source.model_copy(update={"tgt_column": "de"}))


def test_csv_rows_with_line_feeds_begin_where_their_first_line_does(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"one\n\ntwo",un\n\nthree,"tr""ois"\n"never, closed\nto the end,x\n')
    pairs = read_pairs(CsvSource(reader="csv", path=path), "en", "fr")
    found = [(pair.src, pair.tgt, pair.origin) for pair in itertools.islice(pairs, 2)]
    assert found == [("one two", "un", f"{path}:1"), ("three", 'tr"ois', f"{path}:5")]
    with pytest.raises(InputError, match=rf"{path}:6: not a row of CSV: a quote is never closed\."):
        next(pairs)


def test_jsonl_takes_fields_by_path(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"s": [{"text": "one"}], "a.b": "un\\ud800", "q": {"x": "0.5"}}\n\n')
    source = JsonlSource(reader="jsonl", path=path, src_field="s.0.text", tgt_field="a.b", score_field="q.x")
    repairs = Repairs()
    (pair,) = read_pairs(source, "en", "fr", repairs)
    assert (pair.src, pair.tgt, pair.score) == ("one", "un\ufffd", 0.5)
    assert [fault.count for fault in repairs.repaired.values()] == [1]


def test_jsonl_labels_lines_by_domain_and_document(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    records: list[dict[str, Any]] = [
        {"d": " news\n wire ", "x": {"id": 12}},
        {"d": None, "x": {"id": "b\ud800"}},
        {"d": ["a"], "x": {"id": 1}},
    ]
    path.write_text("".join(json.dumps({"s": "a", "t": "b"} | each) + "\n" for each in records), "utf-8")
    fields = {"src_field": "s", "tgt_field": "t", "domain_field": "d", "document_field": "x.id"}
    source = JsonlSource(reader="jsonl", path=path, **fields)  # type: ignore[arg-type]
    pairs = read_pairs(source, "en", "fr")
    found = [next(pairs), next(pairs)]
    assert [(pair.domain, pair.document) for pair in found] == [("news wire", "12"), ("", "b\ufffd")]
    with pytest.raises(InputError, match=r"a.jsonl:3: the field d is a list, expected text\."):
        next(pairs)
    missing = source.model_copy(update={"domain_field": "genre"})
    with pytest.raises(InputError, match="there is no field genre; it has s, t, d, x"):
        next(read_pairs(missing, "en", "fr"))


def test_mono_leaves_the_other_side_empty(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo\n")
    assert texts_of(MonoSource(reader="mono", path=tmp_path / "a")) == [("", "one"), ("", "two")]
    assert texts_of(MonoSource(reader="mono", path=tmp_path / "a", side="src"))[0] == ("one", "")


def test_tmx_takes_text_out_of_inline_codes_and_the_exact_variety(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    path.write_text(
        '<tmx version="1.4"><body><tu>\n<tuv xml:lang="en-GB"><seg>colour</seg></tuv>'
        '<tuv lang="en"><seg>Go <bpt i="1">&lt;b></bpt>on<ept i="1">&lt;/b><sub>no</sub></ept> <hi>now</hi>'
        '<ph/></seg></tuv><tuv xml:lang="fr"><note>no</note><seg>Va</seg></tuv></tu>\n'
        '<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu></body></tmx>'
    )
    repairs = Repairs()
    pairs = list(read_pairs(TmxSource(reader="tmx", path=path), "en", "fr", repairs))
    assert [(pair.src, pair.tgt, pair.origin) for pair in pairs] == [("Go on now", "Va", f"{path}:1")]
    assert repairs.skipped["unit without both languages"].places == [f"{path}:3"]
    with pytest.raises(InputError, match=r"none of its 2 units has both en and de\. It has en-GB, en, fr\."):
        list(read_pairs(TmxSource(reader="tmx", path=path), "en", "de"))


CODES = [
    (
        'Press<ph x="1" type="br"/>the <bpt i="1">&lt;b&gt;</bpt>red<ept i="1">&lt;/b&gt;</ept>',
        "Press the red",
    ),
    ('un<bpt i="1">b</bpt>believ<ept i="1">/b</ept>able', "unbelievable"),
    ('to<x id="1"/>click<x id="2"/>now', "to click now"),
    ('<x id="1"/>to <x id="2"/>click <ph id="3">a</ph>', "to click "),
    ('One.<x id="1"/>Two', "One. Two"),
    ('点击<x id="1"/>这里', "点击这里"),
    ('(<x id="1"/>a<x id="1"/>)', "(a)"),
    ('to<ph id="1">a<sub>b</sub></ph><ph id="2"/>click', "to click"),
    ('<g id="1">bo</g>ld', "bold"),
    ('<mrk mtype="seg" mid="1">One.</mrk><mrk mtype="seg" mid="2">Two.</mrk>', "One. Two."),
]


@pytest.mark.parametrize(("code", "text"), CODES)
def test_a_code_between_two_words_is_a_space_and_inside_a_word_nothing(
    code: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / "a.tmx").write_text(
        f'<tmx><tu><tuv xml:lang="en"><seg>{code}</seg></tuv><tuv xml:lang="fr"><seg>x</seg></tuv></tu></tmx>'
    )
    assert texts_of(TmxSource(reader="tmx", path=tmp_path / "a.tmx")) == [(text, "x")]
    (tmp_path / "a.xlf").write_text(
        f'<xliff><file source-language="en"><trans-unit><source>{code}</source><target>x</target>'
        "</trans-unit></file></xliff>"
    )
    assert texts_of(XliffSource(reader="xliff", path=tmp_path / "a.xlf")) == [(text, "x")]


UNFINISHED = [
    ("", '<target><mrk mtype="seg" mid="1">Un.</mrk> <mrk mtype="seg" mid="2"/></target>', "with a segment"),
    (
        "",
        '<seg-source><g id="9"><mrk mtype="seg" mid="1">One.</mrk> <mrk mtype="seg" mid="2">Two.</mrk></g>'
        '</seg-source><target><g id="9"><mrk mtype="seg" mid="1">Un.</mrk></g></target>',
        "with a segment",
    ),
    (' translate="no"', "<target>Un. Deux.</target>", "that is not to be translated"),
    (
        "",
        "<target>x</target><s:seg-defs xmlns:s='s'><s:seg id='1' conf='Draft'/></s:seg-defs>",
        "state is Draft",
    ),
    (" xmlns:mq='MQXliff' mq:status='MachineTranslated'", "<target>x</target>", "state is MachineTranslated"),
    ("", "<target state='new'>x</target>", "state is new"),
]


@pytest.mark.parametrize(("attributes", "target", "reason"), UNFINISHED)
def test_xliff_leaves_out_half_translated_and_untranslatable_units(
    attributes: str, target: str, reason: str, tmp_path: Path
) -> None:
    unit = f"<trans-unit{attributes}><source>One. Two.</source>{target}</trans-unit>\n"
    done = (
        "<group translate='no'><trans-unit translate='yes'><source>a</source><target>b</target></trans-unit>"
    )
    path = tmp_path / "a.xlf"
    path.write_text(f'<xliff><file source-language="en">\n{unit}{done}</group></file></xliff>')
    repairs = Repairs()
    source = XliffSource(reader="xliff", path=path)
    assert [(pair.src, pair.tgt) for pair in read_pairs(source, "en", "fr", repairs)] == [("a", "b")]
    [(kind, fault)] = repairs.skipped.items()
    assert reason in kind
    assert fault.places == [f"{path}:2"]


def test_what_translate_wrote_is_no_training_data(tmp_path: Path) -> None:
    """Drafts of a machine, in each dialect of XLIFF."""
    units = [
        "<trans-unit><source>One</source></trans-unit>",
        "<trans-unit xmlns:mq='MQXliff' mq:status='NotStarted'><source>One</source><target/></trans-unit>",
        "<trans-unit><source>One</source><seg-source><mrk mtype='seg' mid='1'>One</mrk></seg-source>"
        "<s:seg-defs xmlns:s='s'><s:seg id='1'/></s:seg-defs></trans-unit>",
        "<unit><segment><source>One</source></segment></unit>",
    ]
    for unit in units:
        path = tmp_path / "a.xlf"
        document = open_xliff("a.xlf", f"<xliff><file source-language='en'>{unit}</file></xliff>".encode())
        path.write_bytes(document.render(["Un"]))
        assert texts_of(XliffSource(reader="xliff", path=path)) == []
        assert b">Un<" in path.read_bytes()


def test_xliff_gives_finished_units_in_either_direction(tmp_path: Path) -> None:
    path = tmp_path / "a.xlf"
    path.write_text(
        '<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="en-US" '
        'target-language="fr"><body>\n'
        "<trans-unit><source>A <g id='1'>b</g><ph>{x}</ph></source><seg-source>no</seg-source>"
        "<target>Un</target><alt-trans><source>no</source><target>no</target></alt-trans></trans-unit>\n"
        "<trans-unit><source>none</source></trans-unit>\n"
        '<trans-unit><source>bad</source><target state="needs-translation">x</target></trans-unit>\n'
        "</body></file></xliff>"
    )
    source = XliffSource(reader="xliff", path=path)
    repairs = Repairs()
    pairs = list(read_pairs(source, "en", "fr", repairs))
    assert [(pair.src, pair.tgt, pair.origin) for pair in pairs] == [("A b", "Un", f"{path}:2")]
    assert {kind: fault.places for kind, fault in repairs.skipped.items()} == {
        "unit without a translation": [f"{path}:3"],
        "unit whose state is needs-translation": [f"{path}:4"],
    }
    assert [(pair.src, pair.tgt) for pair in read_pairs(source, "fr", "en")] == [("Un", "A b")]
    with pytest.raises(InputError, match=f"{path}:1: translates en-US into fr, expected en into de."):
        list(read_pairs(source, "en", "de"))


def test_po_gives_plurals_and_leaves_out_what_is_not_done(tmp_path: Path) -> None:
    path = tmp_path / "a.po"
    path.write_text(
        'msgid ""\nmsgstr ""\n"Language: fr\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
        '#, fuzzy, c-format\nmsgid "f"\nmsgstr "f"\n#: a.c:1\nmsgctxt "menu"\nmsgid "lo"\n"ng\\tline"\n'
        'msgstr "longue"\nmsgid "one %d"\nmsgid_plural "many %d"\nmsgstr[0] "un %d"\nmsgstr[1] "des %d"\n'
        '\nmsgid "todo"\nmsgstr ""\n#~ msgid "old"\n#~ msgstr "vieux"\n'
    )
    source = PoSource(reader="po", path=path)
    repairs = Repairs()
    pairs = list(read_pairs(source, "en", "fr", repairs))
    assert [(pair.src, pair.tgt) for pair in pairs] == [
        ("long\tline", "longue"),
        ("one %d", "un %d"),
        ("many %d", "des %d"),
    ]
    assert pairs[0].origin == f"{path}:9"
    assert {kind: fault.places for kind, fault in repairs.skipped.items()} == {
        "fuzzy message": [f"{path}:6"],
        "message without a translation": [f"{path}:18"],
        "obsolete message": [f"{path}:20"],
    }
    assert next(read_pairs(source, "fr", "en")).src == "longue"
    with pytest.raises(InputError, match=f"{path}:1: the catalogue is in fr, expected de."):
        list(read_pairs(source, "en", "de"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('msgid "a"\nmsgstr "b\n', ":2: is not a line of a PO file"),
        ('msgid "a"\nmsgstr "b"c"\n', ":2: is not a line of a PO file"),
        ('"a"\n', ":1: is not a line of a PO file"),
        ('msgid "a"\nmsgid "b"\n', ":2: msgid is given twice"),
        ('msgid "a"\n', ":1: the message has no msgstr"),
        ('msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n', ":1: is in iso-8859-1"),
    ],
)
def test_po_names_the_line_of_a_fault(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.po").write_text(text)
    with pytest.raises(InputError, match=f"a.po{message}"):
        texts_of(PoSource(reader="po", path=tmp_path / "a.po"))


def test_phrasebook_gives_what_was_asked_for() -> None:
    pytest.importorskip("mtkit.data.read.phrasebook.compose", exc_type=ImportError)
    source = PhrasebookSource(reader="phrasebook", split="valid", pairs=20)
    pairs = list(read_pairs(source, "en", "fr"))
    assert len(pairs) == 20
    assert all(pair.src and pair.tgt for pair in pairs)
    assert pairs == list(read_pairs(source, "en", "fr"))
    assert source_files(source)
    assert source_name(source) == "phrasebook valid"
