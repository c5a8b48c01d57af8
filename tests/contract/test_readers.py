"""What every reader must do: give all pairs in order and untouched, name the place of a fault, stream."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mtkit.config.schema import PhrasebookSource, PlainSource, Source, TsvSource
from mtkit.data.readers import read_pairs, source_files, source_name
from mtkit.errors import InputError
from tests.corpora import corpus

Texts = Iterable[tuple[str, str]]
AWKWARD = [
    ("Hello.", "Bonjour."),
    ("", ""),
    (" spaces ", "espaces\u00a0"),
    ("next\x85line", "ligne\u2028s\u00e9par\u00e9e"),
    ("\x0bvertical\x0c", "\x1cfile\x1d"),
    ("nul\x00", "\x1b[31m"),
    ("\U0001f468\u200d\U0001f469", "\u05e9\u05dc\u05d5\u05dd"),
    ("carriage\rreturn", "e\u0301"),
    ("x" * 1_000_000, "y"),
]


def plain(folder: Path, texts: Texts) -> Source:
    with (folder / "a.src").open("wb") as src, (folder / "a.tgt").open("wb") as tgt:
        for one, other in texts:
            src.write(f"{one}\n".encode())
            tgt.write(f"{other}\n".encode())
    return PlainSource(reader="plain", src=folder / "a.src", tgt=folder / "a.tgt")


def tsv(folder: Path, texts: Texts) -> Source:
    with (folder / "a.tsv").open("wb") as file:
        file.writelines(f"{tgt}\t17\t{src}\tmore\n".encode() for src, tgt in texts)
    return TsvSource(reader="tsv", path=folder / "a.tsv", src_column=3, tgt_column=1)


Writer = Callable[[Path, Texts], Source]
WRITERS = pytest.mark.parametrize("write", [plain, tsv])


@WRITERS
def test_awkward_text_comes_back_as_it_was(write: Writer, tmp_path: Path) -> None:
    source = write(tmp_path, AWKWARD)
    assert [(pair.src, pair.tgt) for pair in read_pairs(source, "en", "fr")] == AWKWARD


@WRITERS
def test_origin_is_file_and_line(write: Writer, tmp_path: Path) -> None:
    source = write(tmp_path, AWKWARD)
    file = source_files(source)[0]
    assert [pair.origin for pair in read_pairs(source, "en", "fr")] == [
        f"{file}:{number}" for number in range(1, len(AWKWARD) + 1)
    ]


@WRITERS
def test_memory_does_not_grow_with_the_corpus(write: Writer, tmp_path: Path) -> None:
    def peak(pairs: int) -> int:
        source = write(tmp_path, (("some source text", "some target text") for _ in range(pairs)))
        tracemalloc.start()
        assert sum(1 for _ in read_pairs(source, "en", "fr")) == pairs
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(10)
    # 20,000 more pairs would take 2 MB and more, were they kept; what may differ is how full a buffer is.
    assert peak(20_100) < peak(100) + 300_000


@WRITERS
def test_an_empty_corpus_has_no_pairs(write: Writer, tmp_path: Path) -> None:
    assert list(read_pairs(write(tmp_path, []), "en", "fr")) == []


@WRITERS
def test_a_missing_file_is_named(write: Writer, tmp_path: Path) -> None:
    source = write(tmp_path, AWKWARD)
    file = source_files(source)[-1]
    file.unlink()
    with pytest.raises(InputError, match=f"{file}: there is no such file"):
        list(read_pairs(source, "en", "fr"))


@WRITERS
def test_it_has_a_name_for_tables(write: Writer, tmp_path: Path) -> None:
    assert source_name(write(tmp_path, [])) in {"a.src + a.tgt", "a.tsv"}


# ---------------------------------------------------------------- each reader's own faults


@pytest.mark.parametrize(("src", "tgt"), [(5, 3), (3, 5), (0, 1)])
def test_plain_refuses_unequal_sides_with_both_counts(src: int, tgt: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n" * src)
    (tmp_path / "b").write_text("y\n" * tgt)
    pairs = read_pairs(PlainSource(reader="plain", src=tmp_path / "a", tgt=tmp_path / "b"), "en", "fr")
    assert len(list(itertools.islice(pairs, min(src, tgt)))) == min(src, tgt)
    with pytest.raises(InputError) as caught:
        next(pairs)
    assert caught.value.message == f"{tmp_path / 'a'}: has {src} lines, but {tmp_path / 'b'} has {tgt}."
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("line", "columns", "message"),
    [
        ("only one", None, "expected at least 2 columns, found 1."),
        ("", None, "expected at least 2 columns, found 1."),
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


def test_phrasebook_gives_what_was_asked_for() -> None:
    pytest.importorskip("mtkit.data.phrasebook.compose", exc_type=ImportError)
    source = PhrasebookSource(reader="phrasebook", split="valid", pairs=20)
    pairs = list(read_pairs(source, "en", "fr"))
    assert len(pairs) == 20
    assert all(pair.src and pair.tgt for pair in pairs)
    assert pairs == list(read_pairs(source, "en", "fr"))
    assert source_files(source)
    assert source_name(source) == "phrasebook valid"


def test_a_next_line_character_in_a_real_corpus_shifts_nothing() -> None:
    folder = corpus("wmt")
    source = PlainSource(reader="plain", src=folder / "newstest2009.en.gz", tgt=folder / "newstest2009.de.gz")
    pairs = list(read_pairs(source, "en", "de"))
    assert len(pairs) == 2525
    found = [number for number, pair in enumerate(pairs, start=1) if "\x85" in pair.tgt]
    assert found == [1368, 1407, 1436, 1438, 1480, 1486]
