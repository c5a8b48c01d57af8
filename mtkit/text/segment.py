"""Long text in parts: cut at the ends of sentences, else at spaces, else anywhere. Nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Sizes = Callable[[Sequence[str]], list[int]]
"""How many tokens each of some texts has."""

_STOP = re.compile(r"""(?P<stop>[.!?…؟۔।]+|[。！？]+…*)(?P<closed>["'”’»)\]」』）]*)(?P<space>\s*)""")
_LOOK_BACK = 24
_WORD = re.compile(r"[^\s(\[\"'«“‘]*\Z")

# English, German, French, Spanish; words such as `no` that may end a sentence too are left out.
_ABBREVIATIONS = set(
    """
    mr mrs ms dr prof st rev hon gen col capt lt sgt sr jr vs etc al fig figs eq approx dept est inc ltd corp
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun vol pp ed eds cf ca
    nr bzw usw evtl ggf vgl bspw sog inkl exkl abs art bd hrsg str tel mio mrd jh geb gest
    mme mlle mm env éd chap sra srta srs ud uds av núm pág
    """.split()  # noqa: SIM905
)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, each with the spaces after it.

    A stop ends one where a space and no lower-case letter follow, but for a full stop after an abbreviation,
    a single letter or a short number (`21. Oktober`); the wide stops of Chinese and Japanese always do.
    """
    found, begin = [], 0
    for stop in _STOP.finditer(text):
        if _ends(text, stop):
            found.append(text[begin : stop.end()])
            begin = stop.end()
    return [*found, text[begin:]] if begin < len(text) else found


def _ends(text: str, found: re.Match[str]) -> bool:
    if found["stop"][0] in "。！？":
        return True
    if not found["space"] or text[found.end() : found.end() + 1].islower():
        return False
    if found["stop"] != ".":
        return True
    before = _WORD.search(text, max(0, found.start() - _LOOK_BACK), found.start())
    word = before[0].lower() if before else ""
    short = len(word) == 1 or (len(word) == 2 and word.isdecimal())
    return not (short or "." in word or word in _ABBREVIATIONS)


def segments(text: str, sizes: Sizes, limit: int) -> list[str]:
    """`text` in parts of at most `limit` tokens each; a sentence that is not longer is one part.

    Args:
        text: any.
        sizes: counts tokens. Called about once for the sentences, and again for those that are cut.
        limit: what a single character never exceeds.
    """
    parts = sentences(text)
    counts = sizes(parts)
    while any(count > limit for count in counts):
        cut: list[str] = []
        for part, count in zip(parts, counts, strict=True):
            cut += _cut(part, count // limit + 1) if count > limit and len(part) > 1 else [part]
        if len(cut) == len(parts):
            break
        parts, counts = cut, sizes(cut)
    return parts


def _cut(text: str, count: int) -> list[str]:
    """`text` in about `count` parts of like length, cut after spaces where there are any."""
    size = -(-len(text) // count)
    parts, begin = [], 0
    while len(text) - begin > size:
        space = text.rfind(" ", begin + 1, begin + size)
        end = space + 1 if space > 0 else _beside_symbol(text, begin, begin + size)
        parts.append(text[begin:end])
        begin = end
    return [*parts, text[begin:]] if begin < len(text) else parts


def _beside_symbol(text: str, begin: int, end: int) -> int:
    """`end`, or a place before or after the symbol such as ⟦1⟧ that it would part."""
    opened = text.rfind("⟦", begin, end)
    closed = text.find("⟧", opened, opened + 16) if opened >= 0 else -1
    if closed < end:
        return end
    return opened if opened > begin else closed + 1
