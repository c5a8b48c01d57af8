"""Makes pairs of noised and original text."""

from __future__ import annotations

from typing import Annotated

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments
from mtkit.cli.pair_stage import OutputFolderOption, resumable, say_made


def denoise(
    arguments: ConfigArguments = None,
    *,
    output: OutputFolderOption,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Random seed of the noise. Default: seed of the config."),
    ] = None,
) -> None:
    """Make pairs of noised and original text for a first stage of training.

    Reads all text of data.train, both sides of pairs and corpora with reader: mono. In each line spans of
    words, 30 % in all, are replaced by single masks; the model learns to restore the line. There is a table
    for each language: FOLDER/en.tsv and so on. The same command resumes after an interruption.

    \b
    Example:
      mtkit denoise mtkit.yaml -o noise
    """
    from mtkit.augment import denoise as library
    from mtkit.augment.pair_folder import PairFolder

    config = read_arguments(arguments).config
    seed = config.seed if seed is None else seed
    sides = library.sides_by_language(config.data)
    folder = PairFolder(output, library.denoising_job(config.data, seed))
    with resumable(output) as report:
        library.denoise(config.data, sides, seed, folder, report)
    say_made(folder, [library.table_of(language) for language in sides])
