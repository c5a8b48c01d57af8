"""Text to subword pieces and back: Unix filters that write one line for each line read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mtkit.cli.console import say
from mtkit.cli.streams import open_output
from mtkit.errors import InputError, UsageError

if TYPE_CHECKING:
    from mtkit.text.tokenizer import Tokenizer

Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="PATH",
        help="Run folder, model folder, config file or tokenizer.model file. Default: $MTKIT_MODEL, else "
        "./mtkit.yaml, else the newest run under ./runs.",
    ),
]
Ids = Annotated[bool, typer.Option("--ids", help="Use the ids of the pieces instead of their text.")]
Side = Annotated[
    Literal["src", "tgt"],
    typer.Option(metavar="src|tgt", help="Side of the subword model, if there is one for each side."),
]
Input = Annotated[
    Path | None,
    typer.Option("--input", "-i", metavar="FILE", help="File to read. Default: standard input."),
]


def tokenize(
    model: Model = None,
    ids: Ids = False,
    side: Side = "src",
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Tag to put before each source; repeatable."),
    ] = None,
    source: Input = None,
) -> None:
    """Split each line into subword pieces, as the model sees it.

    \b
    Example:
      mtkit tokenize < text.txt > pieces.txt
    """

    def pieces(tokenizer: Tokenizer, line: str, number: int) -> str:
        model = tokenizer.src if side == "src" else tokenizer.tgt
        (found,) = model.encode([tokenizer.form.source(line).text])
        found = [*tokenizer.tag_ids(tags or ()), *found]
        return " ".join(map(str, found) if ids else model.pieces(found))

    _filter(model, source, pieces)


def detokenize(model: Model = None, ids: Ids = False, side: Side = "tgt", source: Input = None) -> None:
    """Join the subword pieces of each line into text.

    Placeholders of protected spans are kept, because the spans themselves are only in the source.

    \b
    Example:
      mtkit detokenize < pieces.txt > text.txt
    """

    def text(tokenizer: Tokenizer, line: str, number: int) -> str:
        model = tokenizer.src if side == "src" else tokenizer.tgt
        words = line.split(" ") if line else []
        found = [_id(word) for word in words] if ids else model.ids_of(words)
        if wrong := [place for place, token in enumerate(found, start=1) if not 0 <= token < model.size]:
            raise InputError(
                f"{source or 'standard input'}:{number}: word {wrong[0]} is not an id of this tokenizer, "
                f"which has ids from 0 to {model.size - 1}.",
                "Leave out --ids if the words are pieces.",
            )
        (decoded,) = model.decode([found])
        return tokenizer.form.without_marks(decoded)

    _filter(model, source, text)


def _id(word: str) -> int:
    """The number that is written; -1 if none of this size can be an id."""
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 10 else -1


def _filter(model: Path | None, source: Path | None, change: Callable[[Tokenizer, str, int], str]) -> None:
    from mtkit.data.prepare.inspect import find_tokenizer
    from mtkit.runs.find import find_model

    if model is None or model.suffix in (".yaml", ".yml"):
        found = find_model(model)
        say(f"model: {found}")
        model = found.folder
    tokenizer = find_tokenizer(model)
    with open_output(None) as output:
        for number, line in enumerate(_lines(source), start=1):
            output.write(f"{change(tokenizer, line, number)}\n".encode())
            output.flush()


def _lines(source: Path | None) -> Iterator[str]:
    if source is not None and source != Path("-"):
        from mtkit.data.read.lines import read_lines

        yield from read_lines(source)
    elif sys.stdin is None:
        raise UsageError("standard input is closed.", "Name a file with -i.")
    else:
        for raw in sys.stdin.buffer:
            yield raw.removesuffix(b"\n").removesuffix(b"\r").decode(errors="replace")
