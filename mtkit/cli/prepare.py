"""Turn corpora into what training reads: filtered, tokenised, verifiable."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.console import out, progress, say, table

if TYPE_CHECKING:
    from mtkit.data.prepare import PrepareReport


def prepare(
    arguments: ConfigArguments = None,
    force: Annotated[bool, typer.Option("--force", help="Do it again even if nothing has changed.")] = False,
) -> None:
    """Read, filter and tokenise the corpora; say what became of each.

    Does nothing if it has been done and neither options nor files have changed.

    Example: mtkit prepare mtkit.yaml
    """
    config = read_arguments(arguments).config
    from mtkit.data.prepare import prepare as run

    with progress() as show:
        report = run(config, show, force=force)
    if report.up_to_date:
        out(f"{report.folder}: up to date")
    else:
        print_ledger(report)
    data = config.data
    say(
        f"{report.train_pairs:,} training pairs of {report.src_tokens:,} {data.src_lang} and "
        f"{report.tgt_tokens:,} {data.tgt_lang} tokens, {report.valid_pairs:,} validation pairs, "
        f"{report.vocab_size:,} pieces, in {report.folder}"
    )
    say(f"Next: {shlex.join(['mtkit', 'train', *(arguments or ())])}")


def print_ledger(report: PrepareReport) -> None:
    """How many pairs of each corpus came, fell by which filter, and stay; on stdout."""
    filters = list(report.ledger[0].dropped)
    rows = [[row.source, row.read, *row.dropped.values(), row.kept] for row in report.ledger]
    if len(rows) > 1:
        rows.append(["all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))])
    cells = [[row[0], *(f"{count:,}" for count in row[1:])] for row in rows]
    table(["corpus", "read", *filters, "kept"], cells, to_stdout=True)
