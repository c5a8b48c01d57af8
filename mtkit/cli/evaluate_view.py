"""Prints the results of `mtkit evaluate`, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.closer_view import show_looks

if TYPE_CHECKING:
    from mtkit.evaluate.closer import Look
    from mtkit.evaluate.compared import Comparison
    from mtkit.evaluate.documents import DocumentScores
    from mtkit.evaluate.evaluate import Evaluated
    from mtkit.evaluate.seeds import Spread
    from mtkit.metrics.significance import Method

P_VALUES: Mapping[Method, str] = {"bs": "p (bootstrap)", "ar": "p (randomization)"}
Row = tuple[str, str, int]
"""A system, a test set or nothing, and the number of pairs."""


class ScoreList:
    """Prints all results together, as JSON."""

    def __init__(self) -> None:
        self._results: list[Evaluated] = []
        self.looks: list[Look] = []
        self.systems: set[str] = set()

    def begin(self, rows: Sequence[Row]) -> None:
        """Announces the results to come."""
        self.systems = {system for system, *_ in rows}

    def add(self, result: Evaluated) -> None:
        """Adds a result."""
        self._results.append(result)

    def end(
        self,
        comparisons: Sequence[Comparison] = (),
        seeds: Sequence[Spread] = (),
        documents: Sequence[DocumentScores] = (),
    ) -> None:
        """Prints all of them, the comparisons with the baseline, and the spread of seeds."""
        import json

        from mtkit.evaluate.record import report

        values = report(self._results, comparisons, seeds, documents)
        if self.looks:
            values["looks"] = [asdict(look) for look in self.looks]
        console.out_lines(json.dumps(values, indent=2, ensure_ascii=False))


class ScoreTable:
    """Prints a row for each result when it is ready, and signatures below the table."""

    def __init__(self) -> None:
        self._rows: Sequence[Row] = ()
        self.looks: list[Look] = []
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

        titles = tuple(score.title for score in result.scores)
        is_new = titles != self._titles
        if self._titles and is_new:
            self._end_table()
            console.out("")
        self._titles = titles
        values = [_with_margin(score.value, score.margin) for score in result.scores]
        broadest = [_with_margin(100, None if score.margin is None else 10) for score in result.scores]
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

    def end(
        self,
        comparisons: Sequence[Comparison] = (),
        seeds: Sequence[Spread] = (),
        documents: Sequence[DocumentScores] = (),
    ) -> None:
        """Prints the signatures of the scores, the comparisons with the baseline, and the spread of seeds."""
        self._end_table()
        show_looks(self.looks)
        if documents:
            self._print_documents(documents)
        if comparisons:
            self._print_comparisons(comparisons)
        for systems in dict.fromkeys(spread.systems for spread in seeds):
            console.out("")
            console.out(f"{len(systems)} seeds of one config: {', '.join(systems)}")
            for spread in seeds:
                if spread.systems == systems:
                    console.out(str(spread))

    def _print_documents(self, documents: Sequence[DocumentScores]) -> None:
        from mtkit.cli.columns import aligned
        from mtkit.metrics.surface import title_of

        names = list(documents[0].scores)
        head = [
            *self._names("system", "test set"),
            "document",
            "pairs",
            *(title_of(name, None) for name in names),
        ]
        rows = [
            [
                *self._names(each.system, each.test),
                each.document,
                f"{each.num_pairs:,}",
                *(f"{each.scores[name]:.2f}" if name in each.scores else "" for name in names),
            ]
            for each in documents
        ]
        console.out("")
        for line in aligned(head, rows):
            console.out("".join(line))

    def _print_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        from mtkit.cli.columns import aligned
        from mtkit.metrics.significance import p_text
        from mtkit.metrics.surface import title_of

        tests = list(comparisons[0].p_values)
        rows = [
            [
                *self._names(each.system, each.test),
                title_of(each.metric, None),
                f"{each.difference:+.2f}",
                *(p_text(each.p_values[test], each.difference) for test in tests),
            ]
            for each in comparisons
        ]
        head = [
            *self._names("system", "test set"),
            "metric",
            "difference",
            *(P_VALUES[test] for test in tests),
        ]
        console.out("")
        console.out(f"compared with {comparisons[0].baseline}; p below 0.05 is significant")
        for line in aligned(head, rows):
            console.out("".join(line))
        console.out("")
        for metric, signature in dict.fromkeys(
            (each.metric, signature) for each in comparisons for signature in each.signatures.values()
        ):
            console.out(f"{metric}: {signature}")

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


def _with_margin(value: float, margin: float | None) -> str:
    return f"{value:.2f}" if margin is None else f"{value:.2f} ± {margin:.2f}"
