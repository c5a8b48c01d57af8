"""Files of any content are read or refused: no reader ends in an exception that is no MtkitError."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from mtkit.config.load import load_config
from mtkit.config.sources import HuggingFaceSource, MonoSource, PlainSource, Source
from mtkit.data.prepare.inspect import find_tokenizer, read_rejected
from mtkit.data.read.lines import read_lines
from mtkit.data.read.readers import read_pairs, source_files
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError, MtkitError
from mtkit.translate.term_files import read_glossary
from tests.support.writers import OF_READER, readers

TEXTS = [("Hello, world.", "Bonjour, le monde."), ('say "so" & <b>', "dis\u2028 \\ {0}"), ("", "e\u0301")] * 3
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}
ENCODED = "texte \u00e9\U0001f600 ".encode()
HOSTILE = {
    "nothing": b"",
    "line feeds": b"\n\r\n\n\r" * 50,
    "NUL": b"\0" * 200 + b"\n" + b"a\0b\tc\0d\n",
    "no UTF-8": bytes(range(256)) * 4,
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80\t\xed\xa0\x80\n",
    "overlong": b"\xc0\xaf\xf8\x88\x80\x80\x80\xf4\x90\x80\x80\n" * 5,
    "marks": b"\xef\xbb\xbf" * 3 + b"a\tb\n",
    "UTF-16": "<tmx/>\n".encode("utf-16"),
    "UTF-16 without a mark": "<tmx/>\n".encode("utf-16-be"),
    "UTF-32": "<xliff/>\n".encode("utf-32"),
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"translation":' * 100_000,
    "long number": b'{"translation": {"en": ' + b"1" * 10_000 + b', "fr": "x"}}\n',
    "odd numbers": b'{"translation": {"en": NaN, "fr": -Infinity}}\n[1e999999, -0, 1E400]\n',
    "escapes": rb'{"translation": {"en": "\ud800", "fr": "\udc00\u0000"}}' + b"\n",
    "repeated keys": b'{"translation": 1, "translation": {"en": "a", "en": [], "fr": {}}}\n',
    "other values": b'null\ntrue\n"text"\n[]\n{}\n0\n-\n',
    "quotes": b'"' * 1001 + b"\n" + b'a,"\n' * 30,
    "open quotes": b'q","\n' * 3000,
    "separators": b",;\t" * 500 + b"\n",
    "deep XML": b"<tmx>" * 10_000,
    "declarations": b'<!DOCTYPE tmx [<!ATTLIST tu a CDATA "x"><!ENTITY % p SYSTEM "/etc/passwd"> %p;]><tmx/>',
    "other DTD": b'<!DOCTYPE tmx SYSTEM "http://127.0.0.1:1/x.dtd"><tmx>&x;</tmx>',
    "attributes": b"<tmx><tu " + b" ".join(b'a%d=""' % n for n in range(1000)) + b"/></tmx>",
    "long attribute": b"<tmx a='" + b"y" * 1_200_000 + b"'/>",
    "encodings": b'<?xml version="1.0" encoding="utf-7"?><tmx/>',
    "no encoding": b'<?xml version="1.0" encoding="\xff\xfe"?><xliff/>',
    "namespaces": b'<a:tmx xmlns:a="" xmlns="x y"><b:tu/></a:tmx>',
    "characters": b"<tmx>&#0;&#xD800;&#99999999999;</tmx>",
    "no unit": b'<xliff srcLang="en" trgLang="fr"></segment><target><source/></xliff>',
    "nested units": b"<tmx>" + b"<tu><tuv><seg>" * 50,
    "PO": b'msgstr "x"\nmsgid "\\"\nmsgid_plural ""\nmsgstr[99999999999999999999] "y"\n#~ msgid\n"',
    "PO header": b'msgid ""\nmsgstr "Content-Type: charset=\\nLanguage: ' + b"x" * 5000 + b'\\n"\n',
    "PO plurals": b"".join(b'msgstr[%d] "x"\n' % number for number in range(2000)),
    "YAML": b"a: &a [*a, *b]\n<<: {b: !!python/object:os.system 1}\n? [c]\n: " + b"[" * 5000,
    "card": b"---\nconfigs:\n- {config_name: [x], data_files: {train: [1, {a: b}, '**/**/*']}}\n- 7\n---\n",
    "a row of columns": b"\t".join(b"c%d" % number for number in range(20_000)) + b"\n",
    "gzip": gzip.compress(b"a\tb\n" * 100)[:-9],
    "parquet": b"PAR1" + b"\xff" * 200 + b"\xff\xff\xff\x7fPAR1",
    "arrow": b"ARROW1\0\0" + b"\xff" * 100 + b"ARROW1",
    "arrow stream": b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100),
}
SPLICE = [
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b"<",
    b">",
    b"&",
    b"]]>",
    b"<!--",
    b"{",
    b"[",
    b"\t",
    b"\n",
    b"\r",
    b"\xed\xa0\x80",
]
IN_DATA_SET = ["train.jsonl", "train.csv", "train.tsv", "train.json", "README.md", "state.json"]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` after a few random changes."""
    for _ in range(rng.randint(1, 4)):
        one, other = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(5):
            case 0:
                data = data[:one] + data[other:]
            case 1:
                data = data[:one]
            case 2:
                data = data[:other] + data[one:]
            case 3:
                data = data[:one] + bytes(rng.choices(range(256), k=rng.randint(1, 9))) + data[one:]
            case _:
                data = data[:one] + rng.choice(SPLICE) * rng.randint(1, 300) + data[one:]
    return data


def check(source: Source) -> None:
    """Reads it to its end or its first fault, and then again without what is bad."""
    for on_error in ("stop", "skip"):
        if hasattr(source, "on_error"):
            source = source.model_copy(update={"on_error": on_error})
        try:
            source_files(source)
            for pair in read_pairs(source, "en", "fr", Repairs()):
                for text in (pair.src, pair.tgt):
                    text.encode()  # no half of a surrogate pair
                    assert "\n" not in text
        except InputError as error:
            if len(str(error)) > 1000 or "\n" in str(error):
                pytest.fail(f"not a short line: {error}")


def contents(reader: str, seed: int, count: int, folder: Path) -> Iterator[tuple[Source, Path, bytes]]:
    """Sources, their file that is to have another content, and that content."""
    source = OF_READER[reader](folder, TEXTS)
    file = source_files(source)[0]
    rng = random.Random(f"{reader} {seed}")
    whole = file.read_bytes()
    changed = [mutated(whole, rng) for _ in range(count)]
    yield from ((source, file, data) for data in (HOSTILE.values() if not seed else ()))
    yield from ((source, file, data) for data in changed)
    if isinstance(source, HuggingFaceSource):
        for name in IN_DATA_SET:
            for data in [*(HOSTILE.values() if not seed else ()), *changed[: count // 10]]:
                yield source, file.with_name(name), data
        return
    for suffix, pack in PACK.items():
        packed = file.with_name(f"{file.name}{suffix}")
        names = {name: packed for name, path in source if path == file}
        for data in changed[: count // 5]:
            yield source.model_copy(update=names), packed, mutated(pack(data), rng)


@pytest.mark.parametrize("reader", readers())
@pytest.mark.parametrize(
    ("seed", "count"), [(0, 30), *(pytest.param(seed, 2000, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_a_corpus_of_any_content_is_read_or_refused(
    reader: str, seed: int, count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for source, file, data in contents(reader, seed, count, tmp_path):
        before = file.read_bytes() if file.exists() else None
        file.write_bytes(data)
        check(source)
        caplog.clear()
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)


@pytest.mark.parametrize("name", ["train.parquet", "train.arrow"])
@pytest.mark.parametrize("count", [60, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_binary_table_of_any_content_is_read_or_refused(name: str, count: int, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_list([{"translation": {"en": en, "fr": fr}} for en, fr in TEXTS])
    file, rng = tmp_path / "set" / name, random.Random(name)
    if name.endswith("parquet"):
        file.parent.mkdir()
        data.to_parquet(file)
    else:
        data.save_to_disk(file.parent)
        file = file.with_name("data-00000-of-00001.arrow")
    source = HuggingFaceSource(reader="huggingface", path=file.parent)
    assert len(list(read_pairs(source, "en", "fr"))) == len(TEXTS)
    whole = file.read_bytes()
    for damaged in [*HOSTILE.values(), *(mutated(whole, rng) for _ in range(count))]:
        file.write_bytes(damaged)
        check(source)


READ: list[Callable[[Path], object]] = [
    read_glossary,
    lambda path: load_config([path]),
    lambda path: list(read_rejected(path.with_name("rejected.tsv.gz"))),
    lambda path: find_tokenizer(path.parent),
]


@pytest.mark.parametrize("read", READ, ids=["glossary", "config", "rejected", "tokenizer"])
def test_other_inputs_of_any_content_are_read_or_refused(
    read: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(0)
    whole = b"Bank\tbanque\nlong term\tterme\n"
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    for data in [*HOSTILE.values(), *(mutated(whole, rng) for _ in range(40))]:
        for name in ("file", "manifest.json"):
            (tmp_path / name).write_bytes(data)
        (tmp_path / "rejected.tsv.gz").write_bytes(gzip.compress(data) if data else data)
        try:
            read(tmp_path / "file")
        except MtkitError:
            caplog.clear()


@pytest.mark.parametrize(
    "name", ["a\0b", "x" * 5000, "**x/*", "[", "[!]", "*\0", "a/" * 3000, "\udcff", "~root/*"]
)
def test_a_path_of_any_name_is_read_or_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for source in (MonoSource(reader="mono", path=path), PlainSource(reader="plain", src=path, tgt=path)):
        with pytest.raises(MtkitError):
            list(read_pairs(source, "en", "fr"))


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_file_is_whole_and_nothing_follows_it(suffix: str, tmp_path: Path) -> None:
    data = b"".join(b"line %d\n" % number for number in range(500))
    packed, path = PACK[suffix](data), tmp_path / f"text{suffix}"
    for end in range(1, len(packed), 7):
        path.write_bytes(packed[:end])
        with pytest.raises(MtkitError, match="cannot be decompressed"):
            list(read_lines(path))
    path.write_bytes(packed + bytes(4) + packed)  # zeros, as .xz may have
    if suffix != ".zst":
        assert len(list(read_lines(path))) == 1000
    for rubbish in (b"rubbish", packed[:20], zlib.compress(data), b"\0\0x"):
        path.write_bytes(packed + rubbish)
        with pytest.raises(MtkitError, match="cannot be decompressed"):
            list(read_lines(path))
