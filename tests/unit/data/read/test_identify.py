"""Which language a typed line is in."""

from __future__ import annotations

import pytest

from mtkit.data.read import identify
from mtkit.data.read.identify import other_language


@pytest.mark.parametrize(
    ("text", "lang", "other"),
    [
        ("Wo ist der Bahnhof?", "en", "German"),
        ("Ich habe meinen Pass verloren.", "en", "German"),
        ("Où est la gare s’il vous plaît ?", "de", "French"),
        ("Where can I find the nearest pharmacy?", "fr", "English"),
        ("Where can I find the nearest pharmacy?", "zh", "English"),
        ("Скажите, пожалуйста, где находится вокзал?", "en", "Russian"),
        ("火车站在哪里？", "en", "text in another script"),
    ],
)
def test_a_line_in_another_language_is_recognised(text: str, lang: str, other: str) -> None:
    pytest.importorskip("py3langid")
    assert other_language(text, lang) == other


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Where is the station?", "en"),
        ("Where is the station?", "en-GB"),
        ("Hello", "en"),
        ("Hotel Paris", "en"),
        ("My name is Anna Kowalska and I live in Berlin", "en"),
        ("Press {name} to continue", "en"),
        ("No problem", "fr"),
        ("请问最近的药店在哪里？", "zh"),
        ("iPhone 15 Pro", "zh"),
        ("Jeg vil gjerne ha to billetter til Bergen.", "nb"),
        ("12:30, 45 € – 3 %", "ru"),
        ("", "en"),
        ("Wo ist der Bahnhof?", "xx"),
    ],
)
def test_a_line_that_may_be_in_the_language_is_not_remarked_on(text: str, lang: str) -> None:
    assert not other_language(text, lang)


def test_without_py3langid_the_script_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError

    monkeypatch.setattr(identify, "_identifier", missing)
    assert other_language("Где здесь ближайшая аптека?", "en") == "text in another script"
    assert not other_language("Wo ist der Bahnhof?", "en")
