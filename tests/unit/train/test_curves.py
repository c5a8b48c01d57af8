from __future__ import annotations

import logging
import os
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from mtkit.cli.chart import chart
from mtkit.errors import InputError, UsageError
from mtkit.train.watch.curves import (
    Curve,
    Panel,
    draw_panels,
    read_metrics,
    read_panels,
    ticks,
    write_picture,
    x_unit,
)
from tests.support.recorded import make_run


def test_the_points_are_those_of_the_file(tmp_path: Path) -> None:
    run = make_run(tmp_path, [4.0, 3.0, 2.5], end='{"step": 200, "seco')
    loss, bleu = read_panels([run])
    assert [panel.title for panel in (loss, bleu)] == ["loss", "BLEU"]
    assert loss.curves == (
        Curve(str(run), "train", (50, 100, 150), (4.0, 3.0, 2.5)),
        Curve(str(run), "valid", (100,), (3.5,)),
    )
    assert [(curve.group, curve.y) for curve in bleu.curves] == [("valid", (12.0,)), ("valid/news", (9.0,))]
    by_time, _ = read_panels([run], "time")
    assert by_time.curves[0].x == (30, 60, 90)


def test_a_damaged_line_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path, [4.0], end='{"step": 9\n[1]\n{"step": 200, "seconds": 99, "train/loss": NaN}\n')
    with caplog.at_level(logging.WARNING):
        loss, _ = read_panels([run])
    assert loss.curves[0].y == (4.0,)
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [
        f"{run}/metrics.jsonl:4",
        f"{run}/metrics.jsonl:5",
    ]


def test_a_folder_without_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist\. Give the folder of a trained run"):
        read_panels([tmp_path])
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(InputError, match="no measurements yet"):
        read_panels([tmp_path])


def test_time_is_in_minutes_then_hours() -> None:
    def panel(seconds: float) -> list[Panel]:
        return [Panel("loss", (Curve("r", "train", (1.0, seconds), (2.0, 1.0)),), log=True)]

    assert x_unit(panel(3600), "time") == ("minutes", 60)
    assert x_unit(panel(36000), "time") == ("hours", 3600)
    assert x_unit(panel(36000), "steps") == ("steps", 1)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_pictures_hold_all_runs_and_are_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    runs = [make_run(tmp_path / name, [4.0, 3.0, 2.0]) for name in ("one", "two_$x$")]
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        write_picture(path, read_panels(runs, "time"), "time")
    assert first.read_bytes() == second.read_bytes()
    if suffix != ".svg":
        assert first.read_bytes().startswith({".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix])
        return
    comments = [
        str(node.text)
        for node in ET.parse(first, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))).iter()
    ]
    for shown in ("loss", "BLEU", "minutes", *(f"{run} valid" for run in runs)):
        assert any(shown in comment for comment in comments), shown


def test_numbers_in_pictures_are_round_and_apart(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "metrics.jsonl").write_text(
        "".join(
            f'{{"step": {step}, "seconds": 1, "train/loss": {4 - step / 1e6}, "valid/bleu": {step / 4e4}}}\n'
            for step in range(13_700, 987_654, 9_000)
        )
    )
    panels = read_panels([tmp_path])
    for axes in draw_panels(panels, "steps").axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label for label in axis.get_ticklabels() if label.get_text()]
            assert len(labels) >= 3
            mantissas = {float(label.get_text().replace(",", "")) for label in labels}
            assert len(mantissas) == len(labels)
            boxes = [label.get_window_extent() for label in labels]
            assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_other_suffixes_and_a_missing_matplotlib_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels = read_panels([make_run(tmp_path, [1.0])])
    with pytest.raises(UsageError, match=r"c.gif: the name of an image must end in .png, .svg or .pdf"):
        write_picture(Path("c.gif"), panels)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install matplotlib"):
        write_picture(tmp_path / "c.png", panels)


@pytest.mark.parametrize(
    ("low", "high", "log", "found"),
    [
        (0, 100, False, [0, 20, 40, 60, 80, 100]),
        (375.5, 1186, False, [400, 600, 800, 1000]),
        (7.54, 92.87, False, [20, 40, 60, 80]),
        (0.397, 1.587, False, [0.4, 0.6, 0.8, 1, 1.2, 1.4]),
        (0.6, 0.95, True, [0.6, 0.7, 0.8, 0.9]),
        (1.2, 80, True, [2, 5, 10, 20, 50]),
        (1e-3, 1e9, True, [1e-2, 1, 1e2, 1e4, 1e6, 1e8]),
        (1e-9, 1e9, True, [1e-5, 1, 1e5]),
    ],
)
def test_ticks_are_round(low: float, high: float, log: bool, found: list[float]) -> None:
    assert ticks(low, high, 6, log=log) == pytest.approx(found)


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_within_the_axis_and_not_too_many(log: bool) -> None:
    for low, high in [(1e-3, 1e-2), (0.99, 1.01), (3, 4e6), (17, 19), (1, 1e9)]:
        for most in (2, 5, 9):
            found = ticks(low, high, most, log=log)
            assert len(found) <= most
            assert all(low <= value <= high for value in found)


def test_runs_without_a_training_are_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path / "one", [4.0, 3.0])
    (tmp_path / "two").mkdir()
    assert read_panels([tmp_path / "two", run]) == read_panels([run])
    assert "two: is skipped, because it has not been trained." in caplog.text


def test_metrics_can_be_chosen(tmp_path: Path) -> None:
    run = make_run(tmp_path, [4.0, 3.0])
    assert [panel.title for panel in read_panels([run], "steps", ["bleu"])] == ["BLEU"]


def test_everything_that_was_measured_can_be_chosen(tmp_path: Path) -> None:
    run = make_run(tmp_path, [4.0, 3.0])
    [rate] = read_panels([run], "steps", ["lr"])
    assert (rate.title, rate.curves[0].y, rate.log) == ("lr", (1e-3, 1e-3), False)
    with pytest.raises(UsageError, match=r"--metric ter: was not measured\. Choose from loss, bleu, lr\."):
        read_panels([run], "steps", ["bleu", "ter"])


def test_runs_without_measurements_are_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path / "one", [4.0, 3.0])
    (tmp_path / "two").mkdir()
    (tmp_path / "two/metrics.jsonl").write_text("")
    assert read_panels([tmp_path / "two", run]) == read_panels([run])
    assert "two: is skipped, because it has no measurements yet." in caplog.text


def rows(panel: Panel, width: int, height: int, most: int | None = None) -> list[str]:
    return ["".join(text for text, _ in line) for line in chart(panel, width, height, "steps", 1.0, most)]


@pytest.mark.parametrize("num_curves", [1, 3, 12, 60])
@pytest.mark.parametrize("high", [2.0, 2.00001, 3e7, 4e-7])
def test_a_chart_keeps_to_its_room(num_curves: int, high: float) -> None:
    curves = tuple(
        Curve(f"runs/a-long-name-of-a-run-{number}", "valid/newstest", (0, 1e6), (high / 2, high))
        for number in range(num_curves)
    )
    shown = rows(Panel("loss", curves, log=True), width=79, height=9, most=8)
    assert max(map(len, shown)) <= 79
    assert len(shown) <= 9 + 3 + 8
    below = shown[11].split()
    assert len(below) >= 3
    assert shown[10].count("┬") == len(below)
    assert len(set(below)) == len(below)
    labels = [line.split("┤")[0].strip() for line in shown if "┤" in line]
    assert len(set(labels)) == len(labels) >= 2
    if num_curves <= 3:
        assert "valid/newstest: " in shown[-1]
    if num_curves == 60:
        assert "more" in shown[-1]


def test_numbers_on_an_axis_do_not_touch() -> None:
    curve = Curve("r", "train", (0, 987_654), (1.0, 2.0))
    for width in range(40, 120, 7):
        below = rows(Panel("loss", (curve,), log=False), width=width, height=5)[7]
        values = [float(label.replace(",", "")) for label in below.split()]
        assert len({round(b - a) for a, b in pairwise(values)}) == 1  # none left out


def test_a_rising_line_fills_the_diagonal() -> None:
    panel = Panel("BLEU", (Curve("r", "valid", (0, 100), (0.0, 40.0)),), log=False)
    shown = rows(panel, width=31, height=20)  # 20 columns and 20 rows of characters
    drawn = {
        (column, row)
        for row, line in enumerate(shown[1:21])
        for column, character in enumerate(line[10:30])
        if "\u2800" < character <= "\u28ff"
    }
    assert {(n, 19 - n) for n in range(20)} <= drawn
    assert all(abs(column - (19 - row)) <= 1 for column, row in drawn)
    assert shown[0].split() == ["BLEU", "over", "steps"]
    assert shown[-2].split() == ["0", "50", "100"]
    assert shown[-1].split() == ["a", "r", "valid:", "40"]


def test_a_single_point_and_equal_ends_are_drawn() -> None:
    curves = (Curve("r", "train", (5,), (2.0,)), Curve("s", "train", (5,), (2.0,)))
    shown = rows(Panel("loss", curves, log=True), width=40, height=5)
    assert sum("ab" in line for line in shown) == 1
    assert max(map(len, shown)) <= 40


def test_a_loss_is_drawn_on_a_logarithmic_axis() -> None:
    falling = Curve("r", "train", (0, 1, 2), (8.0, 4.0, 2.0))
    log = rows(Panel("loss", (falling,), log=True), width=31, height=21)
    middle = next(line for line in log if line.startswith(f"{4:8}"))
    assert log.index(middle) == 11  # the geometric mean is in the middle
    assert "\u2800" < middle[10 + 10] <= "\u28ff"


def test_lines_that_hold_no_numbers_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = '{"step": 1, "seconds": 1.0, "train/loss": 2.0}'
    bad = [
        "[" * 100_000,
        '{"step": NaN, "seconds": 1.0, "train/loss": 2.0}',
        '{"step": 1, "seconds": Infinity, "train/loss": 2.0}',
        '{"step": 1' + "0" * 400 + ', "seconds": 1.0}',
        '{"train/loss": 2.0}',
        "7",
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join([good, *bad, good]) + "\n")
    assert len(read_metrics(tmp_path)) == 2
    assert len(caplog.records) == len(bad)
    assert read_panels([tmp_path], "time")[0].curves[0].y == (2.0, 2.0)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(InputError, match="not a regular file"):
        read_metrics(tmp_path)
