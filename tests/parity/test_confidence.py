"""Confidence against published correlations with human judgements (Fomicheva et al. 2020, MLQE-PE)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.corpora import REPOSITORY, corpus

PUBLISHED = {"en-de": (0.208, 0.264), "en-zh": (0.257, 0.301), "et-en": (0.486, 0.471)}
"""Of the mean and of the deviation of the log-probabilities, on the test set."""
LEAST = {"en-de": 0.36, "en-zh": 0.35, "et-en": 0.57}
"""Of a ridge regression on 7,000 judgements of the training set."""


@pytest.mark.parametrize("pair", PUBLISHED)
def test_confidence_agrees_with_people(pair: str) -> None:
    data = corpus("mlqe-da").parent
    script = REPOSITORY / "scripts" / "bench" / "confidence"
    done = subprocess.run(
        [sys.executable, str(script), str(data), "--pair", pair, "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)["people"][pair]
    assert (found["mean"], found["deviation"]) == pytest.approx(PUBLISHED[pair], abs=0.001)
    assert found["ridge"] >= LEAST[pair]
    assert found["confidence"] >= found["ridge"] - 0.02  # a rising curve keeps the order
