"""Finds out which languages data are in: from the names of files and columns, and from texts by py3langid."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from mtkit.text.languages import BY_REGION, COMMON, english_name, language_of, same_language, standard_code

_CODE = r"[A-Za-z]{2,3}(?:[-_](?:[A-Z]{2}|XX|Han[st]|Latn|Cyrl))?"
_PAIR = re.compile(rf"(?<![A-Za-z])({_CODE})(?:-|_|2|→|->|-to-|_to_)({_CODE})(?![A-Za-z])")
_WORD = re.compile(rf"(?<![A-Za-z])({_CODE})(?![A-Za-z])")

_REMARK = re.compile(r"\s*\([^()]*\)$")
_NAME = re.compile(r"[^\s\d_.,;:!?-]{4,}(?: [^\s\d_.,;:!?-]+)?|[^\x00-\x7f]{2,}")
"""What may be the name of a language; an ASCII word of three letters is rather a code."""

_MAX_CHARS = 20_000
"""Most characters of text that are looked at; a few hundred are enough."""
_MIN_CHARS = 20
_MIN_PROBABILITY = 0.8
_FEW_BYTES, _FEW_WORDS, _ALMOST_SURE = 10, 3, 0.85
"""For one line. `Good morning` is English with 0.16, `Wo ist der Bahnhof?` German with 0.96."""
_ALIKE = ({"no", "nb", "nn", "da"}, {"hr", "sr", "bs"}, {"id", "ms"}, {"cs", "sk"}, {"pt", "gl", "es"})
"""Languages that are easily taken for each other."""


def code_of(word: str) -> str | None:
    """The code of a language that a word names; None for any other word.

    It may be `fr`, `fra`, `fr_FR`, `French`, `French (France)`, or a name in another language: `français`.
    """
    word = _REMARK.sub("", word.strip())
    if named := _names().get(word.lower()):
        return named
    if _NAME.fullmatch(word) and (named := _foreign_names().get(word.lower())):
        return named
    if not re.fullmatch(_CODE, word):
        return None
    first = re.split("[-_]", word)[0].lower()
    code = language_of(first).code if len(first) == 3 else first
    return standard_code(re.sub("[-_]XX$", "", word)) if code in COMMON else None


def short_code(code: str) -> str:
    """A code without the region, which no model needs unless it decides the script; empty if it is empty."""
    if not code:
        return ""
    standard, language = standard_code(code), language_of(code).code
    has_script = any(len(part) == 4 for part in standard.split("-")[1:])
    return standard if has_script or language in BY_REGION else language


def codes_in(name: str) -> list[str]:
    """The languages that stand in a name such as `news.en-fr.tsv` or `train.fr`, in order; often none.

    A single word counts only as the last part of a name, because `my.tsv` and `no.csv` are no languages.
    """
    for found in _PAIR.finditer(name):
        codes = [code_of(found[1]), code_of(found[2])]
        if all(codes) and codes[0] != codes[1]:
            return [code for code in codes if code]
    last = re.split(r"[.]", name)[-1]
    code = code_of(last) if "." in name else None
    return [code] if code else []


def differing_codes(one: str, other: str) -> tuple[str, str] | None:
    """The languages of two files from the words in which their names differ; None if they do not say."""
    words = [[found[1] for found in _WORD.finditer(re.sub("_", ".", name))] for name in (one, other)]
    words = [[word for word in mine if word not in theirs] for mine, theirs in (words, words[::-1])]
    found = [[code for word in side if (code := code_of(word))] for side in words]
    if found[0] and found[1]:
        return found[0][-1], found[1][-1]
    return None


def identify(texts: Iterable[str]) -> str | None:
    """The language of most of these texts; None if it is not clear, or py3langid is not installed."""
    joined, size = list[str](), 0
    for text in texts:
        joined.append(text)
        size += len(text)
        if size > _MAX_CHARS:
            break
    if size < _MIN_CHARS:
        return None
    try:
        identifier = _identifier()
    except ImportError:
        return None
    label, probability = identifier.classify(" ".join(joined)[:_MAX_CHARS])
    return str(label) if probability >= _MIN_PROBABILITY else None


def other_language(text: str, lang: str) -> str:
    """The language or script of a line that is hardly in `lang`; empty if it may be in `lang`.

    Fewer than three words are judged by their script alone, and so is any line if py3langid is not installed
    or does not know `lang`.
    """
    letters = "".join(filter(str.isalpha, text))
    own = re.findall(f"[{language_of(lang).alphabet}\u1e00-\u1eff]", letters)
    is_foreign = 2 * len(own) < len(letters) and len(letters.encode()) > _FEW_BYTES
    found = lang
    if is_foreign or len(text.split()) >= _FEW_WORDS:
        with contextlib.suppress(ImportError):
            label, probability = _identifier().classify(text)
            if probability >= _ALMOST_SURE and language_of(lang).code in _identifier().labels:
                found = str(label)
    if not any({found, language_of(lang).code} <= group for group in _ALIKE) and not same_language(
        found, lang
    ):
        return english_name(found)
    return "text in another script" if is_foreign else ""


def load_identifier() -> Any:
    """The identifier of py3langid.

    Raises:
        ImportError: py3langid is not installed.
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


_identifier = cache(load_identifier)


@cache
def _names() -> dict[str, str]:
    """The common languages by their English names."""
    from babel import Locale

    names = Locale("en").languages
    return {names[code].lower(): code for code in COMMON if code in names}


@cache
def _foreign_names() -> dict[str, str]:
    """The common languages by their names in each of them; the load takes a third of a second."""
    from babel import Locale

    known = (Locale.parse(code).languages for code in COMMON)
    return {names[code].lower(): code for names in known for code in COMMON if code in names}
