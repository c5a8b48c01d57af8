"""Real TMX, XLIFF and PO files, and a corpus with odd characters, against counts made without a parser."""

from __future__ import annotations

import gzip
import re

import pytest

from mtkit.config.sources import PlainSource, PoSource, TmxSource, XliffSource
from mtkit.data.read.readers import read_pairs
from mtkit.data.read.repairs import Repairs
from tests.support.corpora import corpus


def test_a_translation_memory() -> None:
    source = TmxSource(reader="tmx", path=corpus("formats") / "tico19.en-fr.tmx.gz")
    repairs = Repairs()
    pairs = list(read_pairs(source, "en", "fr", repairs))
    assert len(pairs) == 3071
    assert repairs.skipped == {}
    assert pairs[0].src == "about how long have these symptoms been going on?"
    assert pairs[0].tgt == "depuis combien ressentez-vous ces symptômes ?"
    assert all(pair.src and pair.tgt for pair in pairs)
    assert [(pair.tgt, pair.src) for pair in read_pairs(source, "fr", "en")] == [
        (pair.src, pair.tgt) for pair in pairs
    ]


@pytest.mark.parametrize(("language", "unfinished"), [("fr", 0), ("de", 0), ("zh_CN", 15), ("ar", 6)])
def test_xliff_leaves_out_what_is_unfinished(language: str, unfinished: int) -> None:
    path = corpus("formats") / "xliff" / f"validators.{language}.xlf"
    repairs = Repairs()
    pairs = list(read_pairs(XliffSource(reader="xliff", path=path), "en", language[:2], repairs))
    assert len(pairs) == 116 - unfinished
    assert sum(fault.count for fault in repairs.skipped.values()) == unfinished
    assert pairs[0].src == "This value should be false."
    assert pairs[0].origin == f"{path}:5"


@pytest.mark.parametrize("language", ["fr", "zh"])
@pytest.mark.parametrize("name", ["faq-general", "glossary", "library-argparse", "tutorial-introduction"])
def test_po_counts_every_message_once(language: str, name: str) -> None:
    """No message of these has plurals, so that each `msgid` is given, skipped or the header."""
    path = corpus("formats") / "po" / language / f"{name}.po.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    repairs = Repairs()
    pairs = list(read_pairs(PoSource(reader="po", path=path), "en", language, repairs))
    skipped = {kind: fault.count for kind, fault in repairs.skipped.items()}
    assert (
        len(pairs) + skipped.get("fuzzy message", 0) + skipped.get("message without a translation", 0)
        == len(re.findall("^msgid ", text, re.M)) - 1
    )
    assert skipped.get("obsolete message", 0) == len(re.findall("^#~ msgid ", text, re.M))
    assert all(pair.src.strip() and pair.tgt.strip() and "\n" not in pair.src + pair.tgt for pair in pairs)


def test_a_next_line_character_in_a_real_corpus_shifts_nothing() -> None:
    folder = corpus("wmt")
    source = PlainSource(reader="plain", src=folder / "newstest2009.en.gz", tgt=folder / "newstest2009.de.gz")
    pairs = list(read_pairs(source, "en", "de"))
    assert len(pairs) == 2525
    found = [number for number, pair in enumerate(pairs, start=1) if "\x85" in pair.tgt]
    assert found == [1368, 1407, 1436, 1438, 1480, 1486]
