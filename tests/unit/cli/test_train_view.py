from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from mtkit.cli.bars import duration
from mtkit.cli.train_view import Dashboard, PlainView, describe, time_left
from mtkit.train.watch.monitor import Finished, Logged, Sample, Saved, Started, Validated

SAMPLE = Sample("a [bold]cat\x1b[31m", "un chat", "un chat gras")


def logged(step: int, share: float = 0.25) -> Logged:
    return Logged(step, 0.5, 2.0, 1e-3, 0.7, 4000.0, 100.0, share)


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 61, 3723)] == ["0:00", "1:00", "1:01", "1:02:03"]


def test_time_left_is_in_proportion() -> None:
    assert time_left(logged(1, share=0.25)) == "5:00"
    assert time_left(logged(1, share=0.0)) == "unknown"


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
    finished = describe(
        Finished(
            9,
            Path("r/model"),
            "the end of the budget was reached",
            3,
            1.2,
            {"bleu": 40.0, "chrf": 60.0},
            99.0,
        )
    )
    assert finished[0] == "done after 9 steps and 1:39: the end of the budget was reached"
    assert finished[1].startswith("r/model: mean of the 3 best models")


def test_progress_comes_only_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for step in range(50, 500, 50):
        view(logged(step))
    view(Validated(500, 1.0, {"bleu": 31.0, "chrf": 55.0}, False, SAMPLE, 5.0))
    assert capsys.readouterr().err.splitlines() == [
        "step 50  epoch 0.50  loss 2.000  lr 1.00e-03  4,000 tokens/s  25%, 5:00 left",
        "step 500  valid: loss 1.000  BLEU 31.0  chrF 55.0",
    ]


def test_the_panel_shows_data_as_it_is() -> None:
    dashboard = Dashboard()
    stream = io.StringIO()
    console = Console(file=stream, width=90, force_terminal=True, color_system=None, markup=False)
    console.print(dashboard)
    assert "starting" in stream.getvalue()
    dashboard.take(logged(1200))
    dashboard.take(Validated(500, 1.0, {"bleu": 31.0, "chrf": 55.0}, True, SAMPLE, 5.0))
    dashboard.take(Validated(1000, 1.1, {"bleu": 30.0, "chrf": 54.0}, False, SAMPLE, 5.0))
    console.print(dashboard)
    shown = stream.getvalue()
    for part in (
        "1,200 (epoch 0.50)",
        "4,000 target tokens/s",
        "BLEU 30.0",
        "BLEU 31.0",
        "un chat gras",
        "5:00 left",
    ):
        assert part in shown
    assert "a [bold]cat\\u001b[31m" in shown


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
