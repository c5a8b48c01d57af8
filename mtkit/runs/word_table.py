"""The bilingual lexicon of a model on disk: words of both languages, and translations with probabilities.

    lexicon.bin     a line with format and version · a line of JSON with all sizes · zlib: words and arrays

It holds no pickle. The file is untrusted: its size is bounded, and every index is checked before it is used.
Without numpy, which translating does not need.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from mtkit.disk.manifest import MANIFEST, read_listed
from mtkit.disk.reading import read_object, using
from mtkit.errors import InputError
from mtkit.runs.exports import LEXICON

FORMAT, VERSION = "mtkit-lexicon", 1
MAX_BYTES = 3_000_000
"""Most bytes of the file."""
MAX_WORDS = 1 << 20
MAX_LINKS = 1 << 22
MAX_TEXT = 1 << 24
"""Most characters, in bytes of UTF-8, of the words of one language."""
STEPS = 255
"""A probability p is stored as the nearest of so many equal steps of its square root."""
_HINT = "Delete the file's model and train it again, or use another copy."


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """The translations of each word of one language, the most probable first.

    A probability is the larger one of both directions, because a word whose translation has several words
    has a small one in one of them.

    Attributes:
        offsets: [words + 1], where the translations of each word begin.
        ids: [links], numbers of words of the other language.
        probs: [links], the square roots of their probabilities in `STEPS`.
    """

    offsets: Sequence[int]
    ids: Sequence[int]
    probs: bytes

    def of(self, word: int) -> list[tuple[int, float]]:
        """The numbers of the translations of a word, with their probabilities."""
        own = slice(self.offsets[word], self.offsets[word + 1])
        return [
            (other, (root / STEPS) ** 2) for other, root in zip(self.ids[own], self.probs[own], strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """Words of two languages, source first, and their translations.

    Attributes:
        langs: codes of both languages.
        num_pairs: training pairs that it was learned from.
        words: of each language, in lower case.
        counts: for each word, the number of pairs that contain it.
        links: from source to target, and from target to source.
    """

    langs: tuple[str, str]
    num_pairs: int
    words: tuple[list[str], list[str]]
    counts: tuple[Sequence[int], Sequence[int]]
    links: tuple[Links, Links]


def table_bytes(table: WordTable) -> bytes:
    """The content of the file; equal tables give equal bytes."""
    parts, sizes = [], []
    for words, counts, links in zip(table.words, table.counts, table.links, strict=True):
        text = "\n".join(words).encode()
        sizes.append({"words": len(words), "text": len(text), "links": len(links.ids)})
        lengths = [end - begin for begin, end in pairwise(links.offsets)]
        parts += [text, _packed("I", counts), _packed("H", lengths), _packed("I", links.ids), links.probs]
    head = {"langs": list(table.langs), "pairs": table.num_pairs, "sizes": sizes}
    lines = f"{FORMAT} {VERSION}\n{json.dumps(head)}\n"
    return lines.encode() + zlib.compress(b"".join(parts), 9)


def parse_table(raw: bytes, path: Path) -> WordTable:
    """The table in the content of a file.

    Args:
        raw: the content.
        path: of the file, for messages.

    Raises:
        InputError: the content is damaged, or of another version.
    """
    first, _, rest = raw.partition(b"\n")
    if first != f"{FORMAT} {VERSION}".encode():
        raise InputError(
            f"{path}: begins with {first[:40]!r}; this mtkit reads {FORMAT} {VERSION}.",
            "Use the version of mtkit that wrote it, or train the model again.",
        )
    with using(path, _HINT):
        head, _, packed = rest.partition(b"\n")
        values = json.loads(head)
        src_lang, tgt_lang = values["langs"]
        num_pairs = _bounded(values["pairs"], 1 << 40)
        sizes = [_sizes(own) for own in values["sizes"]]
        if len(sizes) != 2 or not isinstance(src_lang, str) or not isinstance(tgt_lang, str):
            raise ValueError("it is not of two languages")
        total = sum(text + words * 6 + links * 5 for words, text, links in sizes)
        body = _unpacked(packed, total)
        words, counts, links = [], [], []
        begin = 0
        for (num_words, num_text, num_links), (others, *_) in zip(sizes, reversed(sizes), strict=True):
            own = body[begin : begin + num_text + num_words * 6 + num_links * 5]
            begin += len(own)
            words.append(_words(own[:num_text], num_words))
            numbers = own[num_text:]
            counts.append(_numbers("I", numbers[: 4 * num_words]))
            lengths = _numbers("H", numbers[4 * num_words : 6 * num_words])
            links.append(_links(numbers[6 * num_words :], lengths, num_links, others))
    return WordTable(
        (src_lang, tgt_lang),
        num_pairs,
        (words[0], words[1]),
        (counts[0], counts[1]),
        (links[0], links[1]),
    )


def _packed(kind: str, values: Sequence[int]) -> bytes:
    """The numbers in little-endian order: `I` in four bytes, `H` in two."""
    numbers = array(kind, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(kind: str, raw: bytes) -> Sequence[int]:
    numbers = array(kind)
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _bounded(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"a size is {value!r:.40}, expected a number from 0 to {most:,}")
    return value


def _sizes(values: Mapping[str, Any]) -> tuple[int, int, int]:
    """The numbers of words, of bytes of their text, and of links."""
    return (
        _bounded(values["words"], MAX_WORDS),
        _bounded(values["text"], MAX_TEXT),
        _bounded(values["links"], MAX_LINKS),
    )


def _unpacked(packed: bytes, total: int) -> bytes:
    """The decompressed body, which must have `total` bytes; never decompresses more."""
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(packed, total + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(body) != total or not unpacker.eof:
        raise ValueError(f"its body is not of {total:,} bytes")
    return body


def _words(text: bytes, count: int) -> list[str]:
    words = text.decode().split("\n") if count else []
    if len(words) != count or len(set(words)) != count:
        raise ValueError("its words are not as many as it says, or not different")
    return words


def _links(raw: bytes, lengths: Sequence[int], count: int, others: int) -> Links:
    ids, offsets = _numbers("I", raw[: 4 * count]), [0, *accumulate(lengths)]
    if offsets[-1] != count or max(ids, default=-1) >= others:
        raise ValueError("its translations lead to words that are not there")
    return Links(offsets, ids, raw[4 * count :])


def read_table(folder: Path) -> WordTable | None:
    """The lexicon of a model folder or an export; None if it has none, as models of older versions.

    Raises:
        InputError: it is missing though the manifest lists it, has changed, or is damaged.
    """
    try:
        manifest = read_object(folder / MANIFEST)
    except FileNotFoundError:
        return None
    with using(folder / MANIFEST, _HINT):
        if LEXICON not in manifest["files"]:
            return None
        raw = read_listed(folder, manifest, LEXICON, MAX_BYTES)
    return parse_table(raw, folder / LEXICON)
