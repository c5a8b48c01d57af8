"""The vocabulary of OPUS-MT: one table of ids for the pieces of two SentencePiece models that segment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtkit.config.options import TAG
from mtkit.convert.foreign import ForeignFolder
from mtkit.convert.piece_rows import PieceRows
from mtkit.convert.spm_rebuild import SPECIAL, Rebuilt, pieces_of, rebuild


class OpusVocabulary(PieceRows):
    """The rows of a model with two SentencePiece models.

    Args:
        folder: with `source.spm` and `target.spm`.
        where: the ids come from, for messages.
        ids: by piece, untrusted.
        size: rows of the tables.
        pad: id of the padding piece; `NO_ROW` if there is none.
        eos: id of the end.
        start: id of the piece with which the decoder starts; `NO_ROW` if it is zero.

    Raises:
        InputError: an id is not below `size` or there twice, or a special piece is missing.
    """

    def __init__(
        self,
        folder: ForeignFolder,
        where: Path,
        ids: dict[str, Any],
        size: int,
        pad: int,
        eos: int,
        start: int,
    ) -> None:
        super().__init__(where, ids, size, pad, eos, start)
        self.folder = folder
        self.special = {pad, self.unk, start, eos}

    def subwords(self, keep: bool) -> tuple[Rebuilt, Rebuilt, list[str]]:
        """The subword models of source and target with mtkit's special ids, and what was changed."""
        source, target = self.folder.bytes("source.spm"), self.folder.bytes("target.spm")
        codes = [piece[2:-2] for piece in self.ids if piece.startswith(">>") and piece.endswith("<<")]
        tags = [code for code in codes if TAG.fullmatch(code)]
        paths = self.folder.path / "source.spm", self.folder.path / "target.spm"
        own = {*pieces_of(target, paths[1])}
        if source == target:
            own.update(f">>{tag}<<" for tag in tags)
        others = [piece for piece, row in self.ids.items() if piece not in own and row not in self.special]
        unused = others if keep else []
        new_tags = [f"<{tag}>" for tag in tags]
        if source == target:
            both = rebuild(source, paths[0], new_tags, unused)
            rebuilt = both, both
        else:
            rebuilt = rebuild(source, paths[0], new_tags), rebuild(target, paths[1], (), unused)
        notes = ["the special pieces have the ids 0 to 3, and pieces have mtkit's order"]
        if tags:
            notes.append(f"{len(tags)} language codes are tags now, such as >>{tags[0]}<<: --tag {tags[0]}")
        if others and not keep:
            share = f"{len(others):,} of {len(self.ids):,} entries of the vocabulary"
            notes.append(f"{share} are not in target.spm and are never output; --keep-vocabulary keeps them")
        lacking = sum(self.row(piece) is None for piece in rebuilt[1].pieces[len(SPECIAL) :])
        if lacking:
            notes.append(
                f"{lacking:,} pieces of target.spm are not in {self.where.name}, so they are never output"
            )
        return *rebuilt, notes

    def row(self, piece: str) -> int | None:
        """The row of an ordinary piece or a tag in the source's tables."""
        found = super().row(piece)
        return super().row(f">>{piece[1:-1]}<<") if found is None and piece[:1] == "<" else found
