"""The results of `mtkit evaluate` as one HTML page. Free of torch.

To add a section, write a function from an evaluation to HTML and name it in `_SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable

from mtkit.evaluate.evaluation import Evaluation
from mtkit.evaluate.score_sections import (
    Names,
    ScoredSet,
    comparison_signatures,
    comparison_table,
    document_table,
    looks_section,
    scores_section,
)
from mtkit.text.page import escaped, html_page, html_section, html_table

MOST_DOCUMENTS = 1000
"""Documents whose scores are shown."""


def evaluate_page(found: Evaluation) -> str:
    """The page; all names are escaped and cut."""
    systems = list(dict.fromkeys(result.system for result in found.results))
    title = f"Evaluation of {systems[0]}" + (f" and {len(systems) - 1} more" if len(systems) > 1 else "")
    parts = (html_section(name, section(found)) for name, section in _SECTIONS.items())
    return html_page(title, "".join(parts))


def _names(found: Evaluation) -> Names:
    """Names a row by its system, and by its test set if there are any."""
    has_tests = any(result.test for result in found.results)
    return lambda system, test: [system, test] if has_tests else [system]


def _scores(found: Evaluation) -> str:
    names = _names(found)
    sets = [
        ScoredSet(names(result.system, result.test), result.num_pairs, result.leaked, result.scores)
        for result in found.results
    ]
    systems = {result.system for result in found.results}
    warnings = [text for result in found.results for text in result.warnings(result.label(systems))]
    listed = "".join(f"<li>{escaped(text)}</li>" for text in warnings)
    return (f"<ul>{listed}</ul>\n" if listed else "") + scores_section(names("system", "test set"), sets)


def _comparisons(found: Evaluation) -> str:
    if not found.comparisons:
        return ""
    signatures = "".join(f"<li>{escaped(text)}</li>" for text in comparison_signatures(found.comparisons))
    return (
        f"<p>Compared with {escaped(found.comparisons[0].baseline)}; p below 0.05 is significant, "
        "= are equal scores.</p>\n"
        f"{html_table(*comparison_table(found.comparisons, _names(found)))}\n<ul>{signatures}</ul>"
    )


def _seeds(found: Evaluation) -> str:
    rows = [[", ".join(spread.systems), str(spread)] for spread in found.seeds]
    return html_table(["seeds of one config", "scores"], rows, "texts") if rows else ""


def _looks(found: Evaluation) -> str:
    several = len({look.system for look in found.looks}) > 1
    return looks_section(
        (f"{look.system}, {look.test}" if several else look.test, look.breakdowns) for look in found.looks
    )


def _documents(found: Evaluation) -> str:
    if not found.documents:
        return ""
    table = html_table(*document_table(found.documents[:MOST_DOCUMENTS], _names(found)))
    left = len(found.documents) - MOST_DOCUMENTS
    return table + (f'<p class="dim">{left:,} more are left out.</p>' if left > 0 else "")


_SECTIONS: dict[str, Callable[[Evaluation], str]] = {
    "Scores": _scores,
    "Differences to the baseline": _comparisons,
    "Seeds": _seeds,
    "Closer looks": _looks,
    "Documents": _documents,
}
"""The sections in their order; one without content is left out."""
