"""Text to ids and back for one model: the form of its text, and its subword model or two."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mtkit.disk.files import atomic_file
from mtkit.disk.manifest import unlisted
from mtkit.errors import UsageError
from mtkit.text import subwords
from mtkit.text.form import TextForm
from mtkit.text.subwords import Subwords, load_subwords, parse_subwords
from mtkit.text.term_marks import TERM_MARKS

if TYPE_CHECKING:
    from mtkit.config.text import TextConfig
    from mtkit.text.sampling import Sampler

JOINT = "tokenizer.model"
SEPARATE = ("tokenizer.src.model", "tokenizer.tgt.model")

Tags = Iterable[Sequence[str]] | None
"""The tags of each source, in order; none at all if None."""

Pairs = list[tuple[list[int], list[int]]]


class Tokenizer:
    """The text side of a model: subword models and the form of its text.

    Args:
        src: subword model of the source.
        tgt: of the target; the same as the source by default.
        form: of the text that both read.
    """

    PAD: ClassVar[int] = subwords.PAD
    UNK: ClassVar[int] = subwords.UNK
    BOS: ClassVar[int] = subwords.BOS
    EOS: ClassVar[int] = subwords.EOS

    def __init__(self, src: Subwords, tgt: Subwords | None = None, form: TextForm | None = None) -> None:
        self.src, self.tgt = src, tgt or src
        self.form = form or TextForm()

    @functools.cached_property
    def fingerprint(self) -> str:
        """Equal fingerprints mean equal ids for equal text."""
        parts = [self.form.options.model_dump_json(), self.src.fingerprint, self.tgt.fingerprint]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @property
    def is_joint(self) -> bool:
        """Whether both sides have one subword model."""
        return self.src is self.tgt

    @property
    def has_term_marks(self) -> bool:
        """Whether terms can be written into sources."""
        return self.UNK not in self.src.ids_of(TERM_MARKS)

    @property
    def max_size(self) -> int:
        """Size of the larger of the two vocabularies, in ids."""
        return max(self.src.size, self.tgt.size)

    def encode(self, texts: Iterable[str], tags: Tags = None) -> list[list[int]]:
        """The ids of each source, its tags first, without BOS and EOS."""
        return self._tagged(self.src.encode([self.form.source(text).text for text in texts]), tags)

    def encode_pairs(
        self, pairs: Iterable[tuple[str, str]], tags: Tags = None, target_tag: str | None = None
    ) -> Pairs:
        """The ids of normalised pairs, as training and the loss of validation see them.

        Args:
            pairs: of source and target.
            tags: of their sources.
            target_tag: of all targets.
        """
        srcs, tgts = self._formed(pairs)
        return self._paired(self.src.encode(srcs), self.tgt.encode(tgts), tags, target_tag)

    def sample_pairs(
        self,
        pairs: Iterable[tuple[str, str]],
        tags: Tags,
        target_tag: str | None,
        samplers: tuple[Sampler, Sampler],
        seed: str,
    ) -> Pairs:
        """Like `encode_pairs`, but segmented at random; a pair's ids follow from it and the seed."""
        srcs, tgts = self._formed(pairs)
        found = samplers[0].encode(srcs, seed), samplers[1].encode(tgts, f"{seed} tgt")
        return self._paired(*found, tags, target_tag)

    def _paired(
        self, srcs: list[list[int]], tgts: list[list[int]], tags: Tags, target_tag: str | None
    ) -> Pairs:
        if target_tag is not None:
            [tag] = self.target_tag_ids([target_tag])
            tgts = [[tag, *tgt] for tgt in tgts]
        return list(zip(self._tagged(srcs, tags), tgts, strict=True))

    def _formed(self, pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
        formed = [self.form.pair(*pair) for pair in pairs]
        return [src for src, _ in formed], [tgt for _, tgt in formed]

    def _tagged(self, srcs: list[list[int]], tags: Tags) -> list[list[int]]:
        if tags is None:
            return srcs
        return [[*self.tag_ids(own), *src] for src, own in zip(srcs, tags, strict=False)]

    def tag_ids(self, tags: Sequence[str]) -> list[int]:
        """The ids of tags of sources.

        Raises:
            UsageError: one is none of the model's.
        """
        return _tag_ids(self.src, tags)

    def target_tag_ids(self, tags: Sequence[str]) -> list[int]:
        """Like `tag_ids`, of tags of targets."""
        return _tag_ids(self.tgt, tags)

    @property
    def takes_matches(self) -> bool:
        """Whether a source can be followed by a match."""
        return self.is_joint and self.src.ids_of([subwords.SEPARATOR]) != [self.UNK]

    def match(self, tgt_ids: Sequence[int]) -> list[int]:
        """The ids that follow those of a source whose match has this target; both have one subword model."""
        return [*self.src.ids_of([subwords.SEPARATOR]), *tgt_ids]

    def decode(self, ids: Sequence[Sequence[int]], sources: Sequence[str] | None = None) -> list[str]:
        """The text of each target, one clean line.

        Args:
            ids: of each target.
            sources: their raw sources, whose spans the symbols stand for.
        """
        texts = self.tgt.decode(ids)
        if sources is None or not self.form.options.protect:
            return [self.form.restore(text)[0] for text in texts]
        spans = [self.form.source(source).spans for source in sources]
        return [self.form.restore(text, own)[0] for text, own in zip(texts, spans, strict=True)]

    def refusals_elsewhere(self, tags: Sequence[str] = (), target_tag: str | None = None) -> list[str]:
        """Why a program that knows but one SentencePiece model cannot stand in for this tokenizer.

        Args:
            tags: that sources begin with.
            target_tag: that the decoder reads before each translation.
        """
        options = self.form.options
        wanted = {"quotes": "keep", "casing": "keep", "protect": ()}
        reasons = [
            f"text.{name} = {getattr(options, name)}, which only mtkit does"
            for name, plain in wanted.items()
            if getattr(options, name) != plain
        ]
        if tags:
            reasons.append(f"the tag {tags[0]} before each source")
        if target_tag:
            reasons.append(f"the tag {target_tag} before each translation")
        return reasons if self.is_joint else [*reasons, "two subword models, where it has one"]

    def files(self) -> dict[str, bytes]:
        """The subword models by file name, as stored in a model folder."""
        if self.is_joint:
            return {JOINT: self.src.model_bytes}
        return dict(zip(SEPARATE, (self.src.model_bytes, self.tgt.model_bytes), strict=True))

    def save(self, folder: Path) -> None:
        """Write the files into `folder`, each whole or not at all."""
        for name, content in self.files().items():
            with atomic_file(folder / name) as stream:
                stream.write(content)


def _tag_ids(side: Subwords, tags: Sequence[str]) -> list[int]:
    for tag in tags:
        if tag not in side.tags:
            from difflib import get_close_matches

            known = f"It knows {', '.join(side.tags)}." if side.tags else "It was trained without."
            close = get_close_matches(tag, side.tags, 1, 0.4)
            raise UsageError(
                f"tag {tag}: the model does not know it.", f"Did you mean {close[0]}?" if close else known
            )
    return side.ids_of([f"<{tag}>" for tag in tags])


def model_files(folder: Path) -> tuple[Path, ...]:
    """The subword models in `folder`: a joint one, or those of source and target; they may be missing."""
    separate = tuple(folder / name for name in SEPARATE)
    return separate if any(path.exists() for path in separate) else (folder / JOINT,)


def read_tokenizer(models: Sequence[Path], text: TextConfig) -> Tokenizer:
    """The tokenizer of one subword model or two.

    Raises:
        InputError: a file is missing or not a usable model.
    """
    loaded = [load_subwords(path) for path in models]
    return Tokenizer(loaded[0], loaded[-1], TextForm(text))


def make_tokenizer(folder: Path, files: Mapping[str, bytes], text: TextConfig) -> Tokenizer:
    """The tokenizer of a folder of which some files have been read: their contents by name.

    Raises:
        InputError: a file is missing or not a usable model.
    """
    names = SEPARATE if any(name in files for name in SEPARATE) else (JOINT,)
    for name in names:
        if name not in files:
            raise unlisted(folder, name)
    loaded = [parse_subwords(files[name], folder / name) for name in names]
    return Tokenizer(loaded[0], loaded[-1], TextForm(text))


def load_tokenizer(folder: Path, text: TextConfig) -> Tokenizer:
    """The tokenizer that was saved in `folder`, for text of this form; see `read_tokenizer`."""
    return read_tokenizer(model_files(folder), text)
