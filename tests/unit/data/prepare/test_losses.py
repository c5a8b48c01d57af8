"""Corpora of which little is left stop; misaligned stretches are found; cut pairs are not lost."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtkit.data.prepare.ledger import Example, Ledger
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import read_ledger
from mtkit.data.prepare.stretches import find_stretches
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.preparations import make, sentences, with_data, write

SHORT = [{"filter": "length", "max_chars": 40}]
LONG = [(f"{src} {'x' * 40}", tgt) for src, tgt in sentences(60)]


def test_a_corpus_that_loses_more_than_half_stops(tmp_path: Path) -> None:
    some = [*sentences(50), *LONG[:51]]
    config = make(tmp_path, sentences(100), some, filters=SHORT)
    told = r"train1.src \+ train1.tgt: 51 of 101 pairs \(50%\) were dropped: length dropped 51.*max_dropped=1"
    with pytest.raises(InputError, match=told):
        prepare(config)
    allowed = make(tmp_path, sentences(100), some, filters=SHORT, max_dropped=1)
    assert prepare(allowed).train_pairs == 150


def test_a_corpus_of_which_nothing_is_left_stops_even_if_it_is_small(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100), LONG[:1], filters=SHORT, max_dropped=0.99)
    with pytest.raises(InputError, match=r"train1.src \+ train1.tgt: all 1 pairs were dropped"):
        prepare(config)


def test_repetitions_are_no_loss(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100), sentences(100))
    assert prepare(config).train_pairs == 100


def test_a_wrong_encoding_is_the_advice(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100), filters=[{"filter": "garbled"}], tgt_lang="cs")
    lines = "".join(f"Příliš žluťoučký kůň číslo {n}\n" for n in range(100))
    (tmp_path / "corpora" / "train0.tgt").write_bytes(lines.encode("cp1250"))
    with pytest.raises(
        InputError, match=r"all 100 pairs were dropped.*looks like cp1250: set encoding: cp1250"
    ):
        prepare(config)


def test_blank_texts_of_validation_and_test_sets_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    valid = write(tmp_path, "v", [*sentences(3, 700), ("", "x"), ("y", " "), ("", "")])
    prepare(make(tmp_path, sentences(100), valid=valid))
    (told,) = [record.getMessage() for record in caplog.records if "blank" in record.getMessage()]
    assert told.startswith("data.valid: 2 blank sources and 2 blank references in 6 pairs, the first at ")
    assert f"{tmp_path / 'v.src'}:4" in told


# ---------------------------------------------------------------- stretches


@pytest.mark.parametrize(("usual", "inside"), [(0.0, 0.4), (0.05, 0.4), (0.1, 0.8), (0.2, 1.0)])
def test_a_stretch_is_found_near_where_it_is(usual: float, inside: float) -> None:
    rng = np.random.default_rng(1)
    rates = np.full(30_000, usual)
    rates[12_000:12_400] = inside
    ((begin, end),) = find_stretches(rng.random(30_000) < rates)
    assert abs(begin - 12_000) < 40
    assert abs(end - 12_400) < 40


@pytest.mark.parametrize("usual", [0.0, 0.01, 0.1, 0.25, 0.6, 1.0])
def test_chance_makes_no_stretch(usual: float) -> None:
    for seed in range(20):
        assert not list(find_stretches(np.random.default_rng(seed).random(20_000) < usual))


def test_several_stretches_and_none_at_all() -> None:
    dropped = np.zeros(5_000, bool)
    assert not list(find_stretches(dropped))
    dropped[:50] = dropped[2_000:2_080] = dropped[-60:] = True
    assert list(find_stretches(dropped)) == [(0, 50), (2_000, 2_080), (4_940, 5_000)]


def test_a_misaligned_stretch_is_told_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(1)
    pairs = [(f"{'word ' * rng.randint(1, 30)}{n}", "") for n in range(900)]
    pairs = [(src, src[::-1]) for src, _ in pairs]
    shifted = [(pairs[n][0], pairs[n + 1][1]) for n in range(400, 600)]
    config = make(tmp_path, [*pairs[:400], *shifted, *pairs[600:]], filters=[{"filter": "ratio"}])
    prepare(config)
    (told,) = [record.getMessage() for record in caplog.records if "misaligned" in record.getMessage()]
    first, last = map(int, re.findall(r"lines (\d+)–(\d+) of train0.src look misaligned", told)[0])
    assert 400 < first < 430
    assert 570 < last <= 600
    (row,) = read_ledger(config).rows
    assert row.stretches[0].place in told
    assert row.stretches[0].place in (config.run / "data" / "report.html").read_text(encoding="utf-8")


def test_the_misaligned_part_of_a_real_memory_is_found(tmp_path: Path) -> None:
    """A part of this memory, units 442 to 727, is shifted: each text stands beside that of a neighbour."""
    memory = {"reader": "tmx", "path": str(corpus("formats") / "tico19.en-fr.tmx.gz")}
    filters = [{"filter": "empty"}, {"filter": "ratio"}, {"filter": "numbers"}]
    config = with_data(make(tmp_path, [], tokenizer={"vocab_size": 400}), train=[memory], filters=filters)
    prepare(config)
    ((stretch,),) = [row.stretches for row in read_ledger(config).rows]
    first, last = (int(origin.rpartition(":")[2]) for origin in (stretch.first, stretch.last))
    assert abs(first - 2769) < 100
    assert abs(last - 4480) < 100


# ---------------------------------------------------------------- the report


def test_pairs_cut_for_validation_and_test_are_not_dropped(tmp_path: Path) -> None:
    config = make(tmp_path, [*sentences(400), *LONG[:4]], filters=SHORT, valid={"reader": "cut", "pairs": 30})
    report = prepare(config)
    cut = report.ledger.total().held_out
    html = (config.run / "data" / "report.html").read_text(encoding="utf-8")
    figures: dict[str, Any] = {
        name: int(value.replace(",", ""))
        for value, name in re.findall(r'<b>([0-9,]+)</b><span class="dim">pairs (\w+)', html)
    }
    assert figures == {"read": 404, "kept": 400 - cut, "held": cut, "dropped": 4}
    assert "Why pairs were dropped" in html
    assert "cut to valid (" not in html
    assert cut >= 20


def test_stretches_survive_the_ledger(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    ledger = prepare(config).ledger
    ledger.rows[0].show("empty", Example("a", "b"))
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger
