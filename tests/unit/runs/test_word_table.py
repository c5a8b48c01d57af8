from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mtkit.disk.files import atomic_folder, new_file
from mtkit.errors import InputError
from mtkit.runs.exports import LEXICON
from mtkit.runs.word_table import Links, WordTable, parse_table, read_table, table_bytes


def table() -> WordTable:
    forward = Links([0, 2, 3], [1, 0, 2], bytes([255, 100, 30]))
    backward = Links([0, 1, 1, 2], [0, 1], bytes([200, 10]))
    words = (["haus", "é"], ["the", "house", "x"])
    return WordTable(("de", "en"), 10, words, ([9, 4], [8, 5, 2]), (forward, backward))


def parse(raw: bytes) -> WordTable:
    return parse_table(raw, Path("lexicon.bin"))


def test_what_is_written_is_read_back() -> None:
    read, given = parse(table_bytes(table())), table()
    assert (read.langs, read.num_pairs, read.words) == (given.langs, given.num_pairs, given.words)
    for side in (0, 1):
        assert list(read.counts[side]) == given.counts[side]
        for word in range(len(given.words[side])):
            assert read.links[side].of(word) == given.links[side].of(word)
    assert read.links[0].of(0) == [(1, 1.0), (0, pytest.approx((100 / 255) ** 2))]
    assert table_bytes(read) == table_bytes(given)


def parts() -> tuple[dict[str, object], bytes]:
    _, head, packed = table_bytes(table()).split(b"\n", 2)
    return json.loads(head), zlib.decompress(packed)


def forged(head: object, body: bytes) -> bytes:
    return b"mtkit-lexicon 1\n" + json.dumps(head).encode() + b"\n" + zlib.compress(body)


def with_size(side: int, name: str, value: object) -> bytes:
    head, body = parts()
    head["sizes"][side][name] = value  # type: ignore[index]
    return forged(head, body)


def test_the_forger_of_these_tests_can_write_a_good_file() -> None:
    assert parse(forged(*parts())).words == table().words


@pytest.mark.parametrize(
    "forge",
    [
        lambda: b"",
        lambda: b"mtkit-lexicon 2\n{}\n",
        lambda: b"mtkit-lexicon 1\n{}\n",
        lambda: b"mtkit-lexicon 1\n[1]\n",
        lambda: b"mtkit-lexicon 1\n" + b"[" * 100_000,
        lambda: table_bytes(table())[:-3],
        lambda: with_size(0, "words", 3),
        lambda: with_size(0, "words", -1),
        lambda: with_size(0, "words", 1 << 60),
        lambda: with_size(1, "links", True),
        lambda: with_size(1, "text", "7"),
        lambda: forged(parts()[0], parts()[1] + b"\0"),
        lambda: forged(parts()[0], b"\0" * (1 << 28)),
        lambda: forged(parts()[0], parts()[1].replace(b"haus", b"\xff\xffus")),
        lambda: forged(parts()[0], parts()[1].replace(b"the\nhouse", b"the\nthe\nx")),
        lambda: forged(parts()[0] | {"langs": ["de"]}, parts()[1]),
        lambda: forged(parts()[0] | {"langs": [1, 2]}, parts()[1]),
        lambda: forged(parts()[0] | {"pairs": -1}, parts()[1]),
    ],
)
def test_a_damaged_or_forged_file_is_refused(forge: Callable[[], bytes]) -> None:
    with pytest.raises(InputError, match=r"lexicon\.bin") as caught:
        parse(forge())
    assert caught.value.exit_code == 3


def test_links_to_words_that_are_not_there_are_refused() -> None:
    good = table()
    bad = Links(good.links[0].offsets, [1, 0, 3], good.links[0].probs)
    with pytest.raises(InputError, match="not there"):
        parse(table_bytes(WordTable(good.langs, 10, good.words, good.counts, (bad, good.links[1]))))


def write(folder: Path, content: bytes | None) -> None:
    with atomic_folder(folder, {"format": "mtkit-model", "version": 2}) as new:
        if content is not None:
            with new_file(new / LEXICON) as file:
                file.write(content)


def test_a_folder_without_lexicon_has_none(tmp_path: Path) -> None:
    write(tmp_path / "m", None)
    assert read_table(tmp_path / "m") is None
    assert read_table(tmp_path) is None
    (tmp_path / "m" / LEXICON).write_bytes(table_bytes(table()))  # which the manifest does not list
    assert read_table(tmp_path / "m") is None


def test_a_changed_or_missing_lexicon_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write(folder, table_bytes(table()))
    assert read_table(folder) is not None
    content = bytearray((folder / LEXICON).read_bytes())
    content[-1] ^= 1
    (folder / LEXICON).write_bytes(content)
    with pytest.raises(InputError, match="has changed"):
        read_table(folder)
    (folder / LEXICON).unlink()
    with pytest.raises(InputError, match="missing"):
        read_table(folder)
