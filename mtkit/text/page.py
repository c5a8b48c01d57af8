"""HTML pages for people: one style, escaped text, tables and drawings. Knows nothing of what they show.

A page needs no network and has no scripts, and its policy forbids both.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from mtkit.text.visible import visible

MOST_CHARACTERS = 2000
"""Of one text on a page; the rest is left out, because a line of a corpus may have megabytes."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --dim: #66727f; --line: #dde3e9; --back: #fff;
  --one: #2f6fb0; --two: #e08a2e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --dim: #94a1ad; --line: #35414c; --back: #12181e; --one: #66a3e0; --two: #f0a858; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; }
.figures b { display: block; font-size: 1.7rem; }
.dim, figcaption, th { color: var(--dim); font-weight: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
td:first-child, th:first-child, .texts td, .texts th { text-align: left; }
.texts td { overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
svg { max-width: 100%; height: auto; }
h3 { font-size: 1rem; margin-top: 1.6rem; }
h1, p, li, summary { overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 4px; }
svg text { fill: var(--dim); font-size: 12px; }
@media (max-width: 40rem) { svg text { font-size: 17px; } }
.one { fill: var(--one); }
.two { fill: var(--two); }
.axis { stroke: var(--line); }
.line-one, .line-two { fill: none; stroke: var(--one); stroke-width: 1.8; }
.line-two { stroke: var(--two); }
summary { cursor: pointer; padding: .3rem 0; }
article { border-top: 1px solid var(--line); padding: .7rem 0; overflow-wrap: anywhere; }
article p { margin: .15rem 0; }
.sides { display: grid; gap: .2rem 1.5rem; margin-top: .3rem; }
@media (min-width: 45rem) { .sides { grid-template-columns: 1fr 1fr; } }
del, ins { text-decoration: none; border-radius: 3px; padding: 0 2px; }
del { background: #fbd5d5; color: #6b1414; }
ins { background: #cfeed6; color: #0f4a22; }
@media (prefers-color-scheme: dark) {
  del { background: #5c2323; color: #ffdcdc; }
  ins { background: #1d4a2b; color: #d6ffe2; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --dim: #444; --line: #bbb; --back: #fff; --one: #2f6fb0;
    --two: #c06a10; }
  body { margin: 0; max-width: none; font-size: 11px; }
  article, figure, tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  del { background: #fbd5d5; color: #6b1414; }
  ins { background: #cfeed6; color: #0f4a22; }
}
"""


def escaped(text: str) -> str:
    """Escapes untrusted text for a page, and cuts it if it is very long."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]} … ({len(text):,} characters)"
    return html.escape(visible(text))


def html_page(title: str, content: str) -> str:
    """A page with a title, in the style of all pages of mtkit."""
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
    )
    return f"{head}<body>\n<h1>{escaped(title)}</h1>\n{content}</body>\n</html>\n"


def html_section(title: str, content: str, level: int = 2) -> str:
    """A headline and what is below it; nothing if that is empty."""
    return f"<h{level}>{escaped(title)}</h{level}>\n{content}\n" if content else ""


def html_table(head: Sequence[str], lines: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose cells are escaped; with the kind `texts` they are aligned to the left."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "<tr>" + "".join(f'<{tag} dir="auto">{escaped(value)}</{tag}>' for value in values) + "</tr>\n"

    body = "".join(cells("td", line) for line in lines)
    return f'<div class="scroll"><table class="{kind}">\n{cells("th", head)}{body}</table></div>'


def marked_text(pieces: Iterable[tuple[str, bool]], tag: str) -> str:
    """A text in pieces, the changed ones in elements such as `del`."""
    return "".join(
        f"<{tag}>{escaped(text)}</{tag}>" if changed else escaped(text) for text, changed in pieces
    )


def html_drawing(width: float, height: float, content: str, label: str, caption: str = "") -> str:
    """A drawing in SVG, which shrinks with the page.

    Args:
        width: of the drawing, in pixels.
        height: likewise.
        content: elements of SVG.
        label: what is drawn, for those who cannot see it.
        caption: HTML below it.
    """
    return (
        f'<figure><svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escaped(label)}">{content}</svg>{caption}</figure>'
    )
