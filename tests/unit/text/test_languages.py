"""The table of languages against CLDR, Unicode, and values written by hand from ISO 639 and ISO 15924."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import unicodedata

import pytest
from babel.core import get_global

from mtkit.text.languages import (
    BY_REGION,
    COMMON,
    UNSPACED_CHARACTERS,
    Language,
    language_of,
    same_language,
    size_of,
    standard_code,
    warn_if_unknown,
)

HAN = ("", False, True, "zh")
"""Joiner, spaced, many characters, BLEU tokeniser."""
JAPANESE = ("", False, True, "char")
KOREAN = (" ", True, True, "13a")
THAI = ("", False, False, "char")
UNSPACED = (" ", False, False, "char")
SPACED = (" ", True, False, "13a")

EXPECTED = {
    **dict.fromkeys(
        ("zh", "ZH", "zho", "chi", "cmn", "zh-CN", "zho_Hans", "zh-Hans-CN"), ("zh", "Hans", HAN)
    ),
    **dict.fromkeys(("zh-TW", "zh_HK", "zho_Hant", "zh-Hant", "cmn-Hant-TW"), ("zh", "Hant", HAN)),
    **dict.fromkeys(("yue", "yue_Hant"), ("yue", "Hant", HAN)),
    "wuu": ("wuu", "Hans", HAN),
    "zh-Latn": ("zh", "Latn", SPACED),
    **dict.fromkeys(("ja", "jpn", "jpn_Jpan", "ja-JP"), ("ja", "Jpan", JAPANESE)),
    **dict.fromkeys(("ko", "kor", "ko-KR"), ("ko", "Kore", KOREAN)),
    "kor_Hang": ("ko", "Hang", KOREAN),
    **dict.fromkeys(("th", "tha", "tha_Thai"), ("th", "Thai", THAI)),
    **dict.fromkeys(("lo", "lao", "lao_Laoo"), ("lo", "Laoo", UNSPACED)),
    **dict.fromkeys(("km", "khm", "khm_Khmr"), ("km", "Khmr", UNSPACED)),
    **dict.fromkeys(("my", "mya", "bur", "mya_Mymr"), ("my", "Mymr", UNSPACED)),
    **dict.fromkeys(("bo", "bod", "tib", "bod_Tibt"), ("bo", "Tibt", UNSPACED)),
    **dict.fromkeys(("jv", "jav", "jav_Latn"), ("jv", "Latn", SPACED)),
    **dict.fromkeys(("fi", "fin", "fin_Latn"), ("fi", "Latn", SPACED)),
    **dict.fromkeys(("tl", "tgl", "fil", "tgl_Latn"), ("tl", "Latn", SPACED)),
    **dict.fromkeys(("en", "eng", "eng_Latn", "en-GB", "EN_us"), ("en", "Latn", SPACED)),
    **dict.fromkeys(("de", "deu", "ger", "de-CH-1996"), ("de", "Latn", SPACED)),
    **dict.fromkeys(("fr", "fra", "fre", "fr-419"), ("fr", "Latn", SPACED)),
    **dict.fromkeys(("sr", "srp", "srp_Cyrl", "sr-RS"), ("sr", "Cyrl", SPACED)),
    **dict.fromkeys(("srp_Latn", "sh", "hbs", "sr-ME"), ("sr", "Latn", SPACED)),
    **dict.fromkeys(("he", "heb", "iw"), ("he", "Hebr", SPACED)),
    **dict.fromkeys(("id", "ind", "in"), ("id", "Latn", SPACED)),
    **dict.fromkeys(("ar", "ara", "arb_Arab"), ("ar", "Arab", SPACED)),
    **dict.fromkeys(("fa", "fas", "per", "pes_Arab", "prs_Arab"), ("fa", "Arab", SPACED)),
    **dict.fromkeys(("hi", "hin", "hin_Deva"), ("hi", "Deva", SPACED)),
    "hi-Latn": ("hi", "Latn", SPACED),
    **dict.fromkeys(("no", "nor"), ("no", "Latn", SPACED)),
    **dict.fromkeys(("nb", "nob", "nob_Latn"), ("nb", "Latn", SPACED)),
    "az-IR": ("az", "Arab", SPACED),
    "pa-PK": ("pa", "Arab", SPACED),
    "zgh": ("zgh", "Tfng", SPACED),
    "ckb_Arab": ("ckb", "Arab", SPACED),
    **dict.fromkeys(("xx", "XX"), ("xx", "Zzzz", SPACED)),
}


@pytest.mark.parametrize("code", EXPECTED)
def test_a_code_names_a_language_and_how_it_is_written(code: str) -> None:
    name, script, facts = EXPECTED[code]
    found = language_of(code)
    assert (found.code, found.script) == (name, script)
    assert (found.joiner, found.spaced, found.many_characters, found.bleu_tokenizer) == facts


def test_the_common_languages_are_as_in_cldr() -> None:
    aliases, likely = get_global("language_aliases"), get_global("likely_subtags")
    assert {code: likely[code].split("_")[1] for code in COMMON} == COMMON
    assert {code: aliases[code] for code in COMMON if code in aliases} == {"tl": "fil"}
    by_region = {
        name.split("_")[0]
        for name, full in likely.items()
        if (parts := name.split("_"))[0] in COMMON and len(parts) == 2 and len(parts[1]) == 2
        if full.split("_")[1] != COMMON[parts[0]]
    }
    assert by_region == BY_REGION


def test_three_letters_are_the_language_of_two() -> None:
    aliases = get_global("language_aliases")
    twos = {three: two for three, two in aliases.items() if len(three) == 3 and len(two) == 2}
    assert len(twos) > 180
    differing = {three: two for three, two in twos.items() if language_of(three) != language_of(two)}
    assert differing == {}
    assert all(language_of(f"{three}_Latn").script == "Latn" for three in twos)


def test_common_codes_need_no_babel() -> None:
    codes = [*COMMON, "en-US", "pt-BR", "zh_Hans", "ru-RU"]
    script = (
        "import sys; from mtkit.text.languages import language_of, same_language\n"
        f"[language_of(code) for code in {codes}]; same_language('en', 'en-GB')\n"
        "print('babel' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


NAMES = {
    "Latn": "LATIN", "Grek": "GREEK", "Cyrl": "CYRILLIC", "Armn": "ARMENIAN", "Hebr": "HEBREW",
    "Arab": "ARABIC", "Beng": "BENGALI", "Deva": "DEVANAGARI", "Gujr": "GUJARATI", "Guru": "GURMUKHI",
    "Knda": "KANNADA", "Mlym": "MALAYALAM", "Orya": "ORIYA", "Sinh": "SINHALA", "Taml": "TAMIL",
    "Telu": "TELUGU", "Geor": "GEORGIAN", "Ethi": "ETHIOPIC", "Tfng": "TIFINAGH", "Thai": "THAI",
    "Laoo": "LAO", "Tibt": "TIBETAN", "Khmr": "KHMER", "Mymr": "MYANMAR", "Hans": "CJK UNIFIED",
    "Hant": "CJK UNIFIED", "Hira": "HIRAGANA", "Kana": "KATAKANA", "Jpan": "HIRAGANA",
    "Kore": "HANGUL SYLLABLE", "Hang": "HANGUL SYLLABLE",
}  # fmt: skip


@pytest.mark.parametrize("script", NAMES)
def test_letters_of_a_script_begin_with_its_bytes(script: str) -> None:
    first = 0x4E00 if script in {"Hans", "Hant"} else 0x41  # before it there are rare Han characters
    chars = [chr(n) for n in range(first, 0xD7A4) if chr(n).isalpha()]
    own = [char for char in chars if unicodedata.name(char, "").startswith(f"{NAMES[script]} ")]
    letters = language_of(f"und-{script}").letters
    basic = own[:40]  # the most usual ones come first in each block
    assert len(basic) >= 20
    assert all(char.encode()[0] in letters for char in basic)
    assert ord("a") not in letters or script == "Latn"


@pytest.mark.parametrize("code", ["sr", "uz", "pa", "kk", "sr-RS", "xx", "en-Shaw"])
def test_any_letters_do_where_the_script_is_not_certain(code: str) -> None:
    letters = language_of(code).letters
    assert all(text.encode()[0] in letters for text in ("a", "љ", "ا", "ਅ", "中"))


def test_a_script_in_the_code_is_certain() -> None:
    assert language_of("srp_Latn").letters == language_of("en").letters
    assert language_of("sr-Cyrl").letters == language_of("ru").letters


def test_how_much_a_character_says() -> None:
    assert size_of("jpn")("日本") == size_of("ja")("日本") == pytest.approx(0.8 * 6)
    assert size_of("cmn")("中国") == 6
    assert size_of("eng_Latn")("né") == 2


def test_lines_break_between_the_characters_of_unspaced_scripts() -> None:
    assert re.fullmatch(f"[{UNSPACED_CHARACTERS}]+", "中国語日本語ひらがなカタカナ、。ภาษาไทย")
    assert not re.search(f"[{UNSPACED_CHARACTERS}]", "aé ΩЖאع한국어")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("en", "eng", True), ("en", "EN-us", True), ("en-US", "eng_Latn", True), ("en-US", "en-GB", False),
        ("zho", "zh-TW", True), ("zh-Hant", "zh-TW", True), ("zho_Hans", "zh-CN", True),
        ("zh-CN", "zh-TW", False), ("zho_Hans", "zh-TW", False), ("sr-Latn", "sr", True),
        ("sr-Latn", "sr-Cyrl", False), ("iw", "he-IL", True), ("ja", "jav", False), ("fi", "fil", False),
        ("tl", "fil", True), ("", "en", False), ("*all*", "en", False), ("de_DE@euro", "deu", True),
        ("pt", "pt-BR", True), ("pt-PT", "por-BR", False),
    ],
)  # fmt: skip
def test_same_language(one: str, other: str, same: bool) -> None:
    assert same_language(one, other) is same_language(other, one) is same


def test_the_standard_spelling_of_a_code() -> None:
    found = [standard_code(code) for code in ("zho_tw", "SRP-latn-rs", "eng", "zh", "sh", "fr-FR")]
    assert found == ["zh-TW", "sr-Latn-RS", "en", "zh", "sr-Latn", "fr-FR"]


@pytest.mark.parametrize(
    "code", ["", "-", "_", "é", "x" * 100_000, "zh-" * 5000, "i-klingon", "\0", "en--", "@"]
)
def test_any_text_of_a_file_may_stand_for_a_code(code: str) -> None:
    assert isinstance(language_of(code), Language)
    assert same_language(code, code)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("jp", "jp: unknown language code. Did you mean ja (Japanese)?"),
        ("cn", "Did you mean zh (Chinese)?"),
        ("cz", "Did you mean cs (Czech)?"),
        ("gr-GR", "gr-GR: unknown language code. Did you mean el (Greek)?"),
        ("egn", "Did you mean en (English)?"),
        ("xx", "Use an ISO 639 code such as en or eng."),
    ],
)
def test_an_unknown_code_gives_one_warning(code: str, says: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_if_unknown(code, "en", code)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert says in record.getMessage()


def test_known_codes_give_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    rare = ["haw", "yue", "ckb", "tzm_Tfng", "mul", "la", "twi_Latn", "nso", "quy", "ast-ES", "fil"]
    warn_if_unknown(*COMMON, *get_global("language_aliases"), *rare)
    assert caplog.records == []
