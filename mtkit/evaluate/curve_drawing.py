"""Learning curves as SVG in a page, without matplotlib. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from mtkit.evaluate.confidence_quality import ConfidenceQuality
from mtkit.text.page import escaped, html_drawing
from mtkit.train.watch.curves import Curve, Panel, tick_text, ticks, ticks_apart

MOST_POINTS = 400
"""Of a curve; more cannot be told apart."""
_LEFT, _TOP, _WIDTH, _HEIGHT = 70, 12, 480, 190
_MOST_TICKS = 6
_CHARACTER, _ROW = 11.0, 22.0
"""Pixels that a character is wide, and a number beside an axis high, at the size of narrow screens."""
_DASHES = ("", "6 4", "2 3", "8 3 2 3")


def draw_panel(panel: Panel) -> str:
    """The curves of one metric over steps, as HTML."""
    xs = [x for curve in panel.curves for x in curve.x]
    ys = [y for curve in panel.curves for y in curve.y]
    log = panel.log and min(ys) > 0
    x_range, y_range = _room(min(xs), max(xs), log=False), _room(min(ys), max(ys), log=log)
    x_of = _scale(x_range, _LEFT, _LEFT + _WIDTH, log=False)
    y_of = _scale(y_range, _TOP + _HEIGHT, _TOP, log=log)
    # 1. The grid and its numbers.
    parts = [
        f'<text x="{x_of(x):.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{tick_text(x)}</text>'
        for x in ticks_apart(*x_range, _MOST_TICKS, _WIDTH / _CHARACTER)
    ]
    for y in _apart(ticks(*y_range, _MOST_TICKS, log=log), y_of, _ROW):
        place = y_of(y)
        parts.append(
            f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{place:.1f}" y2="{place:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{tick_text(y)}</text>'
        )
    # 2. The curves.
    groups = [curve.group for curve in panel.curves if curve.group != "train"]
    for curve in panel.curves:
        dashes = _DASHES[groups.index(curve.group) % len(_DASHES)] if curve.group in groups else ""
        parts.append(_line(curve, x_of, y_of, dashes))
    keys = " · ".join(f"{escaped(curve.group)}: last {curve.y[-1]:,.4g}" for curve in panel.curves)
    scale = ", logarithmic" if log else ""
    caption = f"<figcaption>{escaped(panel.title)}{scale}, over steps. {keys}</figcaption>"
    return html_drawing(
        _LEFT + _WIDTH + 40, _TOP + _HEIGHT + 28, "".join(parts), f"{panel.title} over steps", caption
    )


def draw_reliability(name: str, found: ConfidenceQuality) -> str:
    """The quality of translations over their confidence, as HTML; the diagonal would be exact.

    The size of a point says how many translations have this confidence.
    """
    x_of = _scale((0, 1), _LEFT, _LEFT + _WIDTH, log=False)
    y_of = _scale((0, 1), _TOP + _HEIGHT, _TOP, log=False)
    parts = [
        f'<text x="{x_of(tick):.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{tick:.1f}</text>'
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{place:.1f}" y2="{place:.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{tick:.1f}</text>'
        for tick, place in ((fifth / 5, y_of(fifth / 5)) for fifth in range(6))
    ]
    parts.append(
        f'<line class="line-one" stroke-dasharray="6 4" x1="{x_of(0):.1f}" y1="{y_of(0):.1f}" '
        f'x2="{x_of(1):.1f}" y2="{y_of(1):.1f}"/>'
    )
    places = " ".join(f"{x_of(each.confidence):.1f},{y_of(each.quality):.1f}" for each in found.bins)
    parts.append(f'<polyline class="line-two" points="{places}"/>')
    for each in found.bins:
        title = f"{each.count:,} translations: confidence {each.confidence:.3f}, quality {each.quality:.3f}"
        parts.append(
            f'<circle class="two" cx="{x_of(each.confidence):.1f}" cy="{y_of(each.quality):.1f}" '
            f'r="{3 + 9 * math.sqrt(each.count / found.count):.1f}"><title>{title}</title></circle>'
        )
    label = f"{name}: quality (chrF / 100) over confidence"
    caption = f"<figcaption>{escaped(label)}. On the dashed line both are equal.</figcaption>"
    return html_drawing(_LEFT + _WIDTH + 40, _TOP + _HEIGHT + 28, "".join(parts), label, caption)


def _line(curve: Curve, x_of: Callable[[float], float], y_of: Callable[[float], float], dashes: str) -> str:
    points = list(zip(curve.x, curve.y, strict=True))
    stride = math.ceil(len(points) / MOST_POINTS)
    points = [*points[:-1:stride], points[-1]]
    kind = "one" if curve.group == "train" else "two"
    title = f"<title>{escape(curve.group)}</title>"
    marks = "".join(
        f'<circle class="{kind}" cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3">'
        f"<title>step {x:,.10g}: {y:,.5g}</title></circle>"
        for x, y in (points if len(points) <= 20 else ())
    )
    places = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline class="line-{kind}" points="{places}"{style}>{title}</polyline>{marks}'


def _room(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """The range of an axis, with some room if all values are equal."""
    if high > low:
        return low, high
    return (low / 2, low * 2) if log else (low - max(1.0, abs(low) / 10), high + max(1.0, abs(high) / 10))


def _scale(span: tuple[float, float], begin: float, end: float, *, log: bool) -> Callable[[float], float]:
    """The pixel of a value."""
    low, high = map(math.log, span) if log else span
    return lambda value: begin + ((math.log(value) if log else value) - low) / (high - low) * (end - begin)


def _apart(values: Sequence[float], place_of: Callable[[float], float], least: float) -> list[float]:
    """The values without those whose numbers would overlap that before them."""
    found: list[float] = []
    for value in values:
        if not found or abs(place_of(value) - place_of(found[-1])) >= least:
            found.append(value)
    return found
