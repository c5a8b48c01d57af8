from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import html5lib
import pytest

from mtkit.evaluate.curve_drawing import MOST_POINTS, draw_panel
from mtkit.evaluate.run_facts import NUM_SAMPLES, RunFacts, SampleLine, SetFacts, StoredScore
from mtkit.evaluate.run_page import run_page
from mtkit.train.watch.curves import Curve, Panel

HOSTILE = '<script>alert(1)</script><img src="http://evil.example/x"> \u202e\x07\x00 "&'


def panel(*ys: float, log: bool = False, step: float = 50) -> Panel:
    xs = tuple(step * number for number in range(1, len(ys) + 1))
    return Panel("loss", (Curve("run", "valid", xs, ys),), log, "loss")


@pytest.fixture
def facts() -> RunFacts:
    lines = tuple(SampleLine(n, HOSTILE * 1000, HOSTILE, HOSTILE * 999, 3.0) for n in range(NUM_SAMPLES))
    score = StoredScore("bleu", 12.345, HOSTILE, None, 1.5)
    test = SetFacts(HOSTILE, HOSTILE, 10, HOSTILE, {}, None, (score,), (), lines, lines)
    tests = [replace(test, test=f"{HOSTILE} {n}") for n in range(100)]
    return RunFacts(Path("/run"), None, "", {}, None, [panel(3, 2)], tests, {HOSTILE: HOSTILE})


def test_hostile_text_is_escaped_and_bounded(facts: RunFacts) -> None:
    page = run_page(facts)
    html5lib.HTMLParser(strict=True).parse(page)
    assert len(page.encode()) < 1_500_000
    assert not re.search("<script|<img|[\u202e\x07\x00]", page)
    assert "12.35 ± 1.50" in page or "12.34 ± 1.50" in page


def test_missing_parts_are_told(facts: RunFacts) -> None:
    page = run_page(
        replace(facts, tests=[], curves=[], notes={"curves": "no <curves>", "scores": "no scores"})
    )
    assert "no &lt;curves&gt;" in page
    assert "no scores" in page
    assert "<polyline" not in page


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "ys", [(3.0,), (5.0, 5.0), (9.3, 0.31), (1e-6, 1e6), (0.111, 0.112), tuple(map(float, range(1, 3000)))]
)
def test_numbers_beside_axes_do_not_overlap(ys: tuple[float, ...], log: bool) -> None:
    drawn = draw_panel(panel(*ys, log=log, step=1000))
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]+)', drawn)
    xs = sorted(float(x) for x, _, anchor, _ in texts if anchor == "middle")
    heights = sorted(float(y) for _, y, anchor, _ in texts if anchor == "end")
    widest = 17 * 0.62 * max(len(text) for *_, anchor, text in texts if anchor == "middle")
    assert xs
    assert heights
    assert all(after - before >= widest for before, after in pairwise(xs))
    assert all(after - before >= 17 for before, after in pairwise(heights))
    (points,) = re.findall(r'points="([^"]+)"', drawn)
    assert len(points.split()) <= MOST_POINTS + 1
    assert all(0 <= float(each) <= 600 for point in points.split() for each in point.split(","))
