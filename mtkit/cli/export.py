"""Exports models to the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli import console
from mtkit.cli.choices import MODEL_HELP
from mtkit.errors import UsageError

SAMPLE = 64  # as in convert/run.py, which is not loaded for the help


def export(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            help=MODEL_HELP,
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ctranslate2|huggingface|argos",
            help="Format to export to; repeatable. Default: export.to of the config.",
        ),
    ] = None,
    quantization: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="Number format of the weights for ctranslate2 and argos: auto, int8, int8_float32, "
            "int8_float16, int8_bfloat16, int16, float16, bfloat16 or float32. auto: int8, or float32 if "
            "int8 makes too many translations worse. Default: export.quantization of the config.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Folder (argos: file) to write. Default: RUN/export/FORMAT, for argos "
            "RUN/export/translate-SRC_TGT-1_0.argosmodel.",
        ),
    ] = None,
    sample: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Number of sentences with which the export is checked."),
    ] = SAMPLE,
) -> None:
    """Export a model to the format of another program.

    The export is checked first: the native engine and the exported model translate the same validation
    sentences. If they differ by more than rounding errors, nothing is written. `mtkit translate` uses an
    export to ctranslate2 automatically.

    \b
    Example:
      mtkit export runs/en-fr --to ctranslate2 --quantization float32
    """
    from mtkit.convert.run import check_target, export_model
    from mtkit.runs.find import config_of, find_model

    found = find_model(model)
    given = {"to": to and f"[{', '.join(to)}]", "quantization": quantization}
    overrides = [f"export.{name}={value}" for name, value in given.items() if value]
    options = config_of(found.folder, overrides).export
    if not options.to:
        raise UsageError("export.to: no format is given.", "Give one, such as --to ctranslate2.")
    if output is not None and len(options.to) > 1:
        raise UsageError(
            f"-o {output}: one path for {len(options.to)} formats.", "Choose one format with --to."
        )
    console.say(f"model: {found}")
    for kind in options.to:
        check_target(found.folder, kind, output)
    for kind in options.to:
        export_model(found.folder, kind, options.quantization, console.say, output, sample)
