"""Writes every translation with its source, references and sentence scores. Does not use torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from mtkit.disk.output import output_file
from mtkit.evaluate.evaluate import Evaluated
from mtkit.metrics.moses import open_form
from mtkit.metrics.surface import inputs_of, metric_of, segment_scores

_JSON = {".jsonl", ".ndjson"}


def write_segments(path: Path, results: Sequence[Evaluated]) -> None:
    """Writes a line for each translation: JSON if the name ends in .jsonl or .ndjson, else a table with tabs.

    Compressed files have a second suffix, as in `segments.jsonl.gz`.

    Raises:
        UsageError: it is a folder.
        OSError: it cannot be written.
    """
    rows = [row for result in results for row in _rows(result)]
    as_json = bool({suffix.lower() for suffix in path.suffixes[-2:]} & _JSON)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows) if as_json else _table(rows)
    with output_file(path) as file:
        for line in lines:
            file.write(f"{line}\n".encode())


def _rows(result: Evaluated) -> Iterator[dict[str, object]]:
    texts = result.texts
    inputs = inputs_of(texts.refs, texts.srcs)
    scores: dict[str, Sequence[float]] = {}
    for each in result.measured:
        name = each.score.metric
        if metric := metric_of(each.score):
            form = open_form(result.form if each.score.form else "raw", texts.tgt_lang)
            scores[name] = segment_scores(metric, texts.hyps, inputs, texts.tgt_lang, form)
        else:
            scores[name] = [each.of_lines([place]) for place in range(result.num_pairs)]
    for i, hyp in enumerate(texts.hyps):
        yield {
            "system": result.system,
            "test": result.test,
            "line": i + 1,
            "src": "" if texts.srcs is None else texts.srcs[i],
            "refs": [version[i] for version in texts.refs],
            "hyp": hyp,
            "scores": {name: values[i] for name, values in scores.items()},
        }


def _table(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    """The rows with tabs between their cells; tabs in texts become spaces."""
    flat = [_flat(row) for row in rows]
    head = list(dict.fromkeys(key for row in flat for key in row))
    yield "\t".join(head)
    for row in flat:
        yield "\t".join(row.get(key, "").replace("\t", " ") for key in head)


def _flat(row: dict[str, object]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, value in row.items():
        match value:
            case list():
                cells |= {f"ref{n}" if n > 1 else "ref": str(ref) for n, ref in enumerate(value, start=1)}
            case dict():
                cells |= {str(name): f"{score:.4f}" for name, score in value.items()}
            case _:
                cells[key] = str(value)
    return cells
