from __future__ import annotations

import gzip

import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.translate.guard import Guard, retry_options
from tests.support.corpora import corpus

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
        (
            EN_ZH,
            "He studied at the Massachusetts Institute of Technology.",
            "他曾就读于 Massachusetts Institute。",
        ),
        (EN_ZH, "Lambda expression", "lambda 表达式"),
        (EN_ZH, "The `read` method of a file.", "文件的 `read` 方法。"),
        (Guard("zh", "en"), "赵小兰是部长。", "Elaine Chao (赵小兰) is the secretary."),
        (Guard("en", "vi"), "Where is the library?", "Thư viện ở đâu, thưa bà Nguyễn?"),
        (EN_FR, "It cost 1,234.50 dollars in '98.", "Cela coûtait 1 234,50 dollars en 1998."),
        (EN_FR, "two million people", "2 000 000 de personnes"),
        (EN_FR, "It never, never rains.", "Il ne pleut jamais, jamais."),
        (EN_FR, "We got up.", "Nous nous sommes levés."),
        (EN_FR, "Hahaha, no!", "Hahaha, non !"),
        (EN_FR, "He came. He saw. He won.", "Il est venu, il a vu et il a vaincu."),
        (Guard("zh", "en"), "他生于一九八四年。", "He was born in 1984."),
        (
            EN_FR,
            "**Source code:** :source:`Lib/contextlib.py`",
            "**Code source :** :source:`Lib/contextlib.py`",
        ),
    ],
)
def test_a_sound_translation_is_not_blamed(guard: Guard, src: str, hyp: str) -> None:
    assert guard.fault(src, hyp) is None


@pytest.mark.parametrize(
    ("guard", "src", "hyp", "says"),
    [
        (EN_FR, "The cat sat on the mat.", "", "empty"),
        (EN_FR, "The cat sat on the mat again.", "le chat le chat " * 12, "repeats"),
        (EN_FR, "The cat sat on the mat.", "Le chat " + " ".join(map(str, range(90))), "length"),
        (EN_FR, "A long sentence, " * 20, "Une phrase.", "length"),
        (EN_FR, "The cat sat on the mat.", "the cat sat on the mat.", "source"),
        (EN_ZH, "The cat sat on the mat.", "Le chat était assis là.", "script"),
        (EN_ZH, "The cat sat on the mat and slept.", "猫 sat on the mat and slept。", "script"),
        (EN_ZH, "Good morning to you.", "Bonjour à tous et à toutes.", "script"),
        (EN_FR, "The cat sat on the mat.", "Кошка сидела на коврике.", "script"),
        (EN_FR, "The cat sat on the mat.", "Le 猫坐在垫子上 tapis.", "script"),
        (Guard("zh", "en"), "猫坐在垫子上，狗睡着了。", "The cat 坐在垫子上，狗睡着了.", "script"),
        (EN_FR, "The cat sat on the mat.", "... 12 ... 34 ...", "letters"),
        (EN_FR, "B", "Bonsonsonsons six fois.", "ons"),
        (EN_FR, "#NotHeading here", "La clilililililitetete.", "li"),
        (EN_FR, "Room 6", "Chambre 63333222222", "22222"),
        (EN_FR, "Does it end?", "Est-ce que la question question finit ?", "question question"),
        (Guard("en", "de"), "Big!", "Das ist GROSSE große Klasse.", "grosse grosse"),
        (EN_FR, "Wait!", "Attends" + "-" * 20, "-----"),
        (EN_FR, "The water is cold.", "L’eau d’ici est froide, l'eau d'ici est froide.", "l eau d ici est"),
        (Guard("en", "ru"), "Is it the end?", "Это вопрос вопрос?", "вопрос вопрос"),
        (EN_FR, "The bed was good.", "Le lit était bon et le lit était bon.", "le lit était bon"),
        (EN_FR, "A long time ago he was born there.", "En 2369, il y est né.", "2369"),
        (EN_FR, "The shop is open. It is closed on every Sunday. Please ring.", "Le magasin.", "sentences"),
    ],
)
def test_a_translation_gone_wrong_is_seen(guard: Guard, src: str, hyp: str, says: str) -> None:
    assert says in str(guard.fault(src, hyp))


def test_loops_that_people_found_are_seen_and_correct_lines_are_left_alone() -> None:
    """Half of a corpus with the bound for all of it: 55 of 87 loops, and 15 of 2,883 other lines."""
    folder = corpus("hallucinations")
    srcs, hyps, labels = (
        gzip.decompress((folder / f"hall.{name}.gz").read_bytes()).decode().split("\n")[:-1]
        for name in ("src", "mt", "labels")
    )
    guard = Guard("de", "en")
    seen = [guard.fault(src, hyp) is not None for src, hyp in zip(srcs, hyps, strict=True)]
    loops = [found for found, label in zip(seen, labels, strict=True) if "repetitions" in label]
    others = [found for found, label in zip(seen, labels, strict=True) if label == "none"]
    assert sum(loops) >= 55 / 87 * len(loops)
    assert sum(others) <= 15 / 2883 * len(others)


def test_the_second_search_may_not_repeat_itself() -> None:
    options = retry_options(DecodeConfig(method="sample", beam_size=2, length_penalty=0.6))
    assert (options.method, options.beam_size, options.no_repeat_ngram_size) == ("beam", 3, 3)
    assert options.length_penalty == 0.6
