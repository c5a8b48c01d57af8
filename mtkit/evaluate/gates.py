"""Bounds that scores must reach, given or stored. Does not use torch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mtkit.errors import GateError
from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.record import stored_entry
from mtkit.metrics.surface import title_of

logger = logging.getLogger(__name__)

_RESAMPLING = ("bs:", "seed:")
"""Fields of a signature on which the interval depends, but not the score."""


def check_results(
    results: Sequence[Evaluated], bounds: Mapping[str, float], systems: Collection[str]
) -> None:
    """Refuses scores that are worse than their bound, and those that got worse than before.

    Raises:
        GateError: with everything that was missed.
    """
    missed = []
    for result in results:
        label = result.label(systems)
        for each in result.measured:
            score, quality = each.score, each.measure.quality
            bound = bounds.get(score.metric)
            if bound is not None and quality(score.value) < quality(bound):
                missed.append(f"{label}: {score.metric} {score.value:.2f} is worse than the bound {bound:g}.")
        missed += [f"{label}: {message}" for message in result.regressions]
    if missed:
        raise GateError(" ".join(missed))


def regressions(run: Path, result: Evaluated, model: str, most: float) -> Iterator[str]:
    """The scores that are worse by more than `most` points than those that the run folder keeps.

    Scores with other signatures are not compared, which a warning says.

    Args:
        run: the run folder.
        result: of a test set.
        model: the folder of the model, relative to the run.
        most: how much worse a score may be.
    """
    entry = stored_entry(run, result, model)
    if entry is None:
        logger.warning("%s: %s keeps no scores yet to compare with; these are the first.", result.test, run)
        return
    stored = {(old["metric"], old.get("form")): old for old in entry["scores"]}
    for each in result.measured:
        score, quality = each.score, each.measure.quality
        old = stored.get((score.metric, score.form))
        if old is None or without_resampling(old["signature"]) != without_resampling(score.signature):
            other = f"was stored with another signature, {old['signature']}" if old else ""
            why = other or "is not stored yet"
            logger.warning("%s: %s %s, so it is not compared.", result.test, score.metric, why)
            continue
        before = float(old["value"])
        if quality(before) - quality(score.value) > most:
            title = title_of(score.metric, score.form)
            yield f"{title} {score.value:.2f} is worse than the stored {before:.2f} by more than {most:g}."


def without_resampling(signature: str) -> str:
    """The signature of a score without that of its interval."""
    return "|".join(field for field in signature.split("|") if not field.startswith(_RESAMPLING))
