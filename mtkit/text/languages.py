"""The one table of languages: what a language code says about how text is written.

Aliases and scripts come from CLDR through `babel`, and everything else follows from the script. Because babel
takes 0.05 s to import, the common languages are also listed here; a test compares the list with CLDR.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Language:
    """A language as its text is written.

    Attributes:
        code: the language alone, in two letters where ISO 639 has two: `zh` for zho, cmn and zh-Hant.
        script: its ISO 15924 code, such as Latn; Zzzz if unknown.
        letters: the first bytes of letters in UTF-8; of letters in any script if the script is not certain.
        spaced: whether words are separated by spaces.
        joiner: what separates two sentences.
        many_characters: whether the script has thousands of characters.
        bleu_tokenizer: the sacreBLEU tokeniser that splits text into words.
        byte_size: how many characters of a European language say as much as one UTF-8 byte of this language;
            None if one character says as much as one.
    """

    code: str = "und"
    script: str = "Zzzz"
    letters: bytes = b""
    spaced: bool = True
    joiner: str = " "
    many_characters: bool = False
    bleu_tokenizer: str = "13a"
    byte_size: float | None = None

    @property
    def alphabet(self) -> str:
        """The letters as ranges of characters, for the brackets of a pattern."""
        return "".join(map(_range, self.letters))


def _alphabet(*begins: int) -> Language:
    return Language(letters=bytes(begins))


def _range(first: int) -> str:
    """The characters that begin with this byte in UTF-8, as a range."""
    if first < 0x80:
        return chr(first)
    if first < 0xE0:
        return f"{chr((first & 0x1F) << 6)}-{chr((first & 0x1F) << 6 | 0x3F)}"
    if first < 0xF0:
        return f"{chr(max((first & 0x0F) << 12, 0x800))}-{chr((first & 0x0F) << 12 | 0xFFF)}"
    return "\U00010000-\U0010ffff"


LATIN = bytes([*range(0x41, 0x5B), *range(0x61, 0x7B), *range(0xC3, 0xCB)])
"""The first bytes of Latin letters, which may occur in text of any script."""

_ANY = _alphabet(*LATIN, *range(0xCB, 0xE2), *range(0xE3, 0xEF), 0xF0)
_UNSPACED = Language(spaced=False, bleu_tokenizer="char")
_THAI = replace(_UNSPACED, letters=b"\xe0", joiner="")
# A Han character has three bytes. Chinese was measured on FLORES-200; sentences in Japanese and Korean are a
# quarter longer there in bytes.
_HAN = replace(
    _THAI, letters=bytes(range(0xE4, 0xEA)), many_characters=True, bleu_tokenizer="zh", byte_size=1.0
)
_JAPANESE = replace(_HAN, letters=bytes(range(0xE3, 0xEA)), bleu_tokenizer="char", byte_size=0.8)
_KOREAN = replace(_alphabet(*range(0xE4, 0xEE)), many_characters=True, byte_size=0.8)

_SCRIPTS = {
    "Latn": _alphabet(*LATIN),
    "Grek": _alphabet(0xCD, 0xCE, 0xCF),
    "Cyrl": _alphabet(*range(0xD0, 0xD5)),
    "Armn": _alphabet(0xD4, 0xD5, 0xD6),
    "Hebr": _alphabet(0xD6, 0xD7),
    "Arab": _alphabet(*range(0xD8, 0xDE)),
    **dict.fromkeys(
        ("Beng", "Deva", "Gujr", "Guru", "Knda", "Mlym", "Orya", "Sinh", "Taml", "Telu"), _alphabet(0xE0)
    ),
    **dict.fromkeys(("Geor", "Ethi"), _alphabet(0xE1)),
    "Tfng": _alphabet(0xE2),
    "Thai": _THAI,
    **dict.fromkeys(("Laoo", "Tibt"), replace(_UNSPACED, letters=b"\xe0")),
    **dict.fromkeys(("Khmr", "Mymr"), replace(_UNSPACED, letters=b"\xe1")),
    **dict.fromkeys(("Hani", "Hans", "Hant"), _HAN),
    **dict.fromkeys(("Jpan", "Hira", "Kana", "Hrkt"), _JAPANESE),
    **dict.fromkeys(("Kore", "Hang"), _KOREAN),
}
"""How each script is written. For other scripts, mtkit assumes spaces and accepts letters of any script."""

UNSPACED_CHARACTERS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uff65\u3000-\u303f"
"""Thai, kana and Han: lines may break between them without a space. For the brackets of a pattern."""

_COMMON = {
    "Latn": "af az bs ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl pt ro "
    "sk sl sq sv sw tl tr vi",
    "Grek": "el",
    "Cyrl": "be bg ky mk ru tg uk",
    "Armn": "hy",
    "Hebr": "he yi",
    "Arab": "ar fa ps ur",
    "Beng": "as bn",
    "Deva": "hi mr ne",
    "Gujr": "gu",
    "Knda": "kn",
    "Mlym": "ml",
    "Orya": "or",
    "Sinh": "si",
    "Taml": "ta",
    "Telu": "te",
    "Thai": "th",
    "Laoo": "lo",
    "Geor": "ka",
    "Ethi": "am ti",
    "Khmr": "km",
    "Mymr": "my",
    "Hans": "zh",
    "Hant": "yue",
    "Jpan": "ja",
    "Kore": "ko",
}
COMMON = {code: script for script, codes in _COMMON.items() for code in codes.split()}
"""The script of each language that needs no babel. It is treated as certain."""

BY_REGION = {"az", "ky", "ms", "tg", "yue", "zh"}
"""The common languages whose script depends on the region, as in zh-TW."""

_OTHER_NAMES = {"fil": "tl"}
"""Languages for which CLDR prefers a code other than that of ISO 639-1, which other tools use."""


class _Tag(NamedTuple):
    """The parts of a code; empty if absent."""

    code: str
    script: str
    region: str


@lru_cache(maxsize=1024)
def language_of(code: str) -> Language:
    """The language of a code: two or three letters of ISO 639, optionally with a script and a region."""
    tag = _parse(code)
    script, certain = _script_of(tag)
    row = _SCRIPTS.get(script, _ANY)
    return replace(row, code=tag.code, script=script, letters=row.letters if certain else _ANY.letters)


def size_of(code: str) -> Callable[[str], float]:
    """A measure of how much a text says, about the same for translations of each other."""
    weight = language_of(code).byte_size
    if weight is None:
        return len
    return lambda text: weight * len(text.encode())


@lru_cache(maxsize=1024)
def same_language(found: str, wanted: str) -> bool:
    """Whether two codes name the same language, or one of them a variety of the other.

    `zho` and `zh-TW` match, and so do `zh-Hant` and `zh-TW`; `zh-CN` and `zh-TW` do not.
    """
    one, other = _parse(found), _parse(wanted)
    if one.code != other.code:
        return False
    if not any(one[1:]) or not any(other[1:]):
        return True
    same_region = one.region == other.region or not (one.region and other.region)
    return same_region and _script_of(one)[0] == _script_of(other)[0]


def standard_code(code: str) -> str:
    """The code in its usual spelling: `zh-TW` for zho_tw."""
    return "-".join(filter(None, _parse(code)))


def english_name(code: str) -> str:
    """The English name of a language, or the code itself if it has none."""
    return _english_names().get(language_of(code).code, code)


def is_known(code: str) -> bool:
    """Whether CLDR knows the language of a code."""
    first = _first(code)
    return first in COMMON or first in _aliases() or first in _likely() or first in _english_names()


def _first(code: str) -> str:
    return re.split("[-_]", code)[0].lower()


def warn_if_unknown(*codes: str) -> None:
    """Warns once about each code that CLDR does not know, and suggests another."""
    for code in dict.fromkeys(codes):
        if not is_known(code):
            meant = _meant(_first(code))
            logger.warning(
                "%s: unknown language code. %s mtkit assumes words with spaces, in any script.",
                code,
                f"Did you mean {meant} ({english_name(meant)})?"
                if meant
                else "Use an ISO 639 code such as en or eng.",
            )


def _meant(code: str) -> str | None:
    """The language of a country if `code` is one, such as jp; else a common one with a similar code."""
    from difflib import get_close_matches

    if likely := _likely().get(f"und_{code.upper()}"):
        return likely.partition("_")[0]
    near = get_close_matches(code, [name for name, main in _aliases().items() if main in COMMON], 1)
    return _aliases()[near[0]] if near else None


def _parse(code: str) -> _Tag:
    """The parts of a code, with aliases resolved."""
    first, *others = re.split("[-_]", code)
    first = first.lower()
    # An alias may name more than the language, as sr_Latn for sh; parts of the code itself come first.
    main, *more = [first] if first in COMMON else _aliases().get(first, first).split("_")
    parts = [*others, *more]
    script = next((part for part in parts if re.fullmatch("[A-Za-z]{4}", part)), "")
    region = next((part for part in parts if re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part)), "")
    return _Tag(_OTHER_NAMES.get(main, main), script.title(), region.upper())


def _script_of(tag: _Tag) -> tuple[str, bool]:
    """The script, and whether it is certain: one of several scripts is certain only if the code names it."""
    if tag.script:
        return tag.script, True
    if tag.code in COMMON and not (tag.region and tag.code in BY_REGION):
        return COMMON[tag.code], True
    likely = _likely().get(f"{tag.code}_{tag.region}") or _likely().get(tag.code) or "und_Zzzz"
    script = likely.split("_")[1]
    return script, tag.code in COMMON or _scripts_of(tag.code) == {script}


@cache
def _scripts_of(code: str) -> set[str]:
    """The scripts of a language in all regions."""
    return {
        likely.split("_")[1]
        for name, likely in _likely().items()
        if name == code or name.startswith(f"{code}_")
    }


def _aliases() -> Mapping[str, str]:
    from babel.core import get_global

    return get_global("language_aliases")


def _likely() -> Mapping[str, str]:
    """The full form of codes that leave out the script or the region, such as zh_Hant_TW for zh_TW."""
    from babel.core import get_global

    return get_global("likely_subtags")


def _english_names() -> Mapping[str, str]:
    from babel import Locale

    return Locale("en").languages
