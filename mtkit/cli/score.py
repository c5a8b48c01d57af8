"""Score given translations with a model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.choices import DEVICE_HELP, DEVICES, MODEL_HELP, THREADS_HELP
from mtkit.errors import InputError

if TYPE_CHECKING:
    from mtkit.decode.hypothesis import Hypothesis
    from mtkit.translate.request import Request
    from mtkit.translate.translator import Translator

PAIRS_AT_ONCE = 1000


def score(
    src: Annotated[Path, typer.Argument(metavar="SRC", help="Source text, one sentence per line.")],
    tgt: Annotated[Path, typer.Argument(metavar="TGT", help="Its translation, line by line.")],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", metavar="PATH", help=MODEL_HELP, show_default=False)
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            metavar="FLOAT",
            help="Divide scores by the length in tokens raised to this power. Default: "
            "decode.length_penalty of the config.",
        ),
    ] = None,
    token_scores: Annotated[
        bool, typer.Option("--token-scores", help="Append a tab and the log-probability of each token.")
    ] = False,
    device: Annotated[str, typer.Option(metavar=DEVICES, help=DEVICE_HELP)] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=THREADS_HELP, show_default=False)
    ] = None,
) -> None:
    """Score existing translations with a model.

    Prints one score per line, as `mtkit translate --scores` does: the log-probability of the translation,
    divided by the length penalty.

    \b
    Example:
      mtkit score test.en test.fr
    """
    from mtkit.runs.find import find_model, read_model
    from mtkit.translate.open import open_translator
    from mtkit.translate.request import Request

    found = find_model(model)
    console.say(f"model: {found}")
    request = Request(search={} if length_penalty is None else {"length_penalty": length_penalty})
    translator = read_model(
        found.run,
        lambda folder: open_translator(folder, request, device=device, engine="native", threads=threads),
    )
    total, tokens, lines = 0.0, 0, 0
    for hyp in _scored(translator, src, tgt, request):
        shown = [f"{hyp.score:.4f}"]
        if token_scores:
            shown.append(" ".join(f"{one:.4f}" for one in hyp.token_scores))
        console.out("\t".join(shown))
        total, tokens, lines = total + sum(hyp.token_scores), tokens + len(hyp.token_scores), lines + 1
    if not lines:
        raise InputError(f"{src}: the file is empty.", "Check the path.")
    console.say(f"{lines:,} translations, {-total / tokens:.4f} nats per token")


def _scored(translator: Translator, src: Path, tgt: Path, request: Request) -> Iterator[Hypothesis]:
    from mtkit.data.read.lines import count_lines, read_lines

    counts = count_lines(src), count_lines(tgt)
    if counts[0] != counts[1]:
        raise InputError(
            f"{tgt}: {counts[1]:,} lines, but {src} has {counts[0]:,}.",
            "Give one translation per source line.",
        )
    pairs = zip(read_lines(src), read_lines(tgt), strict=True)
    while block := list(islice(pairs, PAIRS_AT_ONCE)):
        yield from translator.score(block, request)
