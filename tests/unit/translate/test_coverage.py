from __future__ import annotations

from pathlib import Path

import pytest

from mtkit.disk.files import atomic_folder, new_file
from mtkit.runs.exports import LEXICON
from mtkit.runs.word_table import table_bytes
from mtkit.translate.coverage import USUAL, Coverage, open_coverage
from tests.support.lexicons import made_up_table


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    return Coverage(made_up_table())


def words(coverage: Coverage, src: str, tgt: str) -> tuple[list[str], list[str]]:
    found = coverage.of(src, tgt)
    return [src[slice(*span)] for span in found.missing], [tgt[slice(*span)] for span in found.invented]


def test_a_good_translation_is_covered(coverage: Coverage) -> None:
    found = coverage.of("Der Hund sieht Wasser.", "The dog sees water.")
    assert (found.missing, found.invented, found.src_share, found.tgt_share) == ((), (), 1.0, 1.0)
    assert found.detachment < USUAL


def test_omitted_and_invented_words_are_named(coverage: Coverage) -> None:
    assert words(coverage, "Der Hund sieht Brot.", "The dog sees.") == (["Brot"], [])
    assert words(coverage, "Der Hund sieht.", "The blue dog sees.") == ([], ["blue"])
    found = coverage.of("Der Hund sieht Brot.", "The dog sees.")
    assert 0 < found.src_share < 1 == found.tgt_share


def test_words_that_the_lexicon_does_not_know_are_not_judged(coverage: Coverage) -> None:
    assert words(coverage, "Der Hund krabutzelt.", "The dog frobnicates.") == ([], [])
    assert words(coverage, "???", "") == ([], [])
    found = coverage.of("Xylophon", "Something")
    assert (found.src_share, found.tgt_share, found.detachment) == (1.0, 1.0, USUAL)


def test_copied_and_similar_words_explain_each_other(coverage: Coverage) -> None:
    assert words(coverage, "Fenster", "Fenster") == ([], [])
    assert words(coverage, "Garten", "Gartenlaube 42") == ([], [])
    assert words(coverage, "Fenster", "") == (["Fenster"], [])


def test_frequent_words_are_not_reported_and_weigh_nothing(coverage: Coverage) -> None:
    assert words(coverage, "Der Baum", "tree") == ([], [])
    assert coverage.of("Der Baum", "tree").src_share == pytest.approx(1.0)


def test_detached_translations_score_higher_the_longer_they_are(coverage: Coverage) -> None:
    short, tgt = "Der Zug sieht Milch", "The mountain cooks a shoe"
    scores = [coverage.detachment(" ".join([short] * times), tgt) for times in (1, 4, 16)]
    assert USUAL < scores[0] < scores[1] < scores[2] < 1
    assert scores[0] == coverage.of(short, tgt).detachment


def test_without_lexicon_there_is_no_coverage(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "old", {"format": "mtkit-model", "version": 2}):
        pass
    assert open_coverage(tmp_path / "old") is None
    about = {"format": "mtkit-model", "version": 2}
    with atomic_folder(tmp_path / "new", about) as new, new_file(new / LEXICON) as file:
        file.write(table_bytes(made_up_table()))
    opened = open_coverage(tmp_path / "new")
    assert opened is not None
    assert words(opened, "Der Hund sieht Brot.", "The dog sees.") == (["Brot"], [])
