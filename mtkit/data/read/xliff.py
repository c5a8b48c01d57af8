"""XLIFF 1.2 and 2, the exchange format of localisation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtkit.config.sources import XliffSource
from mtkit.data.read.lines import expand
from mtkit.data.read.markup import Element, is_segment, read_elements
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError, shortened
from mtkit.text.languages import same_language

_CODES = frozenset({"bpt", "ept", "it", "ph"})
_UNITS = ("trans-unit", "segment")
"""Elements that contain a source and its target in 1.2 and 2; alternatives are in other elements."""

_UNFINISHED = frozenset(
    {"new", "initial", "mtkit:draft"}
    | {"Draft", "RejectedTranslation", "RejectedSignOff", "NotStarted", "MachineTranslated"}
    | {
        f"needs-{what}"
        for what in (
            "adaptation",
            "l10n",
            "review-adaptation",
            "review-l10n",
            "review-translation",
            "translation",
        )
    }
)
"""States of unfinished units in 1.2 and 2, of segments of Trados Studio, and of memoQ."""


def read_xliff(
    source: XliffSource, src_lang: str, tgt_lang: str, repairs: Repairs, codes: frozenset[str] = _CODES
) -> Iterator[Pair]:
    """The finished units; pairs of a file for the other direction are reversed.

    Args:
        source: the file or files.
        src_lang: code of the source language.
        tgt_lang: code of the target language.
        repairs: counts units that are not used.
        codes: elements whose text is omitted.

    Raises:
        InputError: a file cannot be read, or declares other languages.
    """
    for path in expand(source.path):
        elements = read_elements(path, repairs, frozenset({"xliff"}), frozenset({"source", "target"}), codes)
        turned, src, tgt, problem = False, "", "", ""
        segments = 0  # of the unit's source
        kept = [False]  # for each open element, whether it is not to be translated
        for element in elements:
            place = f"{path}:{element.line}"
            if not element.is_end:
                kept.append({"no": True, "yes": False}.get(element.attributes.get("translate", ""), kept[-1]))
                if element.name in _UNITS:
                    src, tgt, problem = "", "", "unit that is not to be translated" if kept[-1] else ""
                    segments = 0
                elif languages := _languages(element):
                    turned = _is_turned(path, element.line, languages, src_lang, tgt_lang)
                segments += is_segment(element)
                problem = problem or _unfinished(element)
                continue
            kept.pop()
            if element.name in _UNITS:
                if problem := problem or (
                    "unit without a translation" if src.strip() and not tgt.strip() else ""
                ):
                    repairs.skip(problem, place)
                else:
                    yield Pair(tgt, src, place) if turned else Pair(src, tgt, place)
            elif element.parent in _UNITS and element.name == "source":
                src = element.text or ""
            elif element.parent in _UNITS and element.name == "target":
                tgt = element.text or ""
                if tgt.strip() and (element.has_blank or 0 < element.segments < segments):
                    problem = problem or "unit with a segment without a translation"


def _unfinished(element: Element) -> str:
    """Why a unit is not used as a pair, as this element of it says; empty if it says nothing."""
    is_state = element.name in _UNITS or (element.parent in _UNITS and element.name == "target")
    if not is_state and element.parent != "seg-defs":
        return ""
    for name in ("state", "subState", "status", "conf"):
        state = element.attributes.get(name, "")
        if state in _UNFINISHED:
            return f"unit whose state is {state}"
        if state.startswith("needs-"):
            return "unit whose state says what it needs"
    return ""


def _languages(element: Element) -> tuple[str, str] | None:
    """The languages that an element declares: `file` in 1.2, `xliff` in 2."""
    found = element.attributes
    if element.name == "file" and "source-language" in found:
        return found["source-language"], found.get("target-language", "")
    if element.name == "xliff" and "srcLang" in found:
        return found["srcLang"], found.get("trgLang", "")
    return None


def _is_turned(path: Path, line: int, languages: tuple[str, str], src_lang: str, tgt_lang: str) -> bool:
    src, tgt = languages
    if same_language(src, src_lang) and (not tgt or same_language(tgt, tgt_lang)):
        return False
    if same_language(src, tgt_lang) and (not tgt or same_language(tgt, src_lang)):
        return True
    found = f"{shortened(src)} into {shortened(tgt) or 'an unnamed language'}"
    raise InputError(
        f"{path}:{line}: translates {found}, expected {src_lang} into {tgt_lang}.",
        "Set src_lang and tgt_lang, or leave the file out.",
    )
