"""Prints the results of `mtkit evaluate`, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.closer_view import show_looks

if TYPE_CHECKING:
    from mtkit.evaluate.compared import Comparison
    from mtkit.evaluate.evaluate import Evaluated
    from mtkit.evaluate.evaluation import Evaluation
    from mtkit.evaluate.score_sections import Table

Row = tuple[str, str, int]
"""A system, a test set or nothing, and the number of pairs."""


class ScoreList:
    """Prints all results together, as JSON."""

    def __init__(self) -> None:
        self.systems: set[str] = set()

    def begin(self, rows: Sequence[Row]) -> None:
        """Announces the results to come."""
        self.systems = {system for system, *_ in rows}

    def add(self, result: Evaluated) -> None:
        """Waits for the end."""

    def end(self, found: Evaluation) -> None:
        """Prints all of them, and what follows from them."""
        import json

        console.out_lines(json.dumps(found.to_json(), indent=2, ensure_ascii=False))


class ScoreTable:
    """Prints a row for each result when it is ready, and signatures below the table."""

    def __init__(self) -> None:
        self._rows: Sequence[Row] = ()
        self.systems: set[str] = set()
        self._titles: tuple[str, ...] = ()
        self._signatures: dict[tuple[str, str, str | None], list[str]] = {}

    def begin(self, rows: Sequence[Row]) -> None:
        """Announces the results to come; their widest texts decide the widths of the columns."""
        self._rows = rows
        self.systems = {system for system, *_ in rows}

    def add(self, result: Evaluated) -> None:
        """Prints the row of a result; begins another table if it has other scores than the one before."""
        from mtkit.cli.columns import aligned
        from mtkit.evaluate.score_sections import score_text

        titles = tuple(score.title for score in result.scores)
        is_new = titles != self._titles
        if self._titles and is_new:
            self._end_table()
            console.out("")
        self._titles = titles
        values = [score_text(score.value, score.margin) for score in result.scores]
        broadest = [score_text(100, None if score.margin is None else 10) for score in result.scores]
        row = [*self._names(result.system, result.test), f"{result.num_pairs:,}", *values]
        widest = [[*self._names(*names), f"{count:,}", *broadest] for *names, count in self._rows]
        lines = aligned([*self._names("system", "test set"), "pairs", *titles], [row, *widest])
        for line in lines[: 3 if is_new else 0] or lines[2:3]:
            console.out("".join(line))
        for score in result.scores:
            key = (score.metric, score.signature, score.form)
            self._signatures.setdefault(key, []).append(result.label(self.systems))

    def _names(self, system: str, test: str) -> list[str]:
        """The cells that tell this row from others: the system, the test set or both."""
        of_files = {test for _, test, _ in self._rows} == {""}
        return [*([system] if len(self.systems) > 1 or of_files else []), *([] if of_files else [test])]

    def end(self, found: Evaluation) -> None:
        """Prints the signatures of the scores, closer looks, documents, comparisons and seeds."""
        from mtkit.evaluate.score_sections import document_table

        self._end_table()
        show_looks(found.looks)
        if found.documents:
            console.out("")
            _print_table(document_table(found.documents, self._names))
        if found.comparisons:
            self._print_comparisons(found.comparisons)
        for systems in dict.fromkeys(spread.systems for spread in found.seeds):
            console.out("")
            console.out(f"{len(systems)} seeds of one config: {', '.join(systems)}")
            for spread in found.seeds:
                if spread.systems == systems:
                    console.out(str(spread))

    def _print_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        from mtkit.evaluate.score_sections import comparison_signatures, comparison_table

        console.out("")
        console.out(f"compared with {comparisons[0].baseline}; p below 0.05 is significant")
        _print_table(comparison_table(comparisons, self._names))
        console.out("")
        for text in comparison_signatures(comparisons):
            console.out(text)

    def _end_table(self) -> None:
        metrics = [metric for metric, *_ in self._signatures]
        if metrics:
            console.out("")
        for (metric, signature, form), names in self._signatures.items():
            of_some = f" ({', '.join(names)})" if metrics.count(metric) > 1 else ""
            console.out(f"{metric}{of_some}: {signature}")
            if form is not None:
                console.out(f"{metric}{of_some}, form: {form}")
        self._titles, self._signatures = (), {}


def _print_table(table: Table) -> None:
    from mtkit.cli.columns import aligned

    for line in aligned(*table):
        console.out("".join(line))
