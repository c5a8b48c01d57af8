"""The names and contents of an export to CTranslate2, for its writer and its readers. Does not use torch.

    RUN/export/ctranslate2/    manifest.json · model.bin, config.json, *_vocabulary.json (CTranslate2's own)
                               tokenizer.model or two of them · config.yaml (of the run)
                               confidence.json · lexicon.bin

It is self-contained. CTranslate2 does not validate its files, so each is compared with the manifest,
the options and the tokenizer; CTranslate2 then gets exactly the bytes that were compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mtkit.config.fixed import LANGUAGE
from mtkit.disk.manifest import MANIFEST, read_listed, read_manifest, unlisted
from mtkit.disk.reading import WRONG_VALUES, read_object, unlinked
from mtkit.errors import ConfigError, InputError
from mtkit.runs.model_bin import STORED, Variable, check_model_bin, expected_variables, most_bytes
from mtkit.runs.training import Training, read_training

if TYPE_CHECKING:
    from mtkit.text.tokenizer import Tokenizer

Options = TypeVar("Options")

FORMAT, VERSION = "mtkit-ctranslate2", 1
HUGGINGFACE = "mtkit-huggingface"
"""Kind of a folder for Hugging Face transformers."""
MODEL = "model.bin"
WEIGHTS = "model.safetensors"
"""The weights in a model folder, from which an export is made."""
LEXICON = "lexicon.bin"
"""The bilingual lexicon in a model folder or an export; models of older versions have none."""
EXPORTS = "export"
"""Folder of the exports, in the run folder."""
CONFIG = "config.yaml"
"""The config of the run."""
CONFIDENCE = "confidence.json"
"""How certain translations are, in model folders and exports; see `translate/confidence.py`."""
OWN_CONFIG = "config.json"
"""CTranslate2's config."""
VOCABULARIES = ("shared_vocabulary.json", "source_vocabulary.json", "target_vocabulary.json")
"""CTranslate2's vocabularies: a shared one, or two."""
_ANEW = "Do not trust it, or recreate it with `mtkit export`."
MAX_TEXT = 1 << 26
"""Most bytes of each file of a model except the weights."""
_MAX_POSITIONS = 1 << 16


@dataclass(frozen=True, slots=True)
class Exported:
    """An export whose files were compared with its options.

    Attributes:
        folder: of the export.
        source: sha256 of the weights that it was made from.
        quantization: how its weights are stored.
        max_positions: tokens of the longest sequence, on either side.
        aligns: whether CTranslate2 can align with it, which exports of older versions do not support.
        src_lang: source language.
        tgt_lang: target language.
        tags: default tags of sources.
        reads_terms: the model has learned to use terms in its sources.
        decode: the options of the run under `decode`.
        min_match: the least similarity of the matches that it was trained with; None if it was not.
        sentences_per_pair: see `read_sentences_per_pair`.
        training: see `read_training`.
        confidence: content of the file of that name; None if there is none.
        tokenizer: of the model.
        files: contents of the files for CTranslate2, by name.
    """

    folder: Path
    source: str
    quantization: str
    max_positions: int
    aligns: bool
    src_lang: str
    tgt_lang: str
    tags: tuple[str, ...]
    reads_terms: bool
    decode: dict[str, Any]
    min_match: float | None
    sentences_per_pair: float | None
    training: Training | None
    confidence: bytes | None
    tokenizer: Tokenizer = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)


def is_export(folder: Path) -> bool:
    """Whether `folder` looks like a model of CTranslate2."""
    return (folder / MODEL).is_file()


def read_export(folder: Path) -> Exported:
    """An export, after all its files were compared with its hashes, options and tokenizer.

    Raises:
        InputError: the export is incomplete, damaged, not what mtkit writes for its options, or was written
            by another version of mtkit.
    """
    from mtkit.config.stored import decode_options, model_options, text_options
    from mtkit.text.tokenizer import JOINT, SEPARATE, make_tokenizer

    # 1. Read everything but the weights.
    manifest = read_manifest(folder, FORMAT, VERSION, hashes=False)
    own = {MODEL, CONFIG, CONFIDENCE, LEXICON, OWN_CONFIG, *VOCABULARIES, JOINT, *SEPARATE}
    for name in manifest["files"].keys() - own:
        raise InputError(f"{folder / MANIFEST}: lists {name!r:.80}, which is not part of an export.", _ANEW)
    small = {
        name: read_listed(folder, manifest, name, MAX_TEXT)
        for name in manifest["files"]
        if name not in (MODEL, LEXICON)
    }
    # 2. Check the values in the manifest.
    if "model" not in manifest:  # older exports have these options in their config only
        manifest["model"] = _model_of(folder, small)
    claims = _Claims(folder / MANIFEST, manifest)
    model = claims.options("model", model_options)
    claims.options("decode", decode_options)
    tokenizer = make_tokenizer(folder, small, claims.options("text", text_options))
    if tokenizer.fingerprint != manifest.get("tokenizer"):
        raise InputError(
            f"{folder}: the tokenizer belongs to another model.", "Use another copy of the model."
        )
    quantization = claims.text("quantization", "|".join(STORED))
    max_positions = claims.count("max_positions", 2, _MAX_POSITIONS)
    aligns = claims.flag("aligns")
    # 3. Compare the files for CTranslate2.
    try:
        sizes = tokenizer.src.size, tokenizer.tgt.size
        variables = expected_variables(model, *sizes, quantization, max_positions, aligns)
    except ValueError as error:
        raise InputError(f"{folder / MANIFEST}: model: {error}.", _ANEW) from None
    files = {name: small[name] for name in (OWN_CONFIG, *VOCABULARIES) if name in small}
    files[MODEL] = read_listed(folder, manifest, MODEL, most_bytes(variables))
    check_files(folder, files, own_texts(tokenizer, model.norm_epsilon), variables)
    return Exported(
        folder=folder,
        source=claims.text("source", "[0-9a-f]{64}"),
        quantization=quantization,
        max_positions=max_positions,
        aligns=aligns,
        src_lang=claims.text("src_lang", LANGUAGE),
        tgt_lang=claims.text("tgt_lang", LANGUAGE),
        tags=claims.tags(tokenizer),
        reads_terms=claims.flag("reads_terms") and tokenizer.has_term_marks,
        decode=manifest["decode"],
        min_match=claims.match(tokenizer),
        sentences_per_pair=read_sentences_per_pair(folder, manifest),
        training=read_training(folder, manifest),
        confidence=small.get(CONFIDENCE),
        tokenizer=tokenizer,
        files=files,
    )


def read_sentences_per_pair(folder: Path, manifest: Mapping[str, Any]) -> float | None:
    """How many sentences the sources had, on average, that a model was trained on; None if unknown.

    Args:
        folder: of the model, or of its export.
        manifest: of the folder; an older mtkit wrote it without the number.

    Raises:
        InputError: it is no number from 1.
    """
    value = manifest.get("sentences_per_pair")
    if value is None or (type(value) in (int, float) and 1 <= value <= MAX_TEXT):
        return value
    raise InputError(
        f"{folder / MANIFEST}: sentences_per_pair = {value!r:.80}, expected a number from 1.", _ANEW
    )


def _model_of(folder: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The model options in the config of an export."""
    from mtkit.config.load import load_config

    if CONFIG not in files:
        raise unlisted(folder, CONFIG)
    path = folder / CONFIG
    try:
        return load_config([path], contents={path: files[CONFIG]}).config.model.model_dump(mode="json")
    except ConfigError as error:
        raise InputError(error.problems[0], _ANEW) from None


class _Claims:
    """The untrusted values of a manifest, each validated when it is read.

    Args:
        where: path of the manifest, for messages.
        values: of the manifest.
    """

    def __init__(self, where: Path, values: Mapping[str, Any]) -> None:
        self._where, self._values = where, values

    def text(self, name: str, pattern: str) -> str:
        value = self._get(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self._wrong(name, f"expected text like {pattern}")
        return value

    def count(self, name: str, least: int, most: int) -> int:
        value = self._get(name)
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(name, f"expected a number from {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; older exports lack it, which is false."""
        value = self._values.get(name, False)
        if type(value) is not bool:
            raise self._wrong(name, "expected true or false")
        return value

    def options(self, name: str, build: Callable[[Mapping[str, Any]], Options]) -> Options:
        value = self._get(name)
        try:
            if not isinstance(value, dict):
                raise TypeError
            return build(value)
        except (ValueError, TypeError, RecursionError):
            raise self._wrong(name, f"expected valid options of {name}") from None

    def tags(self, tokenizer: Tokenizer) -> tuple[str, ...]:
        value = self._get("tags")
        known = tokenizer.src.tags if value else ()
        if not isinstance(value, list) or len(value) > len(known) or not all(tag in known for tag in value):
            raise self._wrong("tags", "expected a list of tags of its tokenizer")
        return tuple(value)

    def match(self, tokenizer: Tokenizer) -> float | None:
        """The least similarity of matches; older exports lack it, like those of models without."""
        value = self._values.get("min_match")
        if value is None:
            return None
        if type(value) is not float or not 0 < value < 1 or not tokenizer.takes_matches:
            raise self._wrong("min_match", "expected a number below 1, and a tokenizer with a separator")
        return value

    def _get(self, name: str) -> Any:
        if name not in self._values:
            raise InputError(f"{self._where}: has no {name}.", "Recreate it with `mtkit export`.")
        return self._values[name]

    def _wrong(self, name: str, expected: str) -> InputError:
        return InputError(f"{self._where}: {name} = {self._values.get(name)!r:.80}, {expected}.", _ANEW)


# ---------------------------------------------------------------- the files for CTranslate2


def own_texts(tokenizer: Tokenizer, norm_epsilon: float) -> dict[str, bytes]:
    """CTranslate2's own text files for a model with this tokenizer and epsilon, byte for byte, by name.

    Raises:
        InputError: the special pieces differ between the sides, which CTranslate2 does not support.
    """
    tgt = tokenizer.tgt.pieces(range(tokenizer.tgt.size))
    src = tgt if tokenizer.is_joint else tokenizer.src.pieces(range(tokenizer.src.size))
    if src[:4] != tgt[:4]:  # it would add the missing ones, with ids beyond the embeddings
        raise InputError(
            f"tokenizer: the special pieces of the source are {src[:4]}, those of the target {tgt[:4]}.",
            "CTranslate2 requires the same pieces. Use --engine native.",
        )
    config = {
        "add_source_bos": False,
        "add_source_eos": True,
        "bos_token": tgt[tokenizer.BOS],
        "decoder_start_token": tgt[tokenizer.BOS],
        "eos_token": tgt[tokenizer.EOS],
        "layer_norm_epsilon": norm_epsilon,
        "multi_query_attention": False,
        "unk_token": tgt[tokenizer.UNK],
    }
    shared, *two = VOCABULARIES
    vocabularies = {shared: tgt} if src == tgt else dict(zip(two, (src, tgt), strict=True))
    written = {name: _as_text(pieces).encode() for name, pieces in vocabularies.items()}
    return {OWN_CONFIG: (json.dumps(config, indent=2) + "\n").encode(), **written}


def _as_text(pieces: list[str]) -> str:
    """The same as `json.dumps` with an indent, in a tenth of the time."""
    return "[\n  " + ",\n  ".join(map(encode_basestring_ascii, pieces)) + "\n]"


def own_files(folder: Path) -> dict[str, bytes]:
    """The files for CTranslate2 in a folder that this process has just written, by name."""
    names = (MODEL, OWN_CONFIG, *VOCABULARIES)
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def check_files(
    where: Path, files: Mapping[str, bytes], texts: Mapping[str, bytes], variables: dict[str, Variable]
) -> None:
    """Compares the files for CTranslate2 with the expected texts and variables.

    Raises:
        InputError: a file differs, so CTranslate2 must not read it.
    """
    for name in sorted(files.keys() ^ {MODEL, *texts}):
        which = "is missing" if name in texts else "is unknown in a model with this tokenizer"
        raise InputError(f"{where / name}: {which}.", _ANEW)
    for name, text in texts.items():
        if files[name] != text:
            raise InputError(f"{where / name}: differs from what the options and the tokenizer imply.", _ANEW)
    check_model_bin(files[MODEL], variables, where / MODEL)


def export_of(model: Path) -> Path | None:
    """The export that belongs to the model folder `model`: the folder itself, or the export in its run.

    None if there is no export, or it was made from other weights.

    Raises:
        InputError: the path to it inside the run contains a link.
    """
    if is_export(model):
        return model
    folder = model.parent / EXPORTS / "ctranslate2"
    if not is_export(folder):
        return None
    unlinked(model.parent, folder)
    try:
        source = read_object(folder / MANIFEST)["source"]
        weights = read_object(model / MANIFEST)["files"][WEIGHTS]["sha256"]
    except (OSError, InputError, *WRONG_VALUES):
        return None
    return folder if source == weights else None
