"""Word alignment against a plain EM in dictionaries, and on corpora whose alignment is known."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from mtkit.data.prepare import align
from mtkit.data.prepare.align import (
    Aligner,
    learn_aligner,
    learn_table,
    posteriors,
    read_aligner,
    write_aligner,
)
from mtkit.errors import InputError

BASE = 100


def corpus(count: int = 60) -> list[tuple[np.ndarray, np.ndarray]]:
    """Source word w is target word w + 40; neighbours are swapped now and then; lengths differ."""
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        src = random.choice(np.arange(4, 24), random.integers(2, 9), replace=False)
        tgt = src + 40
        if random.random() < 0.5:
            tgt[[0, 1]] = tgt[[1, 0]]
        pairs.append((src.astype(np.uint16), tgt.astype(np.uint16)))
    return pairs


def brute_prior(place: int, tgt_len: int, src_len: int) -> list[float]:
    near = [math.exp(-4.0 * abs(place / tgt_len - j / src_len)) for j in range(1, src_len + 1)]
    return [0.08, *(0.92 * value / sum(near) for value in near)]


def brute_em(pairs: list[tuple[np.ndarray, np.ndarray]], iterations: int) -> dict[tuple[int, int], float]:
    """The textbook's loops: word 0 is the null word."""
    table: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        totals: dict[int, float] = defaultdict(float)
        for src, tgt in pairs:
            words = [0, *src.tolist()]
            for place, word in enumerate(tgt.tolist(), start=1):
                prior = brute_prior(place, len(tgt), len(src))
                joint = [table[s, word] * p for s, p in zip(words, prior, strict=True)]
                for s, value in zip(words, joint, strict=True):
                    counts[s, word] += value / sum(joint)
                    totals[s] += value / sum(joint)
        table = defaultdict(float, {(s, t): value / totals[s] for (s, t), value in counts.items()})
    return table


@pytest.mark.parametrize("iterations", [1, 2, 4])
@pytest.mark.parametrize("cells", [50, 1 << 21])
def test_the_table_is_that_of_plain_em(iterations: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "CELLS", cells)
    pairs = corpus(25)
    table = learn_table(pairs, BASE, iterations)
    expected = {key: p for key, p in brute_em(pairs, iterations).items() if p >= 1e-7}
    found = {divmod(int(key), BASE): p for key, p in zip(table.keys, table.probs, strict=True)}
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-9)


def test_posteriors_do_not_depend_on_padding() -> None:
    pairs = corpus()
    table = learn_table(pairs, BASE)
    srcs, tgts = (align.padded([pair[side] for pair in pairs]) for side in (0, 1))
    together = posteriors(table, srcs, tgts)
    for number, (src, tgt) in enumerate(pairs):
        alone = posteriors(table, src[None].astype(np.int64), tgt[None].astype(np.int64))[0]
        assert together[number, : len(tgt), : len(src)] == pytest.approx(alone)
        assert not together[number, len(tgt) :].any()
        assert not together[number, :, len(src) :].any()


def test_the_true_alignment_is_found() -> None:
    pairs = corpus(300)
    aligner = learn_aligner(pairs, BASE, BASE)
    right = total = 0
    for src, tgt in pairs:
        found = aligner.agreement(src[None].astype(np.int64), tgt[None].astype(np.int64))[0]
        sums = found.sum(-1)
        assert np.all((sums == 0) | np.isclose(sums, 1))
        total += len(tgt)
        right += int((src[found.argmax(-1)] + 40 == tgt)[sums > 0].sum())
    assert right > 0.95 * total


def test_what_was_written_is_read(tmp_path: Path) -> None:
    aligner = learn_aligner(corpus(20), BASE, BASE, iterations=2)
    write_aligner(tmp_path / "align", aligner, "data")
    found: Aligner = read_aligner(tmp_path / "align", "data")
    for ours, theirs in ((aligner.forward, found.forward), (aligner.backward, found.backward)):
        assert np.array_equal(ours.keys, theirs.keys)
        assert np.array_equal(ours.probs, theirs.probs)
        assert ours.base == theirs.base
    with pytest.raises(InputError, match="other data"):
        read_aligner(tmp_path / "align", "others")


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="no pair with tokens on both sides"):
        learn_table([(np.zeros(0, np.uint16), np.array([5], np.uint16))], BASE)
