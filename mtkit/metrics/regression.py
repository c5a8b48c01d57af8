"""Fits an estimate of quality: ridge regression, then a monotone curve. Does not use torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PENALTIES = tuple(float(10.0**power) for power in np.arange(-1.0, 4.51, 0.25))
"""Penalties of the ridge regression that are tried."""
_PER_BIN = 20
_MOST_BINS = 20


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A ridge regression on columns that each have a mean and a scale.

    Attributes:
        weights: of each column as it was given.
        bias: what is added.
        left_out: [rows], the prediction for each row by a regression on all others.
        penalty: that predicts left-out rows best.
    """

    weights: Array
    bias: float
    left_out: Array
    penalty: float


def ridge(columns: Array, wanted: Array, penalties: Sequence[float] = PENALTIES) -> RidgeFit:
    """The ridge regression, with the penalty that has the smallest error on left-out rows.

    The predictions for left-out rows are exact (Allen 1974, PRESS), but for the means and scales of columns.

    Args:
        columns: [rows, columns]; one that is constant gets weight 0.
        wanted: [rows], the values to predict.
        penalties: to choose from, on columns of deviation 1.
    """
    means, scales = columns.mean(axis=0), columns.std(axis=0)
    scales[scales < 1e-9] = 1.0
    centre = float(wanted.mean())
    left, singular, right = np.linalg.svd((columns - means) / scales, full_matrices=False)
    along = left.T @ (wanted - centre)
    best: tuple[float, float, Array, Array] | None = None
    for penalty in penalties:
        shrunk = singular**2 / (singular**2 + penalty)
        residuals = wanted - centre - left @ (shrunk * along)
        leverage = 1 / len(wanted) + (left**2) @ shrunk
        left_out = wanted - residuals / np.maximum(1 - leverage, 1e-6)
        error = float(((wanted - left_out) ** 2).mean())
        if best is None or error < best[0]:
            weights = right.T @ (singular / (singular**2 + penalty) * along)
            best = error, penalty, weights, left_out
    assert best is not None
    _, penalty, weights, left_out = best
    weights = weights / scales
    return RidgeFit(weights, centre - float(weights @ means), left_out, penalty)


def rising_curve(predicted: Array, wanted: Array) -> tuple[list[float], list[float]]:
    """The knots of a curve from predictions to the means of what is wanted, which never falls.

    Neighbouring predictions are averaged first, so that no knot rests on a few of them; then means that fall
    are pooled (Ayer et al. 1955, pool adjacent violators).

    Args:
        predicted: by a regression that did not see these values.
        wanted: [rows], what should have been predicted.
    """
    order = np.argsort(predicted, kind="stable")
    bins = max(1, min(_MOST_BINS, len(order) // _PER_BIN))
    blocks: list[tuple[float, float, int]] = []  # means of both, and how many
    for own in np.array_split(order, bins):
        blocks.append((float(predicted[own].mean()), float(wanted[own].mean()), len(own)))
        while len(blocks) > 1 and (blocks[-2][1] >= blocks[-1][1] or blocks[-2][0] >= blocks[-1][0]):
            (x, y, count), (more_x, more_y, more) = blocks[-2:]
            both = count + more
            blocks[-2:] = [((x * count + more_x * more) / both, (y * count + more_y * more) / both, both)]
    return [x for x, _, _ in blocks], [min(max(y, 0.0), 1.0) for _, y, _ in blocks]
