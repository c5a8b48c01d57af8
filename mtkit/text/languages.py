"""What a language's writing says without a model: its script, its spaces, how much a character carries."""

from __future__ import annotations

import re
from collections.abc import Callable

_LATIN = [*range(0x41, 0x5B), *range(0x61, 0x7B), *range(0xC3, 0xCB)]
_SCRIPTS = {
    "Latn": _LATIN,
    "Grek": [0xCD, 0xCE, 0xCF],
    "Cyrl": range(0xD0, 0xD5),
    "Armn": [0xD4, 0xD5, 0xD6],
    "Hebr": [0xD6, 0xD7],
    "Arab": range(0xD8, 0xDE),
    "Indic": [0xE0],
    "Geor": [0xE1],
    "Ethi": [0xE1],
    "Khmr": [0xE1],
    "Mymr": [0xE1],
    "Hani": range(0xE4, 0xEA),
    "Jpan": range(0xE3, 0xEA),
    "Kore": range(0xE4, 0xEE),
    "any": [*_LATIN, *range(0xCB, 0xE2), *range(0xE3, 0xEF), 0xF0],
}
"""The bytes that a letter of the script begins with in UTF-8; other scripts may share some of them."""

_LANGUAGES = {
    "Latn": "af az bs ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl pt ro "
    "sk sl sq sv sw tl tr vi",
    "Grek": "el",
    "Cyrl": "be bg ky mk ru tg uk",
    "Armn": "hy",
    "Hebr": "he yi",
    "Arab": "ar fa ps ur",
    "Indic": "as bn gu hi kn lo ml mr ne or si ta te th",
    "Geor": "ka",
    "Ethi": "am ti",
    "Khmr": "km",
    "Mymr": "my",
    "Hani": "zh yue",
    "Jpan": "ja",
    "Kore": "ko",
}
_SCRIPT_OF = {language: script for script, names in _LANGUAGES.items() for language in names.split()}

_UNSPACED = {"zh", "yue", "ja", "th", "lo", "km", "my", "bo"}

_BYTE_SIZE = {"zh": 1.0, "yue": 1.0, "ja": 0.8, "ko": 0.8}
"""Characters of a European language that say what one UTF-8 byte of these says; a Han character has three.

Chinese measured on FLORES-200; Japanese and Korean sentences there are a quarter longer in bytes.
"""


def main_language(language: str) -> str:
    """The language without region and script: `zh` of `zh-Hant`."""
    return re.split("[-_]", language)[0].lower()


def is_spaced(language: str) -> bool:
    """Whether words are written with spaces between them."""
    return main_language(language) not in _UNSPACED


LATIN = bytes(_LATIN)
"""The bytes that Latin letters begin with, which texts in any script may have."""


def letter_bytes(language: str) -> bytes:
    """The bytes that letters of the language begin with; of any script if its own is not certain.

    A script in the name, as in `sr-Latn`, is taken as not certain.
    """
    certain = not re.search("[-_][A-Za-z]{4}(?![A-Za-z])", language) or main_language(language) == "zh"
    script = _SCRIPT_OF.get(main_language(language), "any") if certain else "any"
    return bytes(_SCRIPTS[script])


def byte_size(language: str) -> float | None:
    """What one UTF-8 byte counts for in the size of a text; None where a character counts for one."""
    return _BYTE_SIZE.get(main_language(language))


def size_of(language: str) -> Callable[[str], float]:
    """A measure of how much a text says, about the same for translations of each other."""
    weight = byte_size(language)
    if weight is None:
        return len
    return lambda text: weight * len(text.encode())
