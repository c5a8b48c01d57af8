"""Prepares training data from corpora."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments, require
from mtkit.cli.console import out, progress, say, table

if TYPE_CHECKING:
    from mtkit.config.schema import Config
    from mtkit.data.prepare.prepare import PrepareReport


def prepare(
    arguments: ConfigArguments = None,
    force: Annotated[
        bool, typer.Option("--force", help="Prepare everything again, even if it is up to date.")
    ] = False,
    examples: Annotated[
        int,
        typer.Option(
            "--show",
            min=0,
            metavar="N",
            help="Print N pairs of each corpus as the model sees them, and N pairs that each filter dropped.",
        ),
    ] = 0,
) -> None:
    """Read, filter and tokenize the corpora.

    Prints how many pairs of each corpus were read, dropped by each filter and kept. Only missing work is
    done: an interrupted command is resumed, and after a change only what depends on it is prepared again.

    \b
    Example:
      mtkit prepare mtkit.yaml --show 5
    """
    loaded = read_arguments(arguments)
    config = loaded.config
    from mtkit.data.prepare.check_sources import faults_of_sources
    from mtkit.data.prepare.prepare import prepare as run
    from mtkit.data.prepare.prepared import has_settings

    require(loaded, () if has_settings(config) and not force else faults_of_sources(config))

    with progress() as show:
        report = run(config, show, force=force)
    if report.up_to_date:
        out(f"{report.folder}: up to date")
    else:
        print_ledger(report)
    if examples:
        show_examples(config, report, examples)
    data = config.data
    sizes = " and ".join(f"{size:,}" for size in dict.fromkeys(report.vocab_sizes))
    say(
        f"{report.train_pairs:,} training pairs of {report.src_tokens:,} {data.src_lang} and "
        f"{report.tgt_tokens:,} {data.tgt_lang} tokens, {report.valid_pairs:,} validation pairs, "
        f"{sizes} pieces, in {report.folder}"
    )
    if report.sentences:
        say(f"Sources: {report.sentences}")
    say(f"Report: {report.folder / 'report.html'}")
    say(f"Next: {shlex.join(['mtkit', 'train', *(arguments or ())])}")


def print_ledger(report: PrepareReport) -> None:
    """Prints the numbers of pairs read, dropped by each filter and kept, for each corpus, on stdout.

    Filters that dropped nothing are omitted. A table of leaked held-out text follows if there was any.
    """
    rows = report.ledger.rows
    if len(rows) > 1:
        rows = [*rows, report.ledger.total()]
    names = [name for name in rows[0].dropped if any(row.dropped[name] for row in rows)]
    counts = [[row.read, *(row.dropped[name] for name in names), row.kept] for row in rows]
    cells = [[row.source, *map("{:,}".format, line)] for row, line in zip(rows, counts, strict=True)]
    table(["corpus", "read", *names, "kept"], cells, to_stdout=True)
    if any(any(found.met.values()) for found in report.leaks):
        from mtkit.data.clean.leaks import LEAK_FIGURES

        out("")
        lines = [[found.name, *map("{:,}".format, found.figures())] for found in report.leaks]
        table(["held out", *LEAK_FIGURES], lines, to_stdout=True)


def show_examples(config: Config, report: PrepareReport, count: int) -> None:
    """Prints the first pairs of each corpus as the model sees them, and the first dropped, on stdout."""
    from mtkit.data.prepare.inspect import first_pairs, first_rejected
    from mtkit.data.prepare.prepared import open_prepared

    for pair in first_pairs(config, open_prepared(config), count):
        out("")
        out(pair.origin or pair.corpus)
        for lang, side in zip(pair.languages, (pair.src, pair.tgt), strict=True):
            out(f"  {lang}  raw         {side.raw}")
            out(f"  {' ' * len(lang)}  normalised  {side.text}")
            if side.formed != side.text:
                out(f"  {' ' * len(lang)}  formed      {side.formed}")
            out(f"  {' ' * len(lang)}  pieces      {' '.join(side.pieces)}")
            out(f"  {' ' * len(lang)}  ids         {' '.join(map(str, side.ids))}")
            for number, pieces in enumerate(side.sampled):
                out(f"  {' ' * len(lang)}  sampled {number:<3} {' '.join(pieces)}")
    for name, found in first_rejected(report.folder, report.ledger, count).items():
        for example in found:
            out("")
            out(f"dropped by {name}: {example.origin}{f' ({example.detail})' if example.detail else ''}")
            out(f"  {config.data.src_lang}  {example.src}")
            out(f"  {config.data.tgt_lang}  {example.tgt}")
