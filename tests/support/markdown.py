"""What CommonMark and GitHub's tables are in a text, as a parser sees it that knows none of our dialects."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_FRONT = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\r?\n.*?\n\1[ \t]*\r?\n", re.DOTALL)
_PLACES = (Path(sysconfig.get_path("purelib")), Path("/usr/share"), Path("/usr/lib"))


def blocks(text: str) -> list[tuple[str, str]]:
    """The blocks of a file, with the code of those that are code; without its front matter."""
    tokens = _PARSER.parse(_FRONT.sub("", text))
    return [
        (token.type, token.content if token.type == "fence" and not token.info.startswith("{") else "")
        for token in tokens
    ]


def spans(text: str) -> list[list[tuple[str, object]]]:
    """Of each text of a file: emphasis, links, code and tags, in the order in which they open and close."""
    return [
        [
            (child.type, child.content if child.type == "code_inline" else child.attrs.get("href"))
            for child in token.children or ()
            if child.type not in ("text", "softbreak")
        ]
        for token in _PARSER.parse(_FRONT.sub("", text))
        if token.type == "inline"
    ]


def installed(count: int | None, most: int) -> Iterator[tuple[Path, bytes]]:
    """Markdown files that packages have installed on this machine, each text once.

    Args:
        count: about so many, evenly chosen; all if it is None.
        most: bytes of a file above which it is left out.
    """
    found = sorted(path for place in _PLACES for path in place.rglob("*.md") if path.is_file())
    seen: set[bytes] = set()
    for path in found[:: max(1, len(found) // count) if count else 1]:
        data = path.read_bytes()
        if len(data) <= most and data not in seen:
            seen.add(data)
            yield path, data
