"""The blocks of Markdown, read by markdown-it: those of CommonMark, of GitHub and of the dialects."""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin

from mtkit.documents.markup.md_patterns import JSX, PROSE

_CODE = (
    r"code[\w-]*+|highlight|math|katex|mermaid|raw|comment|literal|chart|figure-md|eval-rst|toctree|csv-table"
)
_ADMONITIONS = (
    r"note|tip|hint|important|warning|caution|attention|danger|error|seealso|todo|admonition|topic|sidebar|margin"
    r"|aside|epigraph|pull-quote|dropdown|details|card|tab-item|tab-set|grid|grid-item|grid-item-card"
    r"|version(?:added|changed)|deprecated|exercise|solution|proof|prf:\w+|figure|list-table"
)
# What opens a stretch that stays, and what closes it.
_KEPT: list[tuple[str, str]] = [
    (r"\$\$(?!.*\$\$)", r"\$\$"),
    (rf"\\\[{PROSE}", r"\\\]"),
    (r"\\begin\{", r"\\end\{"),
    (
        r"\{%-?\s*(?:raw|highlight|code\w*|comment|mermaid)\b",
        r"\{%-?\s*end(?:raw|highlight|code\w*|comment|mermaid)\b[^}]*\}",
    ),
    (rf"\{{\{{[<%]\s*(?:{_CODE})\b(?!.*/[>%]\}}\}})", rf"\{{\{{[<%]\s*/\s*(?:{_CODE})\s*[>%]\}}\}}"),
    (r"-++8<-++\s*$", r"^-++8<-++"),
    (rf":{{3,}}+\{{(?:{_CODE})\b", r"^:{3,}+\s*$"),
    (r"\{/\*", r"\*/\}"),
    (r"<%", r"%>"),
]
_STRETCHES = [(re.compile(opening), re.compile(closing)) for opening, closing in _KEPT]
_TEX = re.compile(r"\\end\{")
"""Environments of TeX, which may be nested."""
_JSX = re.compile(rf"{JSX}[ \t]*(?=\n|\Z)")
_MODULE = re.compile(
    r"import\s+(?:['\"{*]|[\w$]+\s*,|[\w$]+\s+from\s+['\"]|type\s)"
    r"|export\s+(?:default|const|let|var|(?:async\s+)?function|class|type)\s+\S|export\s*[{*]"
)
_INDENTED = re.compile(r"(?:!!!|\?\?\?\+?|===[!+]?)[ \t]+\S")
_DIRECTIVE = re.compile(rf"\s*\{{(?:{_ADMONITIONS})\}}")


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _kept(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Mathematics, code of templates and comments: up to what closes them."""
    if state.is_code_block(start):
        return False
    text = _line(state, start)
    for opening, closing in _STRETCHES:
        if not (found := opening.match(text)):
            continue
        searched = state.env.setdefault("searched", {})  # lines among which nothing closes such a stretch
        if start in searched.get(closing, ()):
            return False
        depth, text, line = 1, text[found.end() :], start
        while line < end and (line == start or _belongs(state, line)):
            if line > start:
                text = _line(state, line)
                depth += len(opening.findall(text)) if closing == _TEX else 0
            depth -= len(closing.findall(text))
            if depth <= 0:
                if line == start and re.search(r"\w", closing.split(text)[-1]):
                    return False  # there are words behind it
                state.line = state.line if silent else line + 1
                return True
            line += 1
        searched[closing] = range(start, line)
        return False
    return False


def _belongs(state: StateBlock, line: int) -> bool:
    """Whether a line is within the item or the like that is being read."""
    return state.isEmpty(line) or state.sCount[line] >= state.blkIndent


def _module(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Imports and exports of MDX, up to a blank line outside brackets; components up to the end of a tag."""
    if silent or state.is_code_block(start):
        return False
    if found := _JSX.match(state.src, state.bMarks[start] + state.tShift[start]):
        state.line = min(end, start + 1 + found[0].count("\n"))
        return True
    if not _MODULE.match(_line(state, start)):
        return False
    depth = 0
    for line in range(start, end):
        if (state.isEmpty(line) and depth <= 0) or not _belongs(state, line):
            break
        text = _line(state, line)
        depth += len(re.findall(r"[(\[{]", text)) - len(re.findall(r"[)\]}]", text))
        state.line = line + 1
    return True


def _indented(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Admonitions and tabs of MkDocs: a line, and what is indented below it."""
    if state.is_code_block(start) or not _INDENTED.match(_line(state, start)):
        return False
    if silent:
        return True
    line = start + 1
    while line < end and (state.isEmpty(line) or state.sCount[line] - state.blkIndent >= 4):
        line += 1
    state.push("container_indented_open", "", 1).map = [start, line]
    outer = state.lineMax, state.blkIndent, state.parentType
    state.lineMax, state.blkIndent, state.parentType = line, state.blkIndent + 4, "container"
    state.md.block.tokenize(state, start + 1, line)
    state.lineMax, state.blkIndent, state.parentType = outer
    state.push("container_indented_close", "", -1)
    state.line = line
    return True


class _BlockParser(MarkdownIt):
    def __init__(self) -> None:
        super().__init__("commonmark", {"maxNesting": 100})
        self.enable("table").use(footnote_plugin).use(deflist_plugin)
        for marker in ":/":
            self.use(container_plugin, f"of{marker}", marker, lambda title, _: bool(title.strip()))
        for marker in "`~":
            self.use(container_plugin, f"of{marker}", marker, lambda title, _: bool(_DIRECTIVE.match(title)))
        everywhere = {"alt": ["paragraph", "reference", "blockquote", "list"]}
        for rule in (_kept, _indented):
            self.block.ruler.before("code", rule.__name__, rule, everywhere)  # type: ignore[arg-type]
        self.block.ruler.before("html_block", "_module", _module)

    def validateLink(self, url: str) -> bool:  # noqa: N802
        return True


_PARSER = _BlockParser()


def blocks(text: str) -> tuple[list[Token], dict[str, Any]]:
    """The tokens of the blocks of `text`, in order and with their lines, and the labels that it defines."""
    tokens: list[Token] = []
    env: dict[str, Any] = {}
    _PARSER.block.parse(text, _PARSER, env, tokens)
    return tokens, env.get("references", {})
