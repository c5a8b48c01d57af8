"""Prepares training data from corpora."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments, shown
from mtkit.cli.console import out, out_prose, progress, say, say_next, table, width_on

if TYPE_CHECKING:
    from mtkit.config.schema import Config
    from mtkit.data.prepare.prepare import PrepareReport


def prepare(
    arguments: ConfigArguments = None,
    force: Annotated[
        bool, typer.Option("--force", help="Prepare everything again, even if it is up to date.")
    ] = False,
    replace_data: Annotated[
        bool,
        typer.Option(
            "--replace-data",
            help="Replace the data even if checkpoints of this run were trained on others. Training can then "
            "only start over.",
        ),
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
    """Clean and tokenize the corpora, with a report of what was dropped.

    Prints how many pairs of each corpus were read, dropped by each filter and kept. Only missing work is
    done: an interrupted command is resumed, and after a change only what depends on it is prepared again.

    \b
    Example:
      mtkit prepare mtkit.yaml --show 5
    """
    loaded = read_arguments(arguments)
    config = loaded.config
    from mtkit.config.refuse import refuse
    from mtkit.data.prepare.check_sources import faults_of_sources
    from mtkit.data.prepare.prepare import prepare as run
    from mtkit.data.prepare.prepared import has_settings

    refuse(loaded, () if has_settings(config) and not force else faults_of_sources(config))

    with progress() as show:
        report = run(config, show, force=force, replace_data=replace_data)
    if report.up_to_date:
        out(f"{shown(report.folder)}: up to date")
    else:
        print_ledger(report)
    if examples:
        show_examples(config, report, examples)
    data = config.data
    pairs_of_languages = {data.languages_of(source) for source in data.corpora}
    src, tgt = pairs_of_languages.pop() if len(pairs_of_languages) == 1 else ("source", "target")
    sizes = " and ".join(f"{size:,}" for size in dict.fromkeys(report.vocab_sizes))
    say(
        f"{report.train_pairs:,} training pairs of {report.src_tokens:,} {src} and "
        f"{report.tgt_tokens:,} {tgt} tokens, {report.valid_pairs:,} validation pairs, "
        f"{sizes} pieces, in {shown(report.folder)}"
    )
    if report.sentences:
        say(f"Sources: {report.sentences}")
    if report.matched_pairs is not None:
        say(f"Matches: {report.matched_pairs:,} training pairs have one (data.memory)")
    say(f"Report: {shown(report.folder / 'report.html')}")
    say_next(shlex.join(["mtkit", "train", *(arguments or ())]))


def print_ledger(report: PrepareReport) -> None:
    """Prints the numbers of pairs kept, read and dropped by each filter, for each corpus, on stdout.

    Filters that dropped nothing are omitted. Tables of unknown pieces and of leaked held-out text follow if
    there are any.
    """
    rows = report.ledger.rows
    if len(rows) > 1:
        rows = [*rows, report.ledger.total()]
    names = [name for name in rows[0].dropped if any(row.dropped[name] for row in rows)]
    counts = [[row.kept, row.read, *(row.dropped[name] for name in names)] for row in rows]
    head = ["corpus", "kept", "read", *names]
    cells = [[row.source, *map("{:,}".format, line)] for row, line in zip(rows, counts, strict=True)]
    width = width_on(sys.stdout)
    from mtkit.cli.columns import width_of
    from mtkit.data.prepare.unknown import UNKNOWN_HEAD, unknown_pieces

    if width is not None and width_of(head, cells) > width:
        head, cells = _turned(head, cells, counts)
    table(head, cells, to_stdout=True, strong={"kept", "pairs"})
    if unknown := [found.row() for found in unknown_pieces(report.ledger)]:
        out("")
        table(UNKNOWN_HEAD, unknown, to_stdout=True)
    if any(any(found.met.values()) for found in report.leaks):
        from mtkit.data.clean.leaks import LEAK_FIGURES, LEAK_TITLE

        out("")
        out_prose(f"{LEAK_TITLE}:")
        lines = [[found.name, *map("{:,}".format, found.figures())] for found in report.leaks]
        table(["set", *LEAK_FIGURES], lines, to_stdout=True)


def _turned(
    head: list[str], cells: list[list[str]], counts: list[list[int]]
) -> tuple[list[str], list[list[str]]]:
    """The ledger with a row for each filter of each corpus, for narrow terminals."""
    rows = []
    for (source, *numbers), values in zip(cells, counts, strict=True):
        read = max(values[1], 1)
        for name, number, value in zip(head[1:], numbers, values, strict=True):
            if value or name == "kept":
                rows.append([source, name, number, f"{value / read:.1%}"])
                source = ""
    return ["corpus", "filter", "pairs", "share"], rows


def show_examples(config: Config, report: PrepareReport, count: int) -> None:
    """Prints the first pairs of each corpus as the model sees them, and the first dropped, on stdout."""
    from mtkit.data.prepare.inspect import first_pairs, first_rejected
    from mtkit.data.prepare.prepared import open_prepared

    kind = "version" if config.data.terms else "sampled"
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
                out(f"  {' ' * len(lang)}  {kind} {number:<3} {' '.join(pieces)}")
    for name, found in first_rejected(report.folder, report.ledger, count).items():
        for example in found:
            out("")
            out(f"dropped by {name}: {example.origin}{f' ({example.detail})' if example.detail else ''}")
            out(f"  {config.data.src_lang}  {example.src}")
            out(f"  {config.data.tgt_lang}  {example.tgt}")
