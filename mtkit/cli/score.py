"""Score given translations with a model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.errors import InputError

if TYPE_CHECKING:
    from mtkit.decode.hypothesis import Hypothesis
    from mtkit.translate.request import Request
    from mtkit.translate.translator import Translator

PAIRS_AT_ONCE = 1000

MODEL_HELP = "A run folder, a model folder or a config file; as for translate if left out."


def score(
    src: Annotated[Path, typer.Argument(help="Source text, one sentence a line.")],
    tgt: Annotated[Path, typer.Argument(help="Its translations, line by line.")],
    model: Annotated[Path | None, typer.Option("--model", "-m", help=MODEL_HELP, show_default=False)] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Scores are divided by length ^ this.")] = None,
    token_scores: Annotated[
        bool, typer.Option("--token-scores", help="A tab and the log-probability of each token, too.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Print the score that the model gives each translation, as `translate --scores` would.

    Example: mtkit score test.en test.fr
    """
    from mtkit.runs.find import find_model, read_model
    from mtkit.translate.open import open_translator
    from mtkit.translate.request import Request

    found = find_model(model)
    console.say(f"model: {found}")
    request = Request(search={} if length_penalty is None else {"length_penalty": length_penalty})
    translator = read_model(
        found.run, lambda folder: open_translator(folder, request, device=device, engine="native")
    )
    total, tokens, lines = 0.0, 0, 0
    for hyp in _scored(translator, src, tgt, request):
        shown = [f"{hyp.score:.4f}"]
        if token_scores:
            shown.append(" ".join(f"{one:.4f}" for one in hyp.token_scores))
        console.out("\t".join(shown))
        total, tokens, lines = total + sum(hyp.token_scores), tokens + len(hyp.token_scores), lines + 1
    if not lines:
        raise InputError(f"{src}: nothing to score: it has no line.", "Check the path.")
    console.say(f"{lines:,} translations, {-total / tokens:.4f} nats a token")


def _scored(translator: Translator, src: Path, tgt: Path, request: Request) -> Iterator[Hypothesis]:
    from mtkit.data.read.lines import count_lines, read_lines

    counts = count_lines(src), count_lines(tgt)
    if counts[0] != counts[1]:
        raise InputError(
            f"{src} has {counts[0]:,} lines, but {tgt} has {counts[1]:,}.",
            "Give one translation for each line.",
        )
    pairs = zip(read_lines(src), read_lines(tgt), strict=True)
    while block := list(islice(pairs, PAIRS_AT_ONCE)):
        yield from translator.score(block, request)
