"""Translate text: a Unix filter, one line out for each line in."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from mtkit.cli import console
from mtkit.cli.arguments import ENGINE_HELP, engine_name
from mtkit.errors import MtkitError, UsageError

if TYPE_CHECKING:
    from mtkit.engine.translator import Translator

CHUNK = 1 << 16

INPUT_HELP = "Text to translate; .gz, .xz and .zst are decompressed. Standard input if left out or -."
OUTPUT_HELP = "Where to write, whole or not at all. Standard output if left out or -."


def translate(
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            "-m",
            help="A run folder, a model folder or a config file; see above if left out.",
            show_default=False,
        ),
    ] = None,
    beam_size: Annotated[int | None, typer.Option(help="Hypotheses per sentence; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Scores are divided by length ^ this.")] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", help="What each source begins with, such as 2fr or domain:legal; repeatable."),
    ] = None,
    source: Annotated[Path | None, typer.Option("--input", "-i", help=INPUT_HELP)] = None,
    target: Annotated[Path | None, typer.Option("--output", "-o", help=OUTPUT_HELP)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "auto",
) -> None:
    """Translate lines of text, one line out for each line in.

    Without -m the model is that of $MTKIT_MODEL, else of the config in this folder, else of the newest
    run under ./runs. Search options that are left out are those of the run's config.

    Example: mtkit translate < input.txt > output.txt
    """
    from mtkit.engine.find import find_model
    from mtkit.engine.open import open_translator

    found = find_model(model)
    given: dict[str, object] = {"beam_size": beam_size, "length_penalty": length_penalty}
    given |= {"tags": tags} if tags else {}
    given = {name: value for name, value in given.items() if value is not None}
    console.say(f"model: {found}")
    windows = _read_windows(None if source == Path("-") else source)
    translator = open_translator(found.folder, device=device, engine=engine_name(engine), given=given)
    with _open_output(None if target == Path("-") else target) as output:
        _run(translator, windows, output)


def _run(translator: Translator, windows: Iterator[list[str]], output: IO[bytes]) -> None:
    done, begin = 0, time.monotonic()
    with nullcontext() if output.isatty() else console.progress() as report:
        for texts in translator.translate_windows(windows):
            output.write("".join(f"{text}\n" for text in texts).encode())
            output.flush()
            done += len(texts)
            if report:
                report("lines translated", done, None)
    seconds = time.monotonic() - begin
    speed = f"{done:,} lines in {seconds:,.1f} s, {done / max(seconds, 1e-3):,.0f} lines/s"
    console.say(f"{speed}, by {translator.engine.name}")


def _read_windows(path: Path | None) -> Iterator[list[str]]:
    """The lines of a file in windows that fit memory, or of standard input as they arrive."""
    from mtkit.data.lines import read_lines
    from mtkit.engine.translator import windows

    if path is not None:
        return windows(read_lines(path))
    if sys.stdin is None:
        raise UsageError("standard input is closed.", "Name a file by -i.")
    if sys.stdin.isatty():
        console.say("Type a line to translate and press Enter; Ctrl-D ends.")
    return _arriving(cast(BufferedReader, sys.stdin.buffer))


def _arriving(stream: BufferedReader) -> Iterator[list[str]]:
    """Lines as they come: all that have come, and an empty window when there are no more for now.

    A sender that is slow gets each answer at once; while one is worked out, a fast one fills the next window.
    """
    from mtkit.engine.translator import WINDOW, WINDOW_CHARS

    lines = [bytearray()]  # the last one is not complete yet
    while chunk := stream.read1(CHUNK):
        first, *others = chunk.split(b"\n")
        lines[-1] += first
        lines += map(bytearray, others)
        while len(lines) > WINDOW:
            yield _decoded(lines[:WINDOW])
            del lines[:WINDOW]
        if len(lines) > 1 and (sum(map(len, lines)) > WINDOW_CHARS or not _more_is_there(stream)):
            yield _decoded(lines[:-1])
            yield []
            del lines[:-1]
    if lines[-1]:
        yield _decoded(lines)
    elif len(lines) > 1:
        yield _decoded(lines[:-1])


def _decoded(lines: list[bytearray]) -> list[str]:
    return [line.decode(errors="replace") for line in lines]


def _more_is_there(stream: BufferedReader) -> bool:
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except (OSError, ValueError):  # not something that can be waited for
        return True


@contextmanager
def _open_output(path: Path | None) -> Iterator[IO[bytes]]:
    """The file at `path`, written whole or not at all, or standard output."""
    from mtkit.files import atomic_file

    try:
        if path is not None:
            with atomic_file(path) as file:
                yield file
        elif sys.stdout is not None:
            yield sys.stdout.buffer
        else:
            raise UsageError("standard output is closed.", "Name a file by -o.")
    except BrokenPipeError:
        raise
    except OSError as error:
        if path is None:
            console.forget_stdout()
        raise MtkitError(f"{path or 'standard output'}: cannot be written: {error.strerror}.") from error
