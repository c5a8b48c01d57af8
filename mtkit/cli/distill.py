"""Makes pairs with the translations of a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.pair_stage import (
    DeviceOption,
    EngineOption,
    OutputFolderOption,
    ThreadsOption,
    open_models,
    resumable,
    say_made,
)

N_BEST = 8  # as in augment/distill.py, which is not loaded for the help


def distill(
    arguments: ConfigArguments = None,
    *,
    output: OutputFolderOption,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="PATH",
            help="Run folder, model folder or config file of the teacher; repeat it for an ensemble. "
            "Default: the model of the config.",
            show_default=False,
        ),
    ] = None,
    n_best: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Choose among the N best translations. 1 takes the best one whatever the reference.",
        ),
    ] = N_BEST,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Make training pairs for a smaller model from the translations of a teacher.

    The teacher translates the prepared training sources of the config. Of its N best translations the one
    that is most similar to the reference, by sentence chrF, becomes the target. There is a table for each
    training corpus: FOLDER/train-000.tsv and so on. The same command resumes after an interruption.

    \b
    Example:
      mtkit distill teacher.yaml -o distilled
    """
    from mtkit.augment import distill as library
    from mtkit.augment.pair_folder import PairFolder
    from mtkit.data.prepare.prepared import open_prepared
    from mtkit.translate.request import Request

    config = read_arguments(arguments).config
    library.check_form(config)
    prepared = open_prepared(config)
    asked = Request(search={"method": "beam"}, n_best=n_best)
    translator, models = open_models(model or [config.run], asked, engine, device, threads)
    request = library.teacher_request(translator, config.data, n_best)
    folder = PairFolder(output, library.distillation_job(translator, request, models, prepared))
    with resumable(output) as report:
        library.distill(translator, request, config, prepared, folder, report)
    say_made(folder, library.table_names(prepared))
