"""Writes what is known of a run as a page or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli import console
from mtkit.cli.arguments import RunArgument, find_folder, shown


def report(
    run: RunArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the page to this file. Default: RUN/report.html."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the facts as JSON instead of writing a page.")
    ] = False,
) -> None:
    """Write one HTML page about a run: data, curves, scores, samples, config.

    Sections for what is not there yet name the command that makes it.

    \b
    Examples:
      mtkit report runs/en-fr
      mtkit report runs/en-fr --json
    """
    import json

    from mtkit.errors import UsageError
    from mtkit.evaluate.run_facts import read_facts
    from mtkit.evaluate.run_page import run_page

    if as_json and output:
        raise UsageError("--json: prints to stdout, so -o has no effect.", "Leave one of them out.")
    folder, config = find_folder(run)
    facts = read_facts(folder, config)
    if as_json:
        console.out_lines(json.dumps(facts.to_json(), ensure_ascii=False, indent=1))
        return
    page = run_page(facts)
    private = facts.config is None or facts.config.private
    console.say(f"report: {shown(_write(folder, page, output, private))}")


def _write(run: Path, page: str, output: Path | None, private: bool) -> Path:
    from mtkit.disk.files import PRIVATE, write_text
    from mtkit.disk.output import output_file
    from mtkit.runs.layout import REPORT, claim_in, inside

    if output is not None:
        with output_file(output) as file:
            file.write(page.encode())
        return output
    claim_in(run, REPORT)
    write_text(inside(run, REPORT), page, PRIVATE if private else 0o666)
    return inside(run, REPORT)
