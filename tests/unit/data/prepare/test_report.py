from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mtkit.config.filters import RatioFilter
from mtkit.data.prepare.ledger import Ledger
from mtkit.data.prepare.report import html_report, length_histograms, write_report
from mtkit.data.read.pair import Pair

EVIL = "<script>alert('&\"')</script>\u202e"


class Document(HTMLParser):
    """The tags and the text of a document; tags must be closed in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    row = made.row(f"corpus {EVIL}")
    row.keep(1_234)
    row.drop("ratio", Pair(EVIL, "t", f"{EVIL}:3"), EVIL)
    row.repair(EVIL)
    return made


def test_text_of_the_corpora_is_escaped(ledger: Ledger) -> None:
    document = Document(html_report(EVIL, ledger, length_histograms([np.ones((3, 2), np.int32)], EVIL, "fr")))
    assert "script" not in document.tags
    assert document.texts.count(EVIL.replace("\u202e", r"\u202e")) >= 5


def test_the_report_shows_the_counts(ledger: Ledger) -> None:
    texts = Document(html_report("en-fr", ledger)).texts
    assert {"1,235", "1,234", "1"} <= {text.strip() for text in texts}


def test_the_report_explains_its_filters(ledger: Ledger) -> None:
    told = (RatioFilter.__doc__ or "").splitlines()[0]
    assert told in Document(html_report("en-fr", ledger)).texts


def test_the_report_needs_nothing_else(ledger: Ledger) -> None:
    html = html_report("en-fr", ledger)
    assert "http:" not in html
    assert "https:" not in html
    assert "src=" not in html


def test_a_report_of_nothing() -> None:
    Document(html_report("empty", Ledger(), length_histograms([], "en", "fr")))


def test_histograms_count_every_pair_once() -> None:
    lengths = np.array([[1, 1], [4, 5], [119, 3], [500, 1], [0, 7]], np.int32)
    tokens, ratios = length_histograms([lengths[:2], lengths[2:]], "en", "fr")
    source, target = tokens.series.values()
    # bins of 5: 0 to 4 holds 1, 4 and 0; the last one, from 115, holds 119 and 500
    assert (source[0], source[-1], sum(source)) == (3, 2, 5)
    assert (target[0], target[1], sum(target)) == (3, 2, 5)
    assert sum(ratios.series["pairs"]) == 5


def test_json_and_html_are_written(ledger: Ledger, tmp_path: Path) -> None:
    write_report(tmp_path, "en-fr", ledger)
    data = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (data["read"], data["kept"], data["dropped"]) == (1_235, 1_234, {"ratio": 1})
    assert Ledger.from_json(data["ledger"]) == ledger
    Document((tmp_path / "report.html").read_text("utf-8"))


def test_filters_that_dropped_nothing_are_explained_too() -> None:
    ledger = Ledger()
    ledger.row("corpus").dropped["ratio"] = 0
    texts = Document(html_report("en-fr", ledger)).texts
    assert "No pairs were dropped." in texts
    assert (RatioFilter.__doc__ or "").splitlines()[0] in texts
