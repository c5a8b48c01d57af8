"""The `mtkit` command: where it starts.

Knows nothing of typer, which `translate` and `serve` do without if their arguments are plain.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable

from mtkit.cli import console
from mtkit.cli.failures import reader_gone, report
from mtkit.cores import spin_briefly

_SIZE = re.compile("0*[1-9][0-9]{0,3}")


def main() -> None:
    """The console script."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors, newline="\n")
    spin_briefly()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for name in ("COLUMNS", "LINES"):
        if not _SIZE.fullmatch(os.environ.get(name, "1")):  # by which nothing would be drawn, or too much
            del os.environ[name]
    try:
        if not _run_at_once(sys.argv[1:]):
            from mtkit.cli.commands import app

            app(prog_name="mtkit")
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            stop.code = reader_gone()
        if isinstance(stop.code, int) and (stop.code in (130, 141) or console.state.in_a_hurry):
            os._exit(stop.code)  # nobody waits for the translations that are still being searched for
        raise
    except Exception as error:  # before a command could begin
        sys.exit(report(error))


def _run_at_once(args: list[str]) -> bool:
    """Runs `translate` or `serve` if these are plain arguments of it; tells whether they were."""
    options = set()
    while args and args[0] in ("-q", "--quiet", "--debug"):
        options.add(args[0])
        args = args[1:]
    command = _command(args[0] if args else "")
    if command is None:
        return False
    from mtkit.cli.quick import parse

    given = parse(command, args[1:])
    if given is None:
        return False
    console.set_up(quiet=bool(options & {"-q", "--quiet"}), debug="--debug" in options)
    try:
        command(**given)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(report(error))
    return True


def _command(name: str) -> Callable[..., None] | None:
    """A command that does without typer."""
    match name:
        case "translate":
            from mtkit.cli.translate import translate

            return translate
        case "serve":
            from mtkit.cli.serve import serve

            return serve
        case _:
            return None


if __name__ == "__main__":
    main()
