"""The `mtkit` command: where it starts, and the one place where failures become exit codes.

Knows nothing of typer, which `translate` does without if its arguments are plain.
"""

from __future__ import annotations

import io
import os
import re
import sys

from mtkit.cli import console
from mtkit.errors import MtkitError, UsageError

_SIZE = re.compile("0*[1-9][0-9]{0,3}")
_NO_MEMORY = re.compile("out of memory|can('t|not) allocate|map segment|bad_alloc|start new thread", re.I)


def main() -> None:
    """The console script."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors, newline="\n")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for name in ("COLUMNS", "LINES"):
        if not _SIZE.fullmatch(os.environ.get(name, "1")):  # by which nothing would be drawn, or too much
            del os.environ[name]
    try:
        if not _translate_at_once(sys.argv[1:]):
            from mtkit.cli.commands import app

            app(prog_name="mtkit")
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            stop.code = _reader_gone()
        if isinstance(stop.code, int) and (stop.code in (130, 141) or console.state.in_a_hurry):
            os._exit(stop.code)  # nobody waits for the translations that are still being searched for
        raise
    except Exception as error:  # before a command could begin
        sys.exit(report(error))


def _translate_at_once(args: list[str]) -> bool:
    """Runs `translate` if these are plain arguments of it; tells whether they were."""
    options = set()
    while args and args[0] in ("-q", "--quiet", "--debug"):
        options.add(args[0])
        args = args[1:]
    if args[:1] != ["translate"]:
        return False
    from mtkit.cli.quick import parse
    from mtkit.cli.translate import translate

    given = parse(translate, args[1:])
    if given is None:
        return False
    console.set_up(quiet=bool(options & {"-q", "--quiet"}), debug="--debug" in options)
    try:
        translate(**given)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(report(error))
    return True


def report(error: BaseException) -> int:
    """Says what happened, and gives the exit code."""
    if isinstance(error, BrokenPipeError):
        return _reader_gone()
    if console.state.debug:
        console.trace(error)
    if isinstance(error, MtkitError):
        if error.message:  # else another process of the run says it
            console.fail(error)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        if sys.stderr is not None and sys.stderr.isatty():
            console.end_line()
        return 130
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        console.fail(MtkitError(f"{where}{error.strerror}."))
        return MtkitError.exit_code
    if _is_out_of_memory(error):
        said = " ".join(str(error).split())
        console.fail(
            MtkitError(
                f"out of memory{': ' if said else ''}{said[:300]}.",
                "Close other programs, raise the memory limit of this process, or use smaller batches.",
            )
        )
        return MtkitError.exit_code
    if isinstance(error, UnicodeEncodeError) and error.encoding != "utf-8":
        console.fail(
            UsageError(
                f"this Python encodes file names as {error.encoding}, which lacks characters of a name here.",
                "Set PYTHONUTF8=1, or use a UTF-8 locale.",
            )
        )
        return UsageError.exit_code
    import shlex

    again = shlex.join(["mtkit", "--debug", *sys.argv[1:]])
    advice = (
        "Please report it." if console.state.debug else f"Please report it. `{again}` shows the traceback."
    )
    said = " ".join(f"{type(error).__name__}: {error}".split())
    console.fail(MtkitError(f"a bug in mtkit: {said}.", advice))
    return 70


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, by Python's word, that of a library, or of the system that loads one."""
    if error is None:
        return False
    named = isinstance(error, RuntimeError | OSError | ImportError) and _NO_MEMORY.search(str(error))
    return isinstance(error, MemoryError) or bool(named) or _is_out_of_memory(error.__cause__)


def _reader_gone() -> int:
    """The exit code of a filter whose reader went away; what is still buffered goes nowhere."""
    console.forget_stdout()
    return 141


if __name__ == "__main__":
    main()
