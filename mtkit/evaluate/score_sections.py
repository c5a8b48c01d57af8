"""Tables and sections of pages about scores, which several pages and the terminal share. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mtkit.evaluate.buckets import Breakdown
from mtkit.evaluate.compare_page import MARK_MEANS, breakdown_table
from mtkit.evaluate.compared import Comparison
from mtkit.evaluate.documents import DocumentScores
from mtkit.metrics.significance import Method, p_text
from mtkit.metrics.surface import title_of
from mtkit.text.page import escaped, html_section, html_table

Table = tuple[list[str], list[list[str]]]
"""The cells of the head, and those of each row."""
Names = Callable[[str, str], list[str]]
"""The cells that name a row, from its system and its test set; of the head, from the titles of both."""
P_VALUES: dict[Method, str] = {"bs": "p (bootstrap)", "ar": "p (randomization)"}
_MOST_BUCKETS = 20


class AnyScore(Protocol):
    """A score, just computed or stored."""

    @property
    def metric(self) -> str:
        """Its name."""

    @property
    def value(self) -> float:
        """From 0 to 100 for most metrics."""

    @property
    def signature(self) -> str:
        """How it was computed."""

    @property
    def form(self) -> str | None:
        """Signature of the form of the texts."""

    @property
    def margin(self) -> float | None:
        """Half of the 95 % confidence interval."""


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """The scores of a test set.

    Attributes:
        names: cells that tell it from others, such as system and test set.
        num_pairs: number of translations.
        leaked: pairs with a side that is in the training data; None if unknown.
        scores: one for each metric.
    """

    names: Sequence[str]
    num_pairs: int
    leaked: int | None
    scores: Sequence[AnyScore]


def score_text(value: float, margin: float | None) -> str:
    """A score, with its interval if there is one."""
    return f"{value:.2f}" if margin is None else f"{value:.2f} ± {margin:.2f}"


def scores_section(names: Sequence[str], sets: Iterable[ScoredSet], told: str = "") -> str:
    """A table of scores with 95 % confidence intervals, and their signatures.

    Args:
        names: titles of the cells that tell test sets apart.
        sets: the scores.
        told: more that is to be said below the table.
    """
    sets = list(sets)
    rows = [
        [
            *each.names,
            f"{each.num_pairs:,}",
            "unknown" if each.leaked is None else f"{each.leaked:,}",
            title_of(score.metric, score.form),
            score_text(score.value, score.margin),
        ]
        for each in sets
        for score in each.scores
    ]
    recipes = dict.fromkeys(
        " · ".join(filter(None, (title_of(score.metric, score.form), score.signature, score.form)))
        for each in sets
        for score in each.scores
    )
    means = (
        "± is half of the 95 % confidence interval, by bootstrap resampling of the sentences. Leaked pairs "
        "have a side that the training data repeat."
    )
    return (
        html_table([*names, "pairs", "leaked", "metric", "score"], rows)
        + f'<p class="dim">{escaped(f"{means} {told}".strip())}</p>\n<p>Signatures</p>\n<ul>'
        + "".join(f"<li>{escaped(recipe)}</li>" for recipe in recipes)
        + "</ul>"
    )


def looks_section(looks: Iterable[tuple[str, Sequence[Breakdown]]]) -> str:
    """The tables of closer looks, each under the name of what was looked at; empty if there are none."""
    parts = [
        html_section(f"{name}: by {found.by}", html_table(*breakdown_table(found, _MOST_BUCKETS)), 3)
        for name, breakdowns in looks
        for found in breakdowns
    ]
    return "".join(parts) + f'<p class="dim">{escaped(MARK_MEANS)}.</p>' if parts else ""


def comparison_table(comparisons: Sequence[Comparison], names: Names) -> Table:
    """Differences to the baseline with their p-values."""
    tests = list(comparisons[0].p_values)
    rows = [
        [
            *names(each.system, each.test),
            title_of(each.metric, None),
            f"{each.difference:+.2f}",
            *(p_text(each.p_values[test], each.difference) for test in tests),
        ]
        for each in comparisons
    ]
    return [*names("system", "test set"), "metric", "difference", *(P_VALUES[test] for test in tests)], rows


def document_table(documents: Sequence[DocumentScores], names: Names) -> Table:
    """The scores of each document."""
    metrics = list(documents[0].scores)
    rows = [
        [
            *names(each.system, each.test),
            each.document,
            f"{each.num_pairs:,}",
            *(f"{each.scores[metric]:.2f}" if metric in each.scores else "" for metric in metrics),
        ]
        for each in documents
    ]
    titles = [title_of(metric, None) for metric in metrics]
    return [*names("system", "test set"), "document", "pairs", *titles], rows


def comparison_signatures(comparisons: Sequence[Comparison]) -> list[str]:
    """Those of all tests, each once."""
    return list(
        dict.fromkeys(
            f"{each.metric}: {signature}" for each in comparisons for signature in each.signatures.values()
        )
    )
