"""Imports a model of another toolkit as a run folder: recognises its format, reads, checks, writes."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mtkit import __version__
from mtkit.config.fixed import LANGUAGE
from mtkit.config.schema import Config
from mtkit.convert.fairseq_hub import FAIRSEQ, read_fairseq_hub
from mtkit.convert.foreign import ForeignFolder, ForeignModel, check_weights, options_from
from mtkit.convert.hub_download import PREFIX, download, hub_model
from mtkit.convert.marian_hub import read_marian_hub
from mtkit.convert.marian_native import find_marian, read_marian
from mtkit.convert.parity import Say
from mtkit.errors import InputError, UsageError
from mtkit.model.checkpoint import write_model
from mtkit.runs.layout import MODEL, check_run, inside, open_run
from mtkit.runs.training import Training

_FORMATS = (
    "These can be imported: Marian's own files, and Marian (OPUS-MT), M2M-100, NLLB and mBART-50 as Hugging "
    "Face transformers writes them."
)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is imported, and where to.

    Attributes:
        source: folder of the model, or `hf://owner/name`.
        run: the run folder to write.
        src_lang: language of the sources; None to read it from the files.
        tgt_lang: of the translations.
        keep_vocabulary: keep outputs that the target's subword model or a shortlist does not have.
    """

    source: str | Path
    run: Path
    src_lang: str | None = None
    tgt_lang: str | None = None
    keep_vocabulary: bool = False


def import_model(request: ImportRequest, say: Say) -> None:
    """Writes the model in a folder as a run folder; nothing is written unless all of it was read and checked.

    Args:
        request: what is imported.
        say: is told what was found and what was changed.

    Raises:
        InputError: the model is unknown, damaged or of an unsupported variant.
        UsageError: the run folder exists with another model, or the languages are not known.
    """
    if os.path.lexists(request.run / MODEL):
        raise UsageError(f"-o {request.run}: there is a model in it.", "Name a new folder.")
    check_run(request.run)
    hub = hub_model(str(request.source))
    path, commit = download(hub, say) if hub else (Path(request.source), "")
    folder = ForeignFolder(path)
    found = _read(folder, request)
    check_weights(path, found)
    config = _config(found, request, path)
    origin = {
        "mtkit": __version__,
        "source": f"{PREFIX}{hub.name}@{commit}" if hub else str(path),
        "family": found.family,
        "files": folder.hashes(),
        "licence": folder.licence(),
        "changes": found.changes,
    }
    open_run(config.run)
    target = inside(config.run, MODEL)
    write_model(
        target,
        config,
        found.tokenizer,
        found.weights,
        training=Training(0),
        origin=origin,
        shortlist=found.shortlist,
    )
    size = sum(tensor.numel() for tensor in found.weights.values())
    say(f"{found.family}: {size:,} parameters")
    for change in found.changes:
        say(change)
    if not origin["licence"]:
        say("no licence was found beside the model: look where you got it")
    say(f"wrote {target}")


def _read(folder: ForeignFolder, request: ImportRequest) -> ForeignModel:
    """The model in a folder, whose format is recognised by what its files say."""
    if not folder.path.is_dir():
        raise InputError(f"{folder.path}: there is no such folder.", _FORMATS)
    kind = folder.object("config.json").get("model_type") if "config.json" in folder else None
    if kind == "marian":
        return read_marian_hub(folder, request.keep_vocabulary)
    if kind in FAIRSEQ:
        return read_fairseq_hub(folder, request.src_lang, request.tgt_lang, request.keep_vocabulary)
    if kind is None and (name := find_marian(folder)):
        return read_marian(folder, name, request.keep_vocabulary)
    known = f"its model_type is {kind!r:.40}" if kind is not None else "no file is in a known format"
    raise InputError(f"{folder.path}: no known model: {known}.", _FORMATS)


def _config(found: ForeignModel, request: ImportRequest, folder: Path) -> Config:
    """The config of the run. Its corpora are names to fill in, since the training data are not known."""
    src = _language("--src-lang", request.src_lang, found.src_lang)
    tgt = _language("--tgt-lang", request.tgt_lang, found.tgt_lang)
    tags = found.decode.get("tags", [])
    train, valid = (
        {"reader": "plain", "src": f"{name}.{src}", "tgt": f"{name}.{tgt}", "tags": tags}
        for name in ("train", "valid")
    )
    values = {
        "run": os.path.realpath(request.run),
        "data": {"src_lang": src, "tgt_lang": tgt, "train": [train], "valid": valid},
        "tokenizer": {"separate": not found.tokenizer.is_joint},
        "model": found.model.model_dump(mode="json"),
        "decode": found.decode,
    }
    with options_from(folder):
        return Config.model_validate_json(json.dumps(values))


def _language(option: str, given: str | None, found: str) -> str:
    """The language of a side, as given or else as the files say.

    Raises:
        UsageError: it is not known, or no language code.
    """
    language = given or found
    if re.fullmatch(LANGUAGE, language):
        return language
    problem = f"{language!r:.40} is no language code" if language else "the files do not say the language"
    raise UsageError(f"{option}: {problem}.", f"Give one, such as {option} en.")
