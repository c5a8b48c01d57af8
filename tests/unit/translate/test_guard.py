from __future__ import annotations

import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.translate.guard import Guard, retry_options

EN_FR, EN_ZH = Guard("en", "fr"), Guard("en", "zh")


@pytest.mark.parametrize(
    ("guard", "src", "hyp"),
    [
        (EN_FR, "The cat sat on the mat.", "Le chat était assis sur le tapis."),
        (EN_FR, "", ""),
        (EN_FR, "Paris", "Paris"),
        (EN_FR, "Barack Obama, Washington", "Barack Obama, Washington"),
        (EN_FR, "no no no no no no no no no no no no", "non non non non non non non non non non non non"),
        (EN_ZH, "The cat sat on the mat.", "猫坐在垫子上。"),
        (EN_ZH, "print(len(x))", "print(len(x))"),
        (EN_ZH, "12:30 - 14:00", "12:30 - 14:00"),
    ],
)
def test_a_sound_translation_is_not_blamed(guard: Guard, src: str, hyp: str) -> None:
    assert guard.fault(src, hyp) is None


@pytest.mark.parametrize(
    ("guard", "src", "hyp", "says"),
    [
        (EN_FR, "The cat sat on the mat.", "", "empty"),
        (EN_FR, "The cat sat on the mat again.", "le chat le chat " * 12, "repeats"),
        (EN_FR, "The cat sat on the mat.", "Le chat " + "qui dormait encore " * 1 + "x" * 200, "length"),
        (EN_FR, "A long sentence, " * 20, "Une phrase.", "length"),
        (EN_FR, "The cat sat on the mat.", "the cat sat on the mat.", "source"),
        (EN_ZH, "The cat sat on the mat.", "Le chat était assis là.", "script"),
    ],
)
def test_a_translation_gone_wrong_is_seen(guard: Guard, src: str, hyp: str, says: str) -> None:
    assert says in str(guard.fault(src, hyp))


def test_the_second_search_may_not_repeat_itself() -> None:
    options = retry_options(DecodeConfig(method="sample", beam_size=2, length_penalty=0.6))
    assert (options.method, options.beam_size, options.no_repeat_ngram_size) == ("beam", 5, 3)
    assert options.length_penalty == 0.6
