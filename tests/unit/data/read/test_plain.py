"""Where two sides part, found by their lengths."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mtkit.config.sources import PlainSource
from mtkit.data.read.plain import parting_line
from mtkit.data.read.readers import read_pairs
from mtkit.errors import InputError


def sides(lines: int) -> tuple[list[str], list[str]]:
    """Texts of random lengths, and translations that are 1.3 times as long, more or less."""
    rng = random.Random(7)
    lengths = [int(rng.lognormvariate(4, 0.6)) + 3 for _ in range(lines)]
    return ["s" * n for n in lengths], ["t" * max(1, int(n * rng.gauss(1.3, 0.15))) for n in lengths]


def write(folder: Path, srcs: list[str], tgts: list[str]) -> tuple[Path, Path]:
    for name, texts in (("src", srcs), ("tgt", tgts)):
        (folder / name).write_text("".join(f"{text}\n" for text in texts))
    return folder / "src", folder / "tgt"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.98])
@pytest.mark.parametrize("lost", [1, 30])
def test_the_place_of_lost_lines_is_found(share: float, lost: int, tmp_path: Path) -> None:
    srcs, tgts = sides(5000)
    line = int(share * 5000)
    src, tgt = write(tmp_path, srcs, tgts[:line] + tgts[line + lost :])
    found = parting_line(src, tgt)
    assert found is not None
    assert abs(found - (line + 1)) <= 20


def test_the_first_of_many_losses_is_found(tmp_path: Path) -> None:
    srcs, tgts = sides(5000)
    kept = [text for number, text in enumerate(tgts, start=1) if number not in (2000, 3000, 4500)]
    found = parting_line(*write(tmp_path, srcs, kept))
    assert found is not None
    assert abs(found - 2000) <= 20


def test_a_side_that_only_ends_early_parts_nowhere(tmp_path: Path) -> None:
    srcs, tgts = sides(5000)
    assert parting_line(*write(tmp_path, srcs, tgts[:4000])) is None


def test_the_message_says_both_counts_and_the_place(tmp_path: Path) -> None:
    srcs, tgts = sides(2000)
    src, tgt = write(tmp_path, srcs, tgts[:1000] + tgts[1001:])
    pairs = read_pairs(PlainSource(reader="plain", src=src, tgt=tgt), "en", "fr")
    with pytest.raises(
        InputError, match=r"has 2,000 lines, but .*tgt has 1,999; they seem to differ from about"
    ):
        next(pairs)
    write(tmp_path, srcs, tgts[:1500])
    with pytest.raises(InputError, match="1,500; they match until one ends"):
        list(read_pairs(PlainSource(reader="plain", src=src, tgt=tgt), "en", "fr"))
