"""Translation memories in files: TMX, tables, JSON lines, XLIFF and PO, by the readers of training data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mtkit.config.sources import TmxSource, XliffSource
from mtkit.data.read.lines import open_bytes
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_pairs
from mtkit.data.read.recognise import SOURCES, format_of, of_file
from mtkit.data.read.repairs import Repairs
from mtkit.data.read.tmx import read_tmx
from mtkit.data.read.xliff import read_xliff
from mtkit.errors import InputError, OtherLanguagesError, UsageError
from mtkit.text.languages import same_language
from mtkit.translate.translation_memory import TranslationMemory

logger = logging.getLogger(__name__)

_KINDS = ("tmx", "tsv", "csv", "jsonl", "xliff", "po")


def read_memory(
    paths: Sequence[Path],
    languages: tuple[str, str],
    normalize: Callable[[str], str],
    useful: set[Path] | None = None,
) -> TranslationMemory:
    """The translations in files, each read once and in order; of equal sources the last one counts.

    Of tables and JSON lines the columns or fields are used that `mtkit init` would use: those named by the
    two languages, or as source and target; else the two that are translations of each other. Invalid rows
    and unfinished units are skipped with a warning. Inline codes are a part of the text.

    Args:
        paths: the files; their formats follow from their names, or else from how they begin.
        languages: source and target; empty where unknown.
        normalize: to the form in which sources are compared.
        useful: gets those of the files that have a translation, and the others are not refused.

    Raises:
        InputError: a file cannot be read or is of another format.
        OtherLanguagesError: it is in other languages, or has no translation.
    """

    def pairs() -> Iterator[tuple[str, str]]:
        for path in paths:
            found = 0
            try:
                for pair in _pairs(path, languages):
                    found += bool(pair.src.strip() and pair.tgt.strip())
                    yield pair.src, pair.tgt
                if not found:
                    raise OtherLanguagesError(f"{path}: there is no translation in it.", "Check the file.")
            except OtherLanguagesError:
                if useful is None:
                    raise
            else:
                if useful is not None:
                    useful.add(path)

    memory = TranslationMemory(pairs(), normalize)
    if memory.num_changed:
        logger.warning(
            "%s: entries that have another translation in a later entry, which counts: %s.",
            ", ".join(map(str, paths)),
            f"{memory.num_changed:,}",
        )
    return memory


def _pairs(path: Path, languages: tuple[str, str]) -> Iterator[Pair]:
    repairs = Repairs(languages=languages)
    with open_bytes(path, "file"):  # what is read twice can be no pipe
        kind = format_of(path)
    if kind not in _KINDS:
        raise InputError(
            f"{path}: is {kind}, and a translation memory is one of {', '.join(_KINDS)}.",
            "Export it as TMX, or as a table with a source and a translation in each row.",
        )
    if kind == "tmx" and all(languages):
        source = TmxSource(reader="tmx", path=path)
        yield from read_tmx(source, *languages, repairs, codes=frozenset())
    else:
        options, languages = _directed(path, languages)
        if kind == "xliff":
            xliff = XliffSource(reader="xliff", path=path)
            yield from read_xliff(xliff, *languages, repairs, codes=frozenset())
        else:
            yield from read_pairs(SOURCES.validate_python(options), *languages, repairs)
    repairs.log()


def _directed(path: Path, languages: tuple[str, str]) -> tuple[dict[str, Any], tuple[str, str]]:
    """The options of the reader in the direction of the languages, and these, from the file if unknown."""
    try:
        corpus = of_file(path, languages, None)
    except UsageError as error:
        raise InputError(error.message, "Name them in the first line: source and target.") from None
    src, tgt = corpus.languages
    own = languages[0] or src, languages[1] or tgt
    is_table = corpus.options["reader"] in ("tsv", "csv", "jsonl")
    if not _are(corpus.languages, own):
        is_turned = _are(corpus.languages, own[::-1])
        if is_table and is_turned:
            corpus = corpus.turned()
        elif not (is_turned and corpus.options["reader"] == "xliff"):  # whose reader turns them by itself
            known = " and ".join(filter(None, (src, tgt)))
            raise OtherLanguagesError(f"{path}: is in {known}, and the model translates {' to '.join(own)}.")
    return {**corpus.options, **({"on_error": "skip"} if is_table else {})}, own


def _are(declared: tuple[str, str], wanted: tuple[str, str]) -> bool:
    """Whether two languages are these, where both are known."""
    pairs = zip(declared, wanted, strict=True)
    return all(not one or not other or same_language(one, other) for one, other in pairs)
