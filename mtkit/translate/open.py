"""From a model folder to something that translates: how to search, and which engine does it.

Free of torch unless the native engine is the one: with an export on a CPU, nothing heavy is imported.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.config.stored import decode_options
from mtkit.engine.base import Engine, EngineName, Precision
from mtkit.errors import InputError, UsageError
from mtkit.runs.exports import Exported, export_of, is_export, read_export
from mtkit.runs.find import config_of
from mtkit.text.languages import language_of
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.glossary import read_glossary
from mtkit.translate.guard import Guard
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

logger = logging.getLogger(__name__)

NO_EXPORT = "Make one with mtkit export, or use --engine native."


def open_translator(
    folder: Path,
    options: DecodeConfig | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    engine: EngineName = "auto",
    given: Mapping[str, Any] | None = None,
    request: Request | None = None,
    glossary: Path | None = None,
    guarded: bool = False,
    others: Sequence[Path] = (),
) -> Translator:
    """A translator for the model in a folder.

    Args:
        folder: a model folder, or an export.
        options: how to search; as configured in the run if left out.
        device: auto, cpu or cuda.
        precision: fp32, bf16, fp16 or auto, of the native engine.
        engine: auto is CTranslate2 if there is an export of this very model, no GPU is to be used, and the
            search is one that CTranslate2 knows; else native.
        given: options of `decode` that replace those of the run.
        request: what is asked beside the text.
        glossary: a TSV of terms to use, which joins the request.
        guarded: search again where a translation looks wrong.
        others: model folders that are an ensemble with `folder`.

    Raises:
        InputError: there is no usable model in `folder`, or no export where one is asked for.
        UsageError: the device is not there, or the engine cannot do what is asked.
        ConfigError: what is given is no valid search.
    """
    export = None if engine == "native" and not is_export(folder) else export_of(folder)
    exported = read_export(export) if export else None
    search = options or _search_options(folder, exported, given or {})
    asked = _Asked(request or Request(), glossary, guarded, tuple(others))
    if exported is None:
        if engine == "ctranslate2":
            raise InputError(f"{folder}: there is no export of this model to ctranslate2.", NO_EXPORT)
        return _native(folder, search, device, precision, asked)
    reasons = [*asked.native_only(), *_reasons_against(exported, search, device, precision, engine)]
    if not reasons:
        return _ctranslate2(exported, search, device, asked)
    if engine == "ctranslate2" or is_export(folder):
        raise UsageError(
            f"{exported.folder}: the engine ctranslate2 cannot do this: {', '.join(reasons)}.",
            "Use --engine native with the model itself.",
        )
    logger.info("The native engine translates, since CTranslate2 has no %s.", ", ".join(reasons))
    return _native(folder, options or _search_options(folder, None, given or {}), device, precision, asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a translator is to do beside translating."""

    request: Request
    glossary: Path | None
    guarded: bool
    others: tuple[Path, ...]

    def native_only(self) -> list[str]:
        glossary = ["--glossary"] if self.glossary else []
        return self.request.native_only() + glossary + ["ensembles"] * bool(self.others)

    def translator(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        options: DecodeConfig,
        languages: tuple[str, str],
        usual: Sequence[str],
    ) -> Translator:
        """With this engine, and the usual tags of the model."""
        src_lang, tgt_lang = languages
        tags = start_tags(usual, options.tags)
        lang = tags[0][1:] if usual else tgt_lang
        request = self.request
        if self.glossary:
            request = replace(request, glossary=read_glossary(self.glossary, src_lang))
        guard = Guard(src_lang, lang) if self.guarded else None
        tgt = language_of(lang)
        spaced = language_of(src_lang).spaced, tgt.spaced
        return Translator(engine, tokenizer, options, tgt.joiner, tags, request, guard, spaced)


def _reasons_against(
    exported: Exported, options: DecodeConfig, device: str, precision: Precision, engine: EngineName
) -> list[str]:
    from mtkit.engine.ct2 import unsupported

    reasons = unsupported(options)
    if engine == "native":
        reasons.append("native weights in this folder")
    if engine == "auto" and not is_export(exported.folder.parent) and _is_gpu(device):
        reasons.append(f"part in device {device} unless asked for")
    if precision != "auto":
        reasons.append(f"precision {precision} at run time")
    return reasons


def _search_options(folder: Path, exported: Exported | None, given: Mapping[str, Any]) -> DecodeConfig:
    if exported is not None:
        with contextlib.suppress(ValueError):  # the loader says it in the words of a config
            return decode_options({**exported.decode, **given})
    overrides = [f"decode.{name}={json.dumps(value)}" for name, value in given.items()]
    return config_of(folder, overrides).decode


def _is_gpu(device: str) -> bool:
    if device != "auto":
        return device.startswith("cuda")
    from mtkit.engine.ct2 import num_gpus

    return bool(num_gpus())


def _ctranslate2(exported: Exported, options: DecodeConfig, device: str, asked: _Asked) -> Translator:
    from mtkit.engine.ct2 import CTranslate2Engine

    tokenizer = exported.tokenizer
    engine = CTranslate2Engine(
        exported.files,
        tokenizer,
        exported.max_positions,
        "cuda" if _is_gpu(device) else "cpu",
        scores=asked.request.scores,
    )
    return asked.translator(engine, tokenizer, options, (exported.src_lang, exported.tgt_lang), exported.tags)


def _native(
    folder: Path, options: DecodeConfig, device: str, precision: Precision, asked: _Asked
) -> Translator:
    from mtkit.engine.native import NativeEngine, choose_device
    from mtkit.model.checkpoint import load_model

    target = choose_device(device)
    loaded = load_model(folder)
    others = []
    for path in asked.others:
        other = load_model(path)
        if other.tokenizer.fingerprint != loaded.tokenizer.fingerprint:
            raise InputError(
                f"{path}: has another tokenizer than {folder}, so that they can be no ensemble.",
                "Train both with the same tokenizer.path.",
            )
        others.append(other.model)
    engine = NativeEngine(loaded.model, target, precision, others)
    data = loaded.config.data
    languages = data.src_lang, data.tgt_lang
    return asked.translator(engine, loaded.tokenizer, options, languages, data.language_tags(data.tgt_lang))


def start_tags(usual: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """What sources begin with: the tag of a target language, the usual one if `tags` has none; and `tags`."""
    wanted = [tag for tag in tags if usual and tag.startswith("2")]
    return (*(wanted or usual), *(tag for tag in tags if tag not in wanted))
