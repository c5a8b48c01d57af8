from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from mtkit.evaluate.confidence_quality import confidence_quality, ranks, spearman, worst_auroc


def test_the_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    found = confidence_quality([0.12, 0.18, 0.55, 1.0], [0.1, 0.4, 0.5, 0.8], [-1.0, -2.0, -3.0, -4.0])
    assert [(one.low, one.high, one.count) for one in found.bins] == [
        (0.1, 0.2, 2),
        (0.5, 0.6, 1),
        (0.9, 1, 1),
    ]
    assert found.bins[0].confidence == pytest.approx(0.15)
    assert found.bins[0].quality == pytest.approx(0.25)
    assert found.calibration_error == pytest.approx((2 * 0.1 + 0.05 + 0.2) / 4)
    assert found.count == 4
    assert (found.spearman, found.spearman_mean) == pytest.approx((1, -1))


@pytest.mark.parametrize("seed", range(5))
def test_auroc_counts_pairs(seed: int) -> None:
    rng = random.Random(seed)
    confidence = [rng.randrange(6) / 6 for _ in range(40)]
    quality = [rng.randrange(9) / 9 for _ in range(40)]
    bound = sorted(quality)[7]  # the worst fifth, and those that are as bad
    bad = [one for one, own in zip(confidence, quality, strict=True) if own <= bound]
    good = [one for one, own in zip(confidence, quality, strict=True) if own > bound]
    pairs = [(low < high) + (low == high) / 2 for low, high in itertools.product(bad, good)]
    assert worst_auroc(np.array(confidence), np.array(quality)) == pytest.approx(sum(pairs) / len(pairs))


def test_equal_values_share_a_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    # 1 - 6 Σd² / (n (n² - 1)), where no values are equal
    first, second = np.array([1.0, 5.0, 2.0, 9.0, 4.0]), np.array([2.0, 3.0, 1.0, 8.0, 9.0])
    distances = ranks(first) - ranks(second)
    assert spearman(first, second) == pytest.approx(1 - 6 * (distances**2).sum() / (5 * 24))


def test_what_cannot_be_ranked_has_no_figure() -> None:
    found = confidence_quality([0.5, 0.5], [0.2, 0.2], [-1.0, -2.0])
    assert (found.spearman, found.worst_auroc) == (None, None)
    assert found.spearman_mean is None
