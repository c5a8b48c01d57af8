"""Exports of a finished model: the target of each, and its comparison with the native engine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import assert_never

from mtkit.config.export import AskedQuantization, ExportConfig, ExportFormat, attempts
from mtkit.convert.argos import check_replaceable, package_name, write_argos
from mtkit.convert.parity import SAMPLE, Say, differences, sample_sources
from mtkit.disk.files import atomic_folder
from mtkit.disk.marks import check_own
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.exports import EXPORTS, FORMAT, HUGGINGFACE, export_of, read_export


def check_target(folder: Path, kind: ExportFormat, output: Path | None) -> None:
    """Checks before the work that an export may be written to its target.

    Raises:
        UsageError: the target exists and is not such an export.
    """
    target = output or folder.parent / EXPORTS / kind
    match kind:
        case "argos":  # without -o its name is not known yet
            if output is not None:
                check_replaceable(output)
            return
        case "ctranslate2":
            form = FORMAT
        case "huggingface":
            form = HUGGINGFACE
        case _:
            assert_never(kind)
    if target.resolve() == folder.resolve() or not target.name:
        raise UsageError(f"-o {target}: an export cannot be written there.", "Name a new folder.")
    check_own(target, form, "Name a new folder with -o.")


def export_model(
    folder: Path,
    kind: ExportFormat,
    quantization: AskedQuantization,
    say: Say,
    output: Path | None = None,
    sample: int = SAMPLE,
) -> None:
    """Exports the model in a model folder as `kind`, by default next to it.

    `say` is told the results of checks, and the path.

    Raises:
        UsageError: the format cannot express the model, or the target exists and is not such an export.
        GateError: the export differs too much from the native engine; nothing is written.
    """
    target = output or folder.parent / EXPORTS / kind
    match kind:
        case "ctranslate2":
            _to_ctranslate2(folder, quantization, target, sample, say)
        case "huggingface":
            _to_huggingface(folder, target, sample, say)
        case "argos":
            _to_argos(folder, quantization, output, sample, say)
        case _:
            assert_never(kind)


def export_finished(folder: Path, options: ExportConfig, say: Say) -> None:
    """Makes the exports that a config requests after training. Failures are reported to `say`, not raised."""
    for kind in options.to:
        if kind == "ctranslate2" and is_up_to_date(folder, options.quantization):
            continue
        try:
            export_model(folder, kind, options.quantization, say)
        except MtkitError as error:
            say(f"not exported to {kind}: {error}")


def is_up_to_date(folder: Path, quantization: AskedQuantization) -> bool:
    """Whether these weights have already been exported to CTranslate2 in this number format."""
    try:
        found = export_of(folder)
        return found is not None and read_export(found).quantization in attempts(quantization)
    except InputError:
        return False


def _to_ctranslate2(
    folder: Path, quantization: AskedQuantization, target: Path, sample: int, say: Say
) -> None:
    from mtkit.convert.ctranslate2 import write_ctranslate2

    write_ctranslate2(folder, target, quantization, say, sample)
    size = sum(file.stat().st_size for file in target.iterdir())
    say(f"{target}: {size / 1e6:.1f} MB")


def _to_huggingface(folder: Path, target: Path, sample: int, say: Say) -> None:
    from mtkit.convert.huggingface import FORMAT, VERSION, scores_in_transformers, write_huggingface
    from mtkit.engine.native import NativeEngine
    from mtkit.model.checkpoint import load_model

    loaded = load_model(folder)
    native = NativeEngine(loaded.model, "cpu", "fp32", tokenizer=loaded.tokenizer)
    srcs, kind = sample_sources(loaded.config, loaded.tokenizer, sample)
    with atomic_folder(target, {"format": FORMAT, "version": VERSION}) as new:
        write_huggingface(folder, new)
        if importlib.util.find_spec("transformers") is None:
            say("not checked, because transformers is not installed: pip install transformers")
        else:
            options = loaded.config.decode.plain_beam()
            hyps = [found[0].ids for found in native.decode(srcs, options)]
            ours = [hyp.token_scores for hyp in native.score(srcs, hyps, options)]
            found = differences(ours, scores_in_transformers(new, srcs, hyps))
            found.require(exact=True)
            say(f"log-probabilities of {len(srcs)} {kind} differ by at most {found.max:.1g}")
    say(str(target))


def _to_argos(
    folder: Path, quantization: AskedQuantization, output: Path | None, sample: int, say: Say
) -> None:
    if not is_up_to_date(folder, quantization):
        export_model(folder, "ctranslate2", quantization, say, sample=sample)
    made = export_of(folder)
    assert made is not None
    exported = read_export(made)
    target = output or folder.parent / EXPORTS / f"{package_name(exported)}.argosmodel"
    write_argos(exported, target)
    say(str(target))
