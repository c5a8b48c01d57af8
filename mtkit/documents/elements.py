"""XML whose bytes stay: elements with their places in the source, and attributes written into a tag."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mtkit.data.read.xml import XmlParser, local
from mtkit.documents.base import check_utf8
from mtkit.errors import InputError, shortened

TAG = r"<[^\s/>!?]++(?>(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*)>"
_TAG = re.compile(TAG)
_ATTRIBUTE = re.compile(r"([^\s=\"'<>/]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_DECLARED = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")
_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


@dataclass(slots=True)
class XmlNode:
    """An element.

    Attributes:
        name: without namespace.
        attributes: without namespaces.
        parent: the element around it, if there is one.
        start: where its start tag begins, in characters.
        text: where its content begins.
        text_end: where its content ends.
        end: where it ends.
        children: the elements in it.
    """

    name: str
    attributes: dict[str, str]
    parent: XmlNode | None
    start: int = 0
    text: int = 0
    text_end: int = 0
    end: int = 0
    children: list[XmlNode] = field(default_factory=list)

    def inherited(self, attribute: str) -> str:
        """The value on the nearest of itself and the elements around it; empty if none has it."""
        node: XmlNode | None = self
        while node:
            if attribute in node.attributes:
                return node.attributes[attribute]
            node = node.parent
        return ""

    def child(self, name: str) -> XmlNode | None:
        """The first child of a name."""
        return next((node for node in self.children if node.name == name), None)

    def descendants(self) -> Iterator[XmlNode]:
        """All elements in it, in order."""
        for node in self.children:
            yield node
            yield from node.descendants()


def read_nodes(name: str, source: str, root: str, wanted: Collection[str]) -> list[XmlNode]:
    """The outermost elements whose name is `wanted`, with all that is in them.

    Raises:
        InputError: the source is not well-formed or its root has another name, it declares entities or
            attributes, refers to other files, or is deeper or has longer tags than any real one.
    """
    found: list[XmlNode] = []
    stack: list[XmlNode] = []
    inside = 0
    data = source.encode()
    chars = _Chars(data)

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if not stack and tag != root:
            parser.fail(
                f"the file is <{shortened(tag)}>, expected <{root}>.", "Set format to that of the file."
            )
        attributes = {local(key): value for key, value in attributes.items()}
        node = XmlNode(tag, attributes, stack[-1] if stack else None)
        if inside or tag in wanted:
            (stack[-1].children if inside else found).append(node)
            inside += 1
            node.start = chars.at(parser.byte)
            tag_found = _TAG.match(source, node.start)
            node.text = tag_found.end() if tag_found else node.start
        stack.append(node)

    def end(tag: str) -> None:
        nonlocal inside
        node = stack.pop()
        if not inside:
            return
        inside -= 1
        node.text_end = node.end = node.text
        if not source.endswith("/>", node.start, node.text):
            node.text_end = chars.at(parser.byte)
            node.end = source.index(">", node.text_end) + 1

    parser = XmlParser(name, start, end, encoding="utf-8")
    parser.feed(data, last=True)
    return found


class _Chars:
    """Converts byte offsets, given in order, to character offsets."""

    def __init__(self, data: bytes) -> None:
        self._data, self._byte, self._char = data, 0, 0

    def at(self, byte: int) -> int:
        if byte > self._byte:
            self._char += len(self._data[self._byte : byte].decode())
            self._byte = byte
        return self._char


def decode_xml(name: str, data: bytes) -> tuple[str, str]:
    """The text of an XML file, and the encoding in which it gives the same bytes again.

    Raises:
        InputError: the file is not in the encoding that it declares.
    """
    declared = _DECLARED.search(data[:1024])
    encoding = _MARKS.get(data[:2], declared[1].decode().lower() if declared else "utf-8")
    if encoding in ("utf-8", "utf8"):
        return check_utf8(name, data), "utf-8"
    try:
        text = data.decode(encoding)
        if text.encode(encoding) == data and text.lstrip("\ufeff \t\r\n").startswith("<"):
            return text, encoding
    except (LookupError, ValueError):
        pass
    raise InputError(
        f"{name}:1: declares the encoding {shortened(encoding)}, but cannot be read in it.",
        "Correct the declaration, or export it again as UTF-8.",
    )


def with_attributes(tag: str, given: Mapping[str, str]) -> str:
    """A start tag with these attributes, which replace those of the same names."""
    rest = dict(given)

    def replaced(found: re.Match[str]) -> str:
        return f'{found[1]}="{rest.pop(found[1])}"' if found[1] in rest else found[0]

    tag = _ATTRIBUTE.sub(replaced, tag)
    end = "/>" if tag.endswith("/>") else ">"
    body = tag.removesuffix(end).rstrip()
    space = tag[len(body) : -len(end)]
    return body + "".join(f' {name}="{value}"' for name, value in rest.items()) + space + end


def opened(tag: str) -> tuple[str, str]:
    """A start tag, closed in itself or not, as one that is not, and its end tag."""
    name = re.split(r"[\s/>]", tag[1:], maxsplit=1)[0]
    return tag.removesuffix(">").removesuffix("/").rstrip() + ">", f"</{name}>"
