"""TMX, the exchange format of translation memories, versions 1.1 to 1.4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtkit.config.sources import TmxSource
from mtkit.data.read.lines import expand
from mtkit.data.read.markup import read_elements
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs
from mtkit.errors import OtherLanguagesError, listed
from mtkit.text.languages import same_language, standard_code

CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Elements inside a text that hold code."""

_SOME = 100
"""Most other languages of a unit that are stored, for messages."""


def read_tmx(
    source: TmxSource, src_lang: str, tgt_lang: str, repairs: Repairs, codes: frozenset[str] = CODES
) -> Iterator[Pair]:
    """The two languages of each unit; among variants of a language, the first with exactly that code.

    Args:
        source: the files.
        src_lang: code of the source language.
        tgt_lang: code of the target language.
        repairs: counts units without both.
        codes: elements whose text is omitted.

    Raises:
        InputError: a file cannot be read.
        OtherLanguagesError: none of its units has both languages.
    """
    for path in expand(source.path):
        units, pairs, languages = 0, 0, dict[str, None]()
        for line, variants in _units(path, (src_lang, tgt_lang), repairs, codes):
            units += 1
            if len(languages) < _SOME:
                languages |= dict.fromkeys(variants)
            src, tgt = _variant(variants, src_lang), _variant(variants, tgt_lang)
            if src is None or tgt is None:
                repairs.skip("unit without both languages", f"{path}:{line}")
                continue
            pairs += 1
            yield Pair(src, tgt, f"{path}:{line}")
        if units and not pairs:
            raise OtherLanguagesError(
                f"{path}: none of its {units:,} units has both {src_lang} and {tgt_lang}.",
                f"It has {listed(languages) or 'no languages'}.",
            )


def _variant(variants: dict[str, str], wanted: str) -> str | None:
    code = standard_code(wanted)
    exact = (text for language, text in variants.items() if standard_code(language) == code)
    near = (text for language, text in variants.items() if same_language(language, wanted))
    return next(exact, None) or next(near, None)


def _units(
    path: Path, wanted: tuple[str, str], repairs: Repairs, codes: frozenset[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The line of each unit, and the first text of each language; only some of the other languages."""
    line, language, variants = 0, "", dict[str, str]()
    elements = read_elements(path, repairs, frozenset({"tmx"}), frozenset({"seg"}), codes)
    for element in elements:
        match element.name:
            case "tu" if not element.is_end:
                line, variants = element.line, {}
            case "tuv" if not element.is_end:
                language = element.attributes.get("lang", "")
            case "seg" if element.text is not None:
                if len(variants) < _SOME or any(same_language(language, one) for one in wanted):
                    variants.setdefault(language, element.text)
            case "tu":
                yield line, variants
