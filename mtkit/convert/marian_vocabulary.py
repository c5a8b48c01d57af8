"""The vocabularies of Marian's own models: SentencePiece models, or a table of ids as OPUS-MT has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.config.strict_yaml import Problem, compose
from mtkit.convert.foreign import ForeignConfig, ForeignFolder
from mtkit.convert.opus_vocabulary import OpusVocabulary
from mtkit.convert.piece_rows import NO_ROW
from mtkit.convert.spm_rebuild import SPECIAL, Rebuilt, pieces_of, rebuild
from mtkit.errors import InputError
from mtkit.text.subwords import BOS, EOS, PAD, UNK, parse_subwords
from mtkit.text.tokenizer import Tokenizer

_ENTRY = re.compile(r"(\S.*): ([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """The vocabularies of both sides.

    Attributes:
        source: the rebuilt SentencePiece model.
        target: the other one, or the same.
        src_rows: the row in Marian's tables of each of mtkit's ids, [source pieces]; `NO_ROW` for none.
        tgt_rows: of the target's ids.
        shares_ids: both sides have their rows in one table.
        where: the files of source and target, for messages.
        notes: what was changed.
    """

    source: Rebuilt
    target: Rebuilt
    src_rows: Tensor
    tgt_rows: Tensor
    shares_ids: bool
    where: tuple[Path, Path]
    notes: list[str]

    @property
    def is_joint(self) -> bool:
        """Whether both sides have the same model."""
        return self.source == self.target

    def tokenizer(self) -> Tokenizer:
        """Both models, ready for use."""
        tgt = parse_subwords(self.target.model_bytes, self.where[1])
        return Tokenizer(
            tgt if self.is_joint else parse_subwords(self.source.model_bytes, self.where[0]), tgt
        )


def read_vocabularies(
    folder: ForeignFolder, decoding: dict[str, Any], config: ForeignConfig, keep: bool
) -> Vocabularies:
    """The vocabularies in a folder.

    Args:
        folder: the files.
        decoding: options of decoding, which may name vocabularies.
        config: options of the network, with the sizes of its vocabularies.
        keep: whether outputs that `target.spm` does not have are kept.

    Raises:
        InputError: a file is missing or damaged, or it is not known which is which.
    """
    tables = sorted(path.name for path in folder.path.glob("*.vocab.yml") if path.is_file())
    if tables and "source.spm" in folder and "target.spm" in folder:
        if len(tables) > 1:
            raise InputError(
                f"{folder.path}: has several vocabularies: {', '.join(tables)[:200]}.", "Leave one there."
            )
        return _of_opus(folder, tables[0], config, keep)
    spms = _subword_files(folder, decoding)
    where = folder.path / spms[0], folder.path / spms[1]
    own = [folder.bytes(spm) for spm in spms]
    source, target = (rebuild(body, path) for body, path in zip(own, where, strict=True))
    src_rows, tgt_rows = (
        _rows(body, new, path) for body, new, path in zip(own, (source, target), where, strict=True)
    )
    notes = ["the special pieces have the ids 0 to 3, and pieces keep their order"]
    return Vocabularies(source, target, src_rows, tgt_rows, False, where, notes)


def _of_opus(folder: ForeignFolder, name: str, config: ForeignConfig, keep: bool) -> Vocabularies:
    """`source.spm` and `target.spm` with a table of ids."""
    sizes = config.values.get("dim-vocabs")
    size = sizes[0] if isinstance(sizes, list) and len(sizes) == 2 and sizes[0] == sizes[1] else None
    if type(size) is not int:
        raise InputError(
            f"{config.where}: dim-vocabs = {sizes!r:.40}, expected two equal sizes.", "Use another copy."
        )
    ids = _table(folder, name)
    if "</s>" not in ids:
        raise InputError(f"{folder.path / name}: has no piece </s>.", "Use another copy.")
    vocabulary = OpusVocabulary(folder, folder.path / name, ids, size, NO_ROW, ids["</s>"], NO_ROW)
    source, target, notes = vocabulary.subwords(keep)
    return Vocabularies(
        source,
        target,
        vocabulary.rows(source.pieces),
        vocabulary.rows(target.pieces, NO_ROW),
        shares_ids=True,
        where=(folder.path / "source.spm", folder.path / "target.spm"),
        notes=notes,
    )


def _table(folder: ForeignFolder, name: str) -> dict[str, int]:
    """The ids in a file with a line of YAML for each, such as `"▁the": 12`; it may be very long.

    Raises:
        InputError: a line has another form, or a piece is there twice.
    """
    ids: dict[str, int] = {}
    for number, raw in enumerate(folder.bytes(name).split(b"\n"), start=1):
        line = raw.decode("utf-8", "replace").rstrip("\r")
        if not line or line == "---":
            continue
        found = _ENTRY.fullmatch(line)
        piece = _key(found[1]) if found is not None else None
        if found is None or piece is None or piece in ids:
            problem = "is there twice" if piece in ids else "is not a piece with its id"
            raise InputError(f"{folder.path / name}:{number}: {line[:40]!r} {problem}.", "Use another copy.")
        ids[piece] = int(found[2])
    return ids


def _key(text: str) -> str | None:
    """The text of a key, which may be quoted; None if it is none."""
    if text[0] in "▁<" or text[0].isalnum():  # nearly all of them, and never anything but text
        return text
    problems: list[Problem] = []
    tree = compose(text, "", problems)
    return tree.value if tree is not None and not problems and isinstance(tree.value, str) else None


def _subword_files(folder: ForeignFolder, decoding: dict[str, Any]) -> tuple[str, str]:
    """The names of the SentencePiece models of source and target, which may be the same.

    Raises:
        InputError: there is none, or it is not known which is which.
    """
    spms = sorted(path.name for path in folder.path.iterdir() if path.suffix == ".spm" and path.is_file())
    named = [Path(name).name for name in decoding.get("vocabs", ()) if isinstance(name, str)]
    if len(named) >= 2 and {*named} <= {*spms}:
        return named[0], named[-1]
    if len(spms) == 1:
        return spms[0], spms[0]
    src, tgt = (
        [name for name in spms if name.startswith(begin)] for begin in (("src", "source"), ("trg", "target"))
    )
    if len(spms) == 2 and len(src) == len(tgt) == 1:
        return src[0], tgt[0]
    raise InputError(
        f"{folder.path}: has {len(spms)} SentencePiece models (.spm), expected one for both languages, or "
        "srcvocab.*.spm and trgvocab.*.spm.",
        "Copy the vocabularies of the model there. Those in YAML or plain text cannot be imported.",
    )


def _rows(own: bytes, rebuilt: Rebuilt, where: Path) -> Tensor:
    """The row in Marian's tables of each of mtkit's ids; -1 for those that Marian does not have.

    Raises:
        InputError: there is no end of sentence or unknown piece.
    """
    places = {piece: row for row, piece in reversed([*enumerate(pieces_of(own, where))])}
    if "</s>" not in places or "<unk>" not in places:
        raise InputError(f"{where}: has no piece </s> or <unk>, which Marian needs.", "Use another copy.")
    special = {PAD: -1, UNK: places["<unk>"], BOS: -1, EOS: places["</s>"]}
    rest = (places[piece] for piece in rebuilt.pieces[len(SPECIAL) :])
    return torch.tensor([*(special[i] for i in range(len(SPECIAL))), *rest])
