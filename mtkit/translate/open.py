"""From a model folder to something that translates: how to search, and which engine does it.

Free of torch unless the native engine is the one: with an export on a CPU, nothing heavy is imported.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.config.stored import decode_options, with_search
from mtkit.engine.interface import EngineName, Precision
from mtkit.errors import InputError, UsageError
from mtkit.runs.exports import Exported, export_of, is_export, read_export
from mtkit.runs.find import config_of
from mtkit.runs.training import Training
from mtkit.translate.account import Account
from mtkit.translate.call import Call
from mtkit.translate.confidence import read_confidence
from mtkit.translate.coverage import open_coverage
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

logger = logging.getLogger(__name__)

NO_EXPORT = "Make one with mtkit export, or use --engine native."


def open_translator(
    folder: Path,
    request: Request | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    engine: EngineName = "auto",
    others: Sequence[Path] = (),
    threads: int | None = None,
    adapters: Sequence[tuple[Path, float]] = (),
) -> Translator:
    """A translator for the model in a folder, by an engine that can do what is asked.

    Args:
        folder: a model folder, or an export.
        request: what calls of the translator will ask for; it is not kept.
        device: auto, cpu or cuda.
        precision: fp32, bf16, fp16 or auto, of the native engine.
        engine: auto is CTranslate2 if there is an export of this very model, no GPU is to be used, and
            CTranslate2 can do what is asked; else native.
        others: model folders that are an ensemble with `folder`.
        threads: cores to compute with, in workers and threads; None for all that this process may use.
        adapters: that are added to the model, each with its weight.

    Logs a warning if the model is unfinished or weak.

    Raises:
        InputError: there is no usable model in `folder`, or no export where one is asked for.
        UsageError: the device is not there, the model does not know a tag, or the engine cannot do what is
            asked.
        ConfigError: the search options that are asked for are invalid.
    """
    request = request or Request()
    translator = _opened(folder, request, device, precision, engine, others, threads, adapters)
    Call(translator, request, Account())
    return translator


def open_finished(folder: Path, device: str) -> Translator:
    """A translator for the model of a training that has just ended, by the native engine.

    It logs no warning about the model, because the training itself tells how good it is.
    """
    return _native(folder, Request(), device, "auto", (), None, remarks=False)


def _opened(
    folder: Path,
    request: Request,
    device: str,
    precision: Precision,
    engine: EngineName,
    others: Sequence[Path],
    threads: int | None,
    adapters: Sequence[tuple[Path, float]],
) -> Translator:
    export = None if engine == "native" and not is_export(folder) else export_of(folder)
    if export is None:
        if engine == "ctranslate2":
            raise InputError(f"{folder}: there is no export of this model to ctranslate2.", NO_EXPORT)
        return _native(folder, request, device, precision, others, threads, adapters)
    from mtkit.engine.ct2 import refusals

    exported = read_export(export)
    options = _search_options(folder, exported.decode, request.search)
    reasons = ["ensembles"] * bool(others) + ["adapters"] * bool(adapters)
    reasons += _reasons_against(exported, device, precision, engine)
    reasons += refusals(options, request.features, exported.aligns)
    if not reasons:
        return _ctranslate2(exported, device, threads)
    if engine == "ctranslate2" or is_export(folder):
        hint = "Use --engine native with the model itself"
        raise UsageError(
            f"{exported.folder}: the engine ctranslate2 cannot do this: {', '.join(reasons)}.",
            f"{hint}, or --glossary-mode soft."
            if reasons == ["terms"] and exported.reads_terms
            else f"{hint}.",
        )
    logger.info("The native engine translates, since CTranslate2 has no %s.", ", ".join(reasons))
    return _native(folder, request, device, precision, others, threads, adapters)


def _reasons_against(exported: Exported, device: str, precision: Precision, engine: EngineName) -> list[str]:
    reasons = []
    if engine == "native":
        reasons.append("native weights in this folder")
    if engine == "auto" and not is_export(exported.folder.parent) and _is_gpu(device):
        reasons.append(f"part in device {device} unless asked for")
    if precision != "auto":
        reasons.append(f"precision {precision} at run time")
    return reasons


def _search_options(folder: Path, own: Mapping[str, Any], search: Mapping[str, Any]) -> DecodeConfig:
    with contextlib.suppress(ValueError):  # the loader says it in the words of a config
        return decode_options(with_search(own, search))
    return _config_search(folder, search)


def _config_search(folder: Path, search: Mapping[str, Any]) -> DecodeConfig:
    return config_of(folder, [f"decode.{name}={json.dumps(value)}" for name, value in search.items()]).decode


def _is_gpu(device: str) -> bool:
    if device != "auto":
        return device.startswith("cuda")
    from mtkit.engine.ct2 import num_gpus

    return bool(num_gpus())


def _say_remarks(folder: Path, training: Training | None) -> None:
    for remark in training.remarks() if training else ():
        logger.warning("%s: %s", folder, remark)


def _ctranslate2(exported: Exported, device: str, threads: int | None) -> Translator:
    from mtkit.engine.ct2 import CTranslate2Engine

    _say_remarks(exported.folder, exported.training)
    tokenizer = exported.tokenizer
    used = "cuda" if _is_gpu(device) else "cpu"
    engine = CTranslate2Engine(
        exported.files, tokenizer, exported.max_positions, used, exported.aligns, cores=threads
    )
    options = decode_options(exported.decode)
    languages = exported.src_lang, exported.tgt_lang
    return Translator(
        engine,
        tokenizer,
        options,
        languages,
        exported.tags,
        exported.sentences_per_pair,
        lambda: read_confidence(exported.folder, exported.confidence),
        lambda: open_coverage(exported.folder),
        min_match=exported.min_match,
        reads_terms=exported.reads_terms,
    )


def _native(
    folder: Path,
    request: Request,
    device: str,
    precision: Precision,
    others: Sequence[Path],
    threads: int | None,
    adapters: Sequence[tuple[Path, float]] = (),
    *,
    remarks: bool = True,
) -> Translator:
    from mtkit.engine.native import NativeEngine, choose_device, limit_threads
    from mtkit.model.checkpoint import load_model

    _config_search(folder, request.search)  # before anything large is read
    limit_threads(threads)
    target = choose_device(device)
    loaded = load_model(folder)
    if remarks:
        _say_remarks(folder, loaded.training)
    if adapters:
        from mtkit.model.adapter import add_adapters

        add_adapters(loaded.model, folder, adapters)
    members, per_pair, trained = [], [loaded.sentences_per_pair], [loaded.config.data.min_match]
    reads_terms = loaded.config.data.terms is not None
    for path in others:
        member = load_model(path)
        if member.tokenizer.fingerprint != loaded.tokenizer.fingerprint:
            raise InputError(
                f"{path}: has another tokenizer than {folder}, so that they can be no ensemble.",
                "Train both with the same tokenizer.path.",
            )
        _say_remarks(path, member.training)
        members.append(member.model)
        per_pair.append(member.sentences_per_pair)
        trained.append(member.config.data.min_match)
        reads_terms = reads_terms and member.config.data.terms is not None
    engine = NativeEngine(loaded.model, target, precision, members, loaded.shortlist, loaded.tokenizer)
    config = loaded.config
    languages = config.data.src_lang, config.data.tgt_lang
    usual_tags = config.data.language_tags(config.data.tgt_lang)
    least = min((mean for mean in per_pair if mean), default=None)
    return Translator(
        engine,
        loaded.tokenizer,
        config.decode,
        languages,
        usual_tags,
        least,
        lambda: read_confidence(folder, loaded.confidence),
        lambda: open_coverage(folder),
        min_match=None if None in trained else max(filter(None, trained)),
        reads_terms=reads_terms,
    )
