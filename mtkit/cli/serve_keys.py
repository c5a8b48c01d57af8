"""Makes keys for clients of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli import console


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.", show_default=False)],
    api_keys: Annotated[
        Path, typer.Option(metavar="FILE", help="File to add its hash to.", show_default=False)
    ],
) -> None:
    """Make a key, and print it once; the file gets its hash.

    \b
    Example:
      mtkit serve keys add alice --api-keys keys.txt
    """
    from mtkit.serve.keys import add_key

    console.out(add_key(api_keys, name))
    console.say(f"{api_keys}: added {name}. Give them the key above; a running server must be restarted.")
