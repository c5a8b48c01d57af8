"""Explanations as one HTML page, and their tables, which the terminal shows too. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtkit.evaluate.alignment_drawing import END, draw_attention
from mtkit.evaluate.explanation import Explanation, LikelyToken
from mtkit.evaluate.wording import Piece, differences
from mtkit.text.page import escaped, html_page, html_section, html_table, marked_text

Table = tuple[list[str], list[list[str]]]
_LOOKED = 0.1
"""Share of the attention from which a source word is named."""


def tokens_table(found: Explanation) -> Table:
    """A row for each token: how probable it is, and what else was probable in its place."""
    return ["token", "probability", "others"], [
        [token.piece, percent(token.probability), ", ".join(_others(token))] for token in found.tokens
    ]


def _others(token: LikelyToken) -> Iterator[str]:
    for piece, probability in token.likely:
        if piece != token.piece:
            yield f"{piece} {percent(probability)}"


def words_table(found: Explanation) -> Table:
    """A row for each word of the translation: the source words at which the model looked most."""
    columns = [*found.src_words, END]
    rows = []
    for word, weights in zip(found.tgt_words, found.attention, strict=True):
        order = sorted(range(len(columns)), key=lambda place: -weights[place])
        named = [place for n, place in enumerate(order) if weights[place] >= _LOOKED or n == 0]
        rows.append([word, ", ".join(f"{columns[place]} {percent(weights[place])}" for place in named)])
    return ["word", "looked at"], rows


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def head_lines(found: Explanation) -> Iterator[tuple[str, str]]:
    """What is said of the whole: names and values."""
    yield "source", found.src
    yield ("given translation" if found.is_given else "translation"), found.tgt
    yield "score", f"{found.score:.3f} (log-probability, divided by the length penalty)"
    if found.confidence is not None:
        yield "confidence", f"{found.confidence:.2f} (estimated quality, from 0 to 1)"
    if found.missing is not None and found.invented is not None:
        yield "source words without a counterpart", _named(found.src, found.missing)
        yield "translated words without a counterpart", _named(found.tgt, found.invented)


def _named(text: str, spans: Sequence[tuple[int, int]]) -> str:
    return ", ".join(text[begin:end] for begin, end in spans) or "none"


def changes(found: Explanation, translation: str) -> list[Piece]:
    """Another translation in stretches, those marked that the explained one lacks."""
    return differences(found.tgt, translation)[1]


def explain_page(model: str, found: Sequence[Explanation]) -> str:
    """The page of some explanations; all text is escaped."""
    parts = [f'<p class="dim">model: {escaped(model)}</p>\n', *map(_explanation, found)]
    return html_page(f"Explanation of {found[0].src}", "".join(parts))


def _explanation(found: Explanation) -> str:
    sections = {
        "Tokens": html_table(*tokens_table(found), "texts"),
        "Attention": _attention(found),
        "Without one word of the source": _left_out(found),
        "Nearest training pairs": _nearest(found),
    }
    head = html_table(["what", "value"], [list(line) for line in head_lines(found)], "texts")
    parts = (html_section(title, content, 3) for title, content in sections.items())
    return f"<h2>{escaped(found.tgt)}</h2>\n{head}\n{''.join(parts)}"


def _attention(found: Explanation) -> str:
    note = (
        '<p class="dim">Each row is a word of the translation. The stronger the colour of a cell, the more '
        "the model looked at that word of the source when it wrote the word of the row.</p>"
    )
    drawing = draw_attention(found)
    if not drawing:
        return ""
    return f'<div class="scroll">{drawing}</div>\n{note}\n{html_table(*words_table(found), "texts")}'


def _left_out(found: Explanation) -> str:
    if not found.left_out:
        return ""
    rows = "".join(
        f'<tr><td dir="auto">{escaped(each.word)}</td><td>{each.fall:.2f}</td>'
        f'<td dir="auto">{marked_text(changes(found, each.translation), "ins")}</td></tr>\n'
        for each in found.left_out
    )
    return (
        '<div class="scroll"><table class="texts">\n<tr><th>left out</th><th>fall</th>'
        f"<th>translation of the rest</th></tr>\n{rows}</table></div>\n{_FALL_NOTE}"
    )


FALL_MEANS = "fall: how much the log-probability of the unchanged translation falls, in nats"
_FALL_NOTE = f'<p class="dim">{FALL_MEANS}. Changed words are marked.</p>'


def _nearest(found: Explanation) -> str:
    if not found.nearest:
        return ""
    rows = [[f"{each.chrf:.1f}", each.src, each.tgt] for each in found.nearest]
    return html_table(["chrF", "source", "target"], rows, "texts")
