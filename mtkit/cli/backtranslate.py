"""Makes pairs from text in the target language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.choices import one_of
from mtkit.cli.pair_stage import (
    SEARCH_DEFAULT,
    DeviceOption,
    EngineOption,
    OutputFolderOption,
    ThreadsOption,
    open_models,
    resumable,
    say_made,
)
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.config.data import DataConfig
    from mtkit.config.sources import MonoSource


def backtranslate(
    arguments: ConfigArguments = None,
    *,
    model: Annotated[
        Path,
        typer.Option(
            "--model",
            "-m",
            metavar="PATH",
            help="Run folder, model folder or config file of the reverse model, which translates from the "
            "target into the source language.",
            show_default=False,
        ),
    ],
    output: OutputFolderOption,
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="PATH",
            help="Text in the target language, one sentence per line; repeatable. Default: the corpora of "
            "the config with reader: mono and side: tgt.",
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(metavar="beam|sample", help=f"Search method. {SEARCH_DEFAULT}")
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"beam only: hypotheses kept per line. {SEARCH_DEFAULT}"),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help=f"sample only: draw from the N most likely tokens. {SEARCH_DEFAULT}"
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="X", help=f"sample only: sampling temperature. {SEARCH_DEFAULT}")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help=f"sample only: random seed. {SEARCH_DEFAULT}")
    ] = None,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Make training pairs from text in the target language with a reverse model.

    FOLDER/pairs.tsv gets a line for each line with text: its translation as the source, the line itself as
    the target, and the score of the translation. Name it in data.train; the filters of `prepare` clean it.
    The same command resumes after an interruption.

    \b
    Example:
      mtkit backtranslate mtkit.yaml -m runs/fr-en -i more.fr.gz -o back --method sample
    """
    from mtkit.augment import backtranslate as library
    from mtkit.augment.pair_folder import PairFolder
    from mtkit.translate.request import Request

    data = read_arguments(arguments).config.data
    sources = _sources(data, inputs)
    if method is not None:
        one_of("--method", method, ("beam", "sample"))
    asked = {
        "method": method,
        "beam_size": beam_size,
        "top_k": top_k,
        "temperature": temperature,
        "seed": seed,
    }
    search = {name: value for name, value in asked.items() if value is not None}
    request = Request(search=search, scores=True, guard=True, on_error="blank")
    translator, models = open_models([model], request, engine, device, threads)
    request = library.reverse_request(request, translator, data)
    folder = PairFolder(output, library.backtranslation_job(translator, request, models[0], sources))
    with resumable(output) as report:
        library.backtranslate(translator, request, sources, folder, report)
    say_made(folder, [library.PAIRS])


def _sources(data: DataConfig, inputs: list[Path] | None) -> list[MonoSource]:
    """The text to translate."""
    from mtkit.config.sources import MonoSource

    named = [MonoSource(reader="mono", path=path) for path in inputs or ()]
    sources = named or [source for source in data.mono if source.side == "tgt"]
    if not sources:
        raise UsageError(
            "no text to translate: the config has no corpus with reader: mono and side: tgt.",
            "Name a file with -i.",
        )
    return sources
