from __future__ import annotations

import numpy as np
import pytest

from mtkit.metrics.regression import Array, ridge, rising_curve


@pytest.fixture
def columns() -> Array:
    return np.random.default_rng(0).normal(size=(60, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 0, -2, 1]


@pytest.fixture
def wanted(columns: Array) -> Array:
    noise = np.random.default_rng(1).normal(size=60)
    return np.asarray(columns @ [1.0, 0.2, 5.0, 0.0, -0.5] + noise + 7)


def solved(columns: Array, wanted: Array, penalty: float, z: Array) -> Array:
    """Weights and bias by the normal equations, on columns that were standardised before."""
    beside = np.hstack([z, np.ones((len(z), 1))])
    punished = np.diag([penalty] * z.shape[1] + [0.0])  # the bias is free
    return np.linalg.solve(beside.T @ beside + punished, beside.T @ wanted)


@pytest.mark.parametrize("penalty", [0.1, 3.0, 500.0])
def test_a_ridge_solves_the_normal_equations_and_knows_what_it_predicts_for_left_out_rows(
    columns: Array, wanted: Array, penalty: float
) -> None:
    z = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    found = ridge(columns, wanted, [penalty])
    expected = solved(columns, wanted, penalty, z)
    assert columns @ found.weights + found.bias == pytest.approx(z @ expected[:-1] + expected[-1])
    for row in (0, 17, 59):
        rest = np.arange(60) != row
        without = solved(columns[rest], wanted[rest], penalty, z[rest])
        assert found.left_out[row] == pytest.approx(z[row] @ without[:-1] + without[-1])


def test_the_penalty_is_the_one_that_predicts_left_out_rows_best(columns: Array) -> None:
    noise = np.random.default_rng(2).normal(size=60)
    errors = {
        penalty: ((ridge(columns, noise, [penalty]).left_out - noise) ** 2).mean() for penalty in (1, 30, 900)
    }
    assert ridge(columns, noise, list(errors)).penalty == min(errors, key=lambda one: errors[one])


def test_a_constant_column_has_no_weight(columns: Array, wanted: Array) -> None:
    columns[:, 2] = 1.0
    assert ridge(columns, wanted).weights[2] == pytest.approx(0, abs=1e-9)


def test_a_curve_rises_as_far_as_the_means_do() -> None:
    """Against the formula of Barlow and Brunk 1972: the largest of the smallest means around each place."""
    rng = np.random.default_rng(3)
    predicted = rng.normal(size=400)
    wanted = np.clip(0.5 + 0.2 * predicted + rng.normal(size=400) * 0.4, 0, 1)
    raw, values = rising_curve(predicted, wanted)
    means = wanted[np.argsort(predicted)].reshape(20, 20).mean(axis=1)
    isotonic = [
        max(min(means[first : last + 1].mean() for last in range(place, 20)) for first in range(place + 1))
        for place in range(20)
    ]
    assert values == pytest.approx(sorted(set(np.round(isotonic, 12))))
    assert 1 < len(values) < 20
    assert raw == sorted(set(raw))


def test_a_curve_of_equal_predictions_is_one_mean() -> None:
    raw, values = rising_curve(np.zeros(100), np.linspace(0, 1, 100))
    assert raw == [0.0]
    assert values == pytest.approx([0.5])
