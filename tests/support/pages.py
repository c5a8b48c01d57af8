"""Web pages as html.parser and html5lib read them, without what is translated."""

from __future__ import annotations

import site
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import html5lib

SHOWN = {"alt", "title", "placeholder", "label", "aria-label", "aria-description"}


def _hidden(tag: str, attrs: dict[str, str | None]) -> list[tuple[str, str | None]]:
    shown = {*SHOWN, *(["content"] if tag == "meta" else []), *(["value"] if tag == "input" else [])}
    return sorted((name, None if name in shown else value) for name, value in attrs.items())


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, _hidden(tag, dict(attrs))))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_comment(self, data: str) -> None:
        self.found.append(data)


def tags(page: str) -> list[object]:
    """All tags and comments."""
    parser = _Tags()
    parser.feed(page)
    parser.close()
    return parser.found


def tree(page: str) -> list[object]:
    """All nodes with their depths."""
    root = html5lib.parse(page, treebuilder="etree", namespaceHTMLElements=False)
    found: list[object] = []
    waiting: list[tuple[int, Any]] = [(0, root)]
    while waiting:
        depth, node = waiting.pop()
        name = node.tag if isinstance(node.tag, str) else node.text
        found.append((depth, name, _hidden(name, dict(node.attrib))))
        waiting += [(depth + 1, child) for child in reversed(node)]
    return found


def installed_pages() -> list[Path]:
    """Pages of installed packages; none if there are none."""
    places = [Path("/usr/share"), Path("/usr/lib"), *map(Path, site.getsitepackages())]
    found = (path for place in places for path in sorted(place.rglob("*.htm*")) if path.is_file())
    return [path for path in found if 200 < path.stat().st_size < 60_000][:150]
