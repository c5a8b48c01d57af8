"""Exports models to the formats of other programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.choices import MODEL_HELP
from mtkit.errors import InputError, MtkitError, UsageError

if TYPE_CHECKING:
    from mtkit.config.export import ExportConfig, ExportFormat, Quantization

SAMPLE = 64


def export(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]",
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
            help="Number format of the weights for ctranslate2 and argos: int8, int8_float32, int8_float16, "
            "int8_bfloat16, int16, float16, bfloat16 or float32. Default: export.quantization of the config.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Folder (argos: file) to write. Default: RUN/export/FORMAT.",
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
        export_model(found.folder, kind, options.quantization, output, sample)


def check_target(folder: Path, kind: ExportFormat, output: Path | None) -> None:
    """Checks that an export would replace nothing but an earlier export.

    Raises:
        UsageError: it would replace something else.
    """
    from mtkit.disk.marks import check_own
    from mtkit.runs.exports import EXPORTS, FORMAT, HUGGINGFACE

    target = output or folder.parent / EXPORTS / kind
    if kind == "argos":
        from mtkit.convert.argos import check_replaceable

        if output is not None:
            check_replaceable(output)
        return
    if target.resolve() == folder.resolve() or not target.name:
        raise UsageError(f"-o {target}: an export cannot be written there.", "Name a new folder.")
    check_own(target, FORMAT if kind == "ctranslate2" else HUGGINGFACE, "Name a new folder with -o.")


def export_model(
    folder: Path,
    kind: ExportFormat,
    quantization: Quantization,
    output: Path | None = None,
    sample: int = SAMPLE,
) -> None:
    """Exports the model of a model folder to `kind`, by default beside it, and reports the checks."""
    from mtkit.runs.exports import EXPORTS

    target = output or folder.parent / EXPORTS / kind
    match kind:
        case "ctranslate2":
            _to_ctranslate2(folder, quantization, target, sample)
        case "huggingface":
            _to_huggingface(folder, target, sample)
        case "argos":
            _to_argos(folder, quantization, output, sample)


def export_finished(folder: Path, options: ExportConfig) -> None:
    """Makes the exports of a config when training ends. Failures are only reported."""
    for kind in options.to:
        if kind == "ctranslate2" and is_up_to_date(folder, options.quantization):
            continue
        try:
            export_model(folder, kind, options.quantization)
        except MtkitError as error:
            console.say(f"not exported to {kind}: {error}")


def is_up_to_date(folder: Path, quantization: Quantization) -> bool:
    """Whether there is an export of exactly these weights with this number format."""
    from mtkit.runs.exports import export_of, read_export

    try:
        found = export_of(folder)
        return found is not None and read_export(found).quantization == quantization
    except InputError:
        return False


def _to_ctranslate2(folder: Path, quantization: Quantization, target: Path, sample: int) -> None:
    from mtkit.convert.ct2 import MAX_POSITIONS, write_ctranslate2
    from mtkit.convert.parity import compare, sample_sources
    from mtkit.engine.ct2 import CTranslate2Engine
    from mtkit.engine.native import NativeEngine
    from mtkit.model.checkpoint import load_model

    loaded = load_model(folder)
    native = NativeEngine(loaded.model, "cpu", "fp32")
    srcs, what = sample_sources(loaded.config, loaded.tokenizer, sample)

    def check(written: Path, stored: Quantization) -> dict[str, object]:
        exported = CTranslate2Engine(written, loaded.tokenizer, MAX_POSITIONS)
        parity = compare(native, exported, srcs, loaded.config.decode)
        console.say(
            f"{stored}: {parity.same} of {parity.sentences} {what} are identical to full precision; "
            f"log-probabilities differ by {parity.differences.mean:.1g} on average"
        )
        parity.require(exact=stored == "float32")
        return {"sources": what, "sentences": parity.sentences, "same": parity.same}

    write_ctranslate2(folder, target, quantization, check)
    size = sum(file.stat().st_size for file in target.iterdir())
    console.say(f"{target}: {size / 1e6:.1f} MB")


def _to_huggingface(folder: Path, target: Path, sample: int) -> None:
    from mtkit.convert.huggingface import FORMAT, VERSION, scores_in_transformers, write_huggingface
    from mtkit.convert.parity import differences, sample_sources
    from mtkit.disk.files import atomic_folder
    from mtkit.engine.native import NativeEngine
    from mtkit.model.checkpoint import load_model

    loaded = load_model(folder)
    native = NativeEngine(loaded.model, "cpu", "fp32")
    srcs, what = sample_sources(loaded.config, loaded.tokenizer, sample)
    with atomic_folder(target, {"format": FORMAT, "version": VERSION}) as new:
        write_huggingface(folder, new)
        if importlib.util.find_spec("transformers") is None:
            console.say(
                'not compared with transformers, which is not installed: pip install "mtkit[huggingface]"'
            )
        else:
            hyps = [found[0].ids for found in native.decode(srcs, loaded.config.decode)]
            ours = [hyp.token_scores for hyp in native.score(srcs, hyps, loaded.config.decode)]
            found = differences(ours, scores_in_transformers(new, srcs, hyps))
            found.require(exact=True)
            console.say(f"log-probabilities of {len(srcs)} {what} differ by at most {found.max:.1g}")
    console.say(str(target))


def _to_argos(folder: Path, quantization: Quantization, output: Path | None, sample: int) -> None:
    from mtkit.convert.argos import package_name, write_argos
    from mtkit.runs.exports import EXPORTS, export_of, read_export

    if not is_up_to_date(folder, quantization):
        export_model(folder, "ctranslate2", quantization, sample=sample)
    made = export_of(folder)
    assert made is not None
    exported = read_export(made)
    target = output or folder.parent / EXPORTS / f"{package_name(exported)}.argosmodel"
    write_argos(exported, target)
    console.say(str(target))
