"""The one place where failures become messages and exit codes."""

from __future__ import annotations

import re
import shlex
import sys

from mtkit.cli import console
from mtkit.errors import MtkitError, UsageError

EXIT_CODES = {
    0: "done",
    1: "failed while running",
    2: "wrong usage or config",
    3: "unusable input: data, model or checkpoint",
    4: "a quality gate was missed",
    70: "a bug in mtkit",
    75: "stopped after saving; run the same command to resume",
    130: "interrupted by Ctrl-C",
    141: "output was closed, as by `| head`",
    143: "ended by SIGTERM",
}
"""What `mtkit --help`, the README and docs/troubleshooting.md list. The shell reports 143 itself."""

_NO_MEMORY = re.compile(
    "out of memory|can('t|not) allocate|alloc_failed|map segment|bad_alloc|start new thread", re.I
)


def report(error: BaseException) -> int:
    """Says what happened, and gives the exit code."""
    if isinstance(error, BrokenPipeError):
        return reader_gone()
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
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("mtkit"):
        console.fail(
            UsageError(
                f"{error.name.partition('.')[0]} is not installed, and this command needs it.",
                "Install all of mtkit: `pip install .` in its source folder.",
            )
        )
        return UsageError.exit_code
    again = shlex.join(["mtkit", "--debug", *sys.argv[1:]])
    advice = (
        "Please report it." if console.state.debug else f"Please report it. `{again}` shows the traceback."
    )
    said = " ".join(f"{type(error).__name__}: {error}".split())
    console.fail(MtkitError(f"a bug in mtkit: {said}.", advice))
    return 70


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Returns whether Python, a library, or the system that loads one has reported that memory ran out."""
    if error is None:
        return False
    named = isinstance(error, RuntimeError | OSError | ImportError) and _NO_MEMORY.search(str(error))
    return isinstance(error, MemoryError) or bool(named) or _is_out_of_memory(error.__cause__)


def reader_gone() -> int:
    """The exit code of a filter whose reader went away; what is still buffered goes nowhere."""
    console.forget_stdout()
    return 141
