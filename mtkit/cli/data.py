"""Checks prepared data."""

from __future__ import annotations

from mtkit.cli.arguments import ConfigArguments, read_arguments, shown
from mtkit.cli.console import out


def verify(arguments: ConfigArguments = None) -> None:
    """Check the prepared data against their recorded hashes.

    \b
    Example:
      mtkit data verify mtkit.yaml
    """
    config = read_arguments(arguments).config
    from mtkit.data.prepare.prepared import verify_prepared
    from mtkit.runs.layout import DATA, inside

    count = verify_prepared(config)
    out(f"{shown(inside(config.run, DATA))}: {count:,} files are unchanged")
