"""Imports models of other toolkits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli import console


def import_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of the model to import, or hf://OWNER/NAME on the Hugging Face Hub, if need be with "
            "@REVISION.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUN", help="Run folder to write.", show_default=False),
    ],
    src_lang: Annotated[
        str | None,
        typer.Option(metavar="LANG", help="Source language. Default: as the files of the model say."),
    ] = None,
    tgt_lang: Annotated[
        str | None,
        typer.Option(metavar="LANG", help="Target language. Default: as the files of the model say."),
    ] = None,
    keep_vocabulary: Annotated[
        bool,
        typer.Option(
            "--keep-vocabulary",
            help="Keep outputs that the subword model of the target or a shortlist does not have. By default "
            "they are left out, which is reported.",
        ),
    ] = False,
) -> None:
    """Import a model of another toolkit as a run folder.

    The format is recognised by content: Marian's own files (.bin, .npz), and Marian (OPUS-MT), M2M-100, NLLB
    and mBART-50 of Hugging Face transformers. The run folder can be used like that of a trained model:
    translate, export, score, train.init_from.

    \b
    Example:
      mtkit import opus-mt-en-de -o runs/opus-en-de
      mtkit import hf://Helsinki-NLP/opus-mt-en-de -o runs/opus-en-de
    """
    from mtkit.convert import import_run

    request = import_run.ImportRequest(source, output, src_lang, tgt_lang, keep_vocabulary)
    import_run.import_model(request, console.say)
