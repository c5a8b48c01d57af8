from __future__ import annotations

import pytest

from mtkit.cli.bars import bar, progress_line
from mtkit.cli.columns import aligned, width_of
from mtkit.cli.console import STRONG, Styled

HEAD = ["text", "n", "score"]
ROWS = [["车站", "1,200", "9.5"], ["[bold]", "3", ""], ["a\x1bb", "", "1"]]


def lines(*args: object, **options: object) -> list[str]:
    return ["".join(parts) for parts in aligned(*args, **options)]  # type: ignore[arg-type]


def test_tables_are_aligned_by_the_width_of_characters() -> None:
    assert lines(HEAD, ROWS) == [
        "text          n  score",
        "────────  ─────  ─────",
        "车站      1,200    9.5",
        "[bold]        3",
        "a\\u001bb             1",
    ]


def test_the_columns_that_matter_stand_out() -> None:
    parts = [part for line in aligned(HEAD, ROWS, strong={"score"}) for part in line]
    assert [part for part in parts if isinstance(part, Styled) and part.style == STRONG] == ["9.5", "1"]


def test_texts_break_at_words_to_fit() -> None:
    rows = [["a long name of a corpus", "1,200", "of a long explanation too"], ["b", "7", "x"]]
    head = ["corpus", "pairs", "why"]
    assert width_of(head, rows) == 23 + 2 + 5 + 2 + 25
    assert lines(head, rows, 57) == lines(head, rows)
    assert lines(head, rows, 41) == [
        "corpus            pairs  why",
        "────────────────  ─────  ────────────────",
        "a long name of a  1,200  of a long",
        "corpus                   explanation too",
        "b                     7  x",
    ]


def test_numbers_are_never_broken() -> None:
    assert lines(["a", "b"], [["1,000,000", "2,000,000"]], 10)[2] == "1,000,000  2,000,000"


@pytest.mark.parametrize(("share", "done"), [(0.0, 0), (0.5, 10), (1.0, 20), (1.2, 20)])
def test_the_undone_part_of_a_bar_is_seen(share: float, done: int) -> None:
    assert bar(share, 20) == "━" * done + "─" * (20 - done)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_progress_has_its_numbers_first(width: int) -> None:
    label = "reading test_2016_flickr.en.gz + test_2016_flickr.de.gz"
    line = progress_line(label, 1000, 29000, 2.0, 56.0, width)
    assert line.startswith("  3% ━")
    assert " 1,000 of 29,000  0:56 left  reading t" in line
    assert len(line) <= width
    assert ("…" in line) == (width < 140)


def test_progress_of_unknown_end_has_speed_and_time() -> None:
    assert progress_line("reading", 29000, None, 2.0, None, 80) == "29,000 so far  14,500/s  0:02  reading"
    assert progress_line("reading x", 0, None, 0.0, None, 80) == "0 so far  0:00  reading x"
    assert "100%" in progress_line("encoding x", 0, 0, 1.0, None, 80)
