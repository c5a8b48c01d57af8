"""The report of a run as one HTML page. Free of torch.

To add a section, write a function from facts to HTML and name it in `_SECTIONS`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from mtkit.config.load import dump_config
from mtkit.data.prepare.report import REPORT_PAGE, stored_section
from mtkit.errors import MtkitError
from mtkit.evaluate.curve_drawing import draw_panel, draw_reliability
from mtkit.evaluate.run_facts import RunFacts, SampleLine, SetFacts
from mtkit.evaluate.score_sections import ScoredSet, looks_section, score_text, scores_section
from mtkit.evaluate.wording import differences
from mtkit.metrics.surface import title_of
from mtkit.runs.layout import DATA, inside
from mtkit.text.page import escaped, html_page, html_section, html_table, marked_text

MOST_DATA = 600_000
"""Characters of the data section, above which the page only says where prepare's own report is."""
MOST_TESTS = 20
"""Test sets whose samples and buckets are shown."""
_MOST_TEXT = 500


def run_page(facts: RunFacts) -> str:
    """The page of a run; all text of data and models is escaped and cut."""
    parts = (html_section(title, section(facts)) for title, section in _SECTIONS.items())
    return html_page(f"Report of {facts.run.name}", "".join(parts))


def _note(facts: RunFacts, *names: str) -> str:
    return "".join(
        f'<p class="dim">{escaped(facts.notes[name])}</p>\n' for name in names if name in facts.notes
    )


def _overview(facts: RunFacts) -> str:
    rows = [["run", str(facts.run)], ["model", facts.model or "none yet"]]
    if facts.config:
        data, model = facts.config.data, facts.config.model
        rows.append(["languages", f"{data.src_lang} → {data.tgt_lang}"])
        rows.append(["network", f"{model.preset}, d_model {model.d_model}"])
    for test in facts.tests:
        told = ", ".join(
            f"{title_of(each.metric, each.form)} {score_text(each.value, each.margin)}"
            for each in test.scores
        )
        rows.append([f"test set {test.test} ({test.model})", told])
    return _note(facts, "model") + html_table(["what", "value"], rows, "texts")


def _reproduce(facts: RunFacts) -> str:
    """Commands, seed, versions and fingerprints, and the whole config."""
    config = facts.config
    rows = [list(item) for item in facts.fingerprints.items()]
    prints = html_table(["fingerprint", "value"], rows, "texts") if rows else ""
    if config is None:
        return _note(facts, "config") + prints
    name = str(facts.run / facts.model / "config.yaml") if facts.model else "CONFIG"
    quoted = shlex.quote(name)
    steps = ["prepare", "train", *(["evaluate"] if config.data.test else [])]
    commands = "\n".join(f"mtkit {step} {quoted} run=NEW_FOLDER" for step in steps)
    return (
        f"<pre>{escaped_lines(commands)}</pre>\n<p>Seed {config.seed}. Identical weights need the same "
        f"versions, kind of processor and number of threads, and train.deterministic.</p>\n"
        f"{prints}\n<details><summary>The config, with all defaults</summary>"
        f"<pre>{escaped_lines(dump_config(config))}</pre></details>"
    )


def escaped_lines(text: str) -> str:
    """Several lines, each escaped and cut."""
    return "\n".join(map(escaped, text.splitlines()))


def _data(facts: RunFacts) -> str:
    if facts.data is None:
        return _note(facts, "data")
    try:
        section = stored_section(inside(facts.run, DATA), 3)
    except (OSError, MtkitError) as error:
        return f'<p class="dim">{escaped(str(error))}</p>'
    if len(section) > MOST_DATA:
        place = escaped(str(inside(facts.run, DATA, REPORT_PAGE)))
        return f"<p>The report of the data is too long for this page: {place}</p>"
    return section


def _curves(facts: RunFacts) -> str:
    return "".join(map(draw_panel, facts.curves)) or _note(facts, "curves")


def _scores(facts: RunFacts) -> str:
    """Scores with 95 % confidence intervals and signatures."""
    if not facts.tests:
        return _note(facts, "scores")
    sets = [
        ScoredSet((test.test, test.model), test.num_pairs, test.leaked, test.scores) for test in facts.tests
    ]
    engines = ", ".join(dict.fromkeys(test.engine for test in facts.tests))
    return scores_section(("test set", "model"), sets, f"Engine: {engines}.")


def _looks(facts: RunFacts) -> str:
    """Buckets, the stress set and contrastive pairs, as far as they were stored."""
    if shown := looks_section((test.test, test.breakdowns) for test in facts.tests[:MOST_TESTS]):
        return shown
    if not facts.tests:
        return _note(facts, "scores")
    command = f"mtkit evaluate {shlex.quote(str(facts.run))} --breakdown all --stress --contrast"
    return f'<p class="dim">None are stored. Run `{escaped(command)}`.</p>'


def _samples(facts: RunFacts) -> str:
    """The worst and the best translations, beside their references."""
    if not facts.tests:
        return _note(facts, "scores")
    return "".join(map(_samples_of, facts.tests[:MOST_TESTS]))


def _samples_of(test: SetFacts) -> str:
    head = f"<h3>{escaped(f'{test.test} ({test.model})')}</h3>\n"
    if test.note:
        return f'{head}<p class="dim">{escaped(test.note)}</p>\n'
    return head + _lines("Worst", test.worst, is_open=True) + _lines("Best", test.best, is_open=False)


def _lines(title: str, lines: Sequence[SampleLine], *, is_open: bool) -> str:
    shown = "".join(map(_sample, lines))
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{title}, by sentence chrF</summary>{shown}</details>\n"


def _sample(line: SampleLine) -> str:
    hyp, ref = differences(_cut(line.hyp), _cut(line.ref))
    columns = "".join(
        f'<div dir="auto"><span class="dim">{name}</span><br>{marked_text(pieces, tag)}</div>'
        for name, pieces, tag in (("translation", hyp, "del"), ("reference", ref, "ins"))
    )
    return (
        f'<article><p class="dim">line {line.number:,} · chrF {line.chrf:.1f}</p>'
        f'<p dir="auto"><span class="dim">source</span> {escaped(_cut(line.src))}</p>'
        f'<div class="sides">{columns}</div></article>\n'
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} …"


def _confidence(facts: RunFacts) -> str:
    """How well the model's confidence agrees with quality: a curve and figures for each test set."""
    if not facts.reliability:
        return _note(facts, "reliability")
    rows = [
        [
            test,
            f"{found.count:,}",
            f"{found.calibration_error:.3f}",
            *("–" if each is None else f"{each:.3f}" for each in (found.worst_auroc, found.spearman)),
        ]
        for test, found in facts.reliability.items()
    ]
    told = (
        "ECE: mean distance of confidence and quality (sentence chrF / 100). AUROC: how often one of the "
        "worst fifth has a lower confidence than one of the others. Spearman: correlation of the ranks."
    )
    drawings = (draw_reliability(test, found) for test, found in facts.reliability.items())
    head = ["test set", "sentences", "ECE", "AUROC", "Spearman"]
    return f'{html_table(head, rows)}<p class="dim">{told}</p>\n{"".join(drawings)}'


def _environment(facts: RunFacts) -> str:
    rows = [[name, value] for name, value in facts.environment.items()]
    told = '<p class="dim">Versions and machine that wrote this page, unless it says otherwise.</p>'
    return html_table(["what", "value"], rows, "texts") + told


_SECTIONS: dict[str, Callable[[RunFacts], str]] = {
    "Overview": _overview,
    "Scores": _scores,
    "Learning curves": _curves,
    "Closer looks": _looks,
    "Samples": _samples,
    "Confidence": _confidence,
    "Data": _data,
    "Reproduce": _reproduce,
    "Environment": _environment,
}
"""The sections in their order; one without content is left out."""
