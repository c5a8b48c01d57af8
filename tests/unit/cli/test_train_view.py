from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mtkit.cli.bars import duration, sparkline
from mtkit.cli.train import folded
from mtkit.cli.train_view import Dashboard, PlainView, describe, time_left
from mtkit.config.auto import Choice
from mtkit.train.watch.monitor import (
    Event,
    Finished,
    Logged,
    Sample,
    Saved,
    Started,
    Stepped,
    Validated,
    Working,
)

SAMPLE = Sample("a [bold]cat\x1b[31m", "un chat", "un chat gras")


def logged(step: int, share: float = 0.25) -> Logged:
    return Logged(step, 0.5, 2.0, 1e-3, 0.7, 4000.0, 100.0, share)


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 61, 3723)] == ["0:00", "1:00", "1:01", "1:02:03"]


def test_time_left_is_in_proportion() -> None:
    assert time_left(logged(1, share=0.25)) == "5:00 left"
    assert time_left(logged(1, share=0.0)) == "time left unknown"


def test_lines_off_a_terminal() -> None:
    assert describe(logged(1200)) == [
        "step 1,200  epoch 0.50  loss 2.000  lr 1.00e-03  4,000 tokens/s  25%, 5:00 left"
    ]
    scores = Validated(500, 1.234, {"bleu": 31.25, "chrf": 55.0}, True, SAMPLE, 5.0)
    assert describe(scores) == ["step 500  valid: loss 1.234  BLEU 31.2  chrF 55.0  (best so far)"]
    assert describe(Saved(500, Path("x"))) == []
    assert (
        describe(Started(7, 10, 20, 30, "cpu", "float32", ("resuming from step 7",)))[0]
        == "resuming from step 7"
    )
    finished = Finished(
        9, Path.cwd() / "r/model", "time limit (0:01:30) reached", 3, 1.2, {"bleu": 40.0}, 99.0
    )
    assert describe(finished) == [
        "Finished: time limit (0:01:30) reached after 9 steps and 1:39.",
        "r/model: mean of the 3 best models, valid loss 1.200, BLEU 40.0",
    ]
    last = replace(finished, average_of="last")
    assert "mean of the 3 last models" in describe(last)[1]
    assert "last model, valid" in describe(replace(last, averaged=1, best_step=0))[1]


def test_progress_comes_only_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for step in range(50, 500, 50):
        view(logged(step))
    view(Validated(500, 1.0, {"bleu": 31.0, "chrf": 55.0}, False, SAMPLE, 5.0))
    assert capsys.readouterr().err.splitlines() == [
        "step 50  epoch 0.50  loss 2.000  lr 1.00e-03  4,000 tokens/s  25%, 5:00 left",
        "step 500  valid: loss 1.000  BLEU 31.0  chrF 55.0",
    ]


def drawn(dashboard: Dashboard, width: int = 90) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None, markup=False).print(dashboard)
    return stream.getvalue()


def test_the_panel_shows_data_as_it_is() -> None:
    dashboard = Dashboard()
    assert "starting … 0:00" in drawn(dashboard)
    dashboard.take(logged(1200))
    dashboard.take(Validated(500, 1.0, {"bleu": 31.0, "chrf": 55.0}, True, SAMPLE, 5.0))
    dashboard.take(Validated(1000, 1.1, {"bleu": 30.0, "chrf": 54.0}, False, SAMPLE, 5.0))
    shown = drawn(dashboard)
    for part in (
        "1,200 (epoch 0.50)",
        "4,000 target tokens/s",
        "★ loss 1.000  BLEU 31.0  chrF 55.0  at step 500",
        "BLEU 30.0",
        "un chat gras",
        "5:00 left",
        " 25% ━━━━━━━━────────────────────── ",
    ):
        assert part in shown
    assert "a [bold]cat\\u001b[31m" in shown
    assert "\x1b" not in shown


def test_numbers_come_with_the_first_step() -> None:
    dashboard = Dashboard()
    dashboard.take(Stepped(1, 0.01, 9.25, 3000.0, 2.0, 0.02))
    shown = drawn(dashboard)
    for part in ("1 (epoch 0.01)", "loss       9.250", "3,000 target tokens/s", "  2% "):
        assert part in shown
    dashboard.take(Stepped(2, 0.01, math.nan, 3000.0, 3.0, 0.03))  # a GPU, before the first report
    assert "nan" not in drawn(dashboard)


def test_the_panel_moves_while_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    dashboard = Dashboard()
    states: list[Event] = [Working("validating"), logged(100), Working("averaging"), Working("exporting")]
    for state in states:
        dashboard.take(state)
        first = drawn(dashboard)
        clock[0] += 5
        assert drawn(dashboard) != first
        if isinstance(state, Working):
            assert f"{state.what} … 0:05" in drawn(dashboard)
    dashboard.take(logged(200))
    assert "exporting" not in drawn(dashboard)


@pytest.mark.parametrize("width", [80, 140])
def test_an_endless_translation_keeps_the_panel_small(width: int) -> None:
    dashboard = Dashboard()
    dashboard.take(logged(1200))
    dashboard.take(Validated(500, 1.0, {"bleu": 0.0}, True, Sample("a", "le " * 500, "b"), 5.0))
    assert len(drawn(dashboard, width).splitlines()) <= 12


def test_a_wide_terminal_has_the_sample_beside_the_numbers() -> None:
    dashboard = Dashboard()
    dashboard.take(logged(1200))
    dashboard.take(Validated(500, 1.0, {"bleu": 31.0}, True, SAMPLE, 5.0))
    wide, narrow = drawn(dashboard, 140).splitlines(), drawn(dashboard, 80).splitlines()
    assert len(wide) < len(narrow)
    assert "progress" in wide[0]
    assert "source" in wide[0]
    assert max(map(len, wide)) <= 140
    assert max(map(len, narrow)) <= 80


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([3.0], "▁"),
        ([1.0, 2.0, 3.0, 8.0], "▁▂▃█"),
        ([8.0, math.nan, 1.0], "█▁"),
        ([float(n) for n in range(64)], "▁▂▃▄▅▆▇█"),
    ],
)
def test_the_sparkline_of_the_loss(values: list[float], line: str) -> None:
    assert sparkline(values, 8) == line


def test_the_choices_of_auto_take_five_lines() -> None:
    few = [Choice("model.d_model", 128, "little data"), Choice("model.d_ff", 512, "little data")]
    assert folded(few) == ["model.d_model 128, d_ff 512 (little data)"]
    many = few + [Choice(f"train.o{n}", n, f"reason {n}") for n in range(7)]
    lines = folded(many)
    assert len(lines) == 5
    assert lines[-1] == "train.o3 3, o4 4, o5 5, o6 6 (`mtkit train --dry-run` says why)"
    assert len(folded(many[:6])) == 5
    assert folded(many[:6])[-1] == "train.o3 3 (reason 3)"


def test_further_validation_sets_have_rows_of_their_own() -> None:
    news = Validated(500, 1.5, {"bleu": 21.0, "chrf": 45.0}, False, SAMPLE, 5.0, "news")
    assert describe(news) == ["step 500  valid news: loss 1.500  BLEU 21.0  chrF 45.0"]
    dashboard = Dashboard()
    dashboard.take(Validated(500, 1.0, {"bleu": 31.0, "chrf": 55.0}, True, SAMPLE, 5.0))
    dashboard.take(news)
    stream = io.StringIO()
    Console(file=stream, width=90, markup=False).print(dashboard)
    shown = stream.getvalue()
    assert "BLEU 31.0" in shown
    assert "news" in shown
    assert "BLEU 21.0" in shown
