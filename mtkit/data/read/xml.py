"""Expat for untrusted files: refuses everything that reads other files or takes unlimited memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from xml.parsers import expat

from mtkit.errors import InputError, shortened

MAX_DEPTH = 256
MAX_ATTRIBUTES = 256
"""Most attributes of one element."""

MAX_TOKEN = 1 << 20
"""Most bytes of a tag, comment or processing instruction. Text is not limited here."""

CHUNK = 1 << 16
"""Bytes to feed at once. Expat parses an unfinished token again with each chunk."""

_NO_TRANSLATIONS = "This is not a file of translations."


class XmlParser:
    """A parser that reports elements; their names come without namespaces.

    Args:
        name: of the file, for messages.
        start: called with the name and the attributes of each element.
        end: called with the name at the end of each element.
        text: called with pieces of text; None to ignore text.
        encoding: overrides the encoding that the file declares.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        text: Callable[[str], None] | None = None,
        encoding: str | None = None,
    ) -> None:
        self._name, self._on_start, self._on_end = name, start, end
        self._depth = self._fed = 0
        self._expat = expat.ParserCreate(encoding, namespace_separator=" ")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = text
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.ExternalEntityRefHandler = self._reference
        self._expat.SkippedEntityHandler = self._unknown

    @property
    def line(self) -> int:
        """The parser's current line, from 1."""
        return self._expat.CurrentLineNumber

    @property
    def byte(self) -> int:
        """The position of the parser, from 0."""
        return self._expat.CurrentByteIndex

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Parses the next bytes.

        Raises:
            InputError: they are not well-formed, or their content is refused.
        """
        for begin in range(0, len(data), CHUNK):
            self._parse(data[begin : begin + CHUNK])
        if last:
            self._parse(b"", last=True)

    def _parse(self, data: bytes, *, last: bool = False) -> None:
        try:
            self._expat.Parse(data, last)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise InputError(
                f"{self._name}:{error.lineno}: is not well-formed XML: {reason}.",
                "Repair or export it again.",
            ) from None
        except (LookupError, ValueError):  # raised by Python inside a callback of expat
            self.fail("declares an encoding that is not supported.", "Convert it to UTF-8.")
        self._fed += len(data)
        if self._fed - self.byte > MAX_TOKEN + CHUNK:
            self.fail(f"a tag or comment has more than {MAX_TOKEN:,} bytes.", _NO_TRANSLATIONS)

    def fail(self, what: str, hint: str) -> NoReturn:
        """Raises an InputError for the parser's current line."""
        raise InputError(f"{self._name}:{self.line}: {what}", hint)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth >= MAX_DEPTH:
            self.fail(f"elements are nested more than {MAX_DEPTH} deep.", _NO_TRANSLATIONS)
        if len(attributes) > MAX_ATTRIBUTES:
            self.fail(f"an element has more than {MAX_ATTRIBUTES} attributes.", _NO_TRANSLATIONS)
        self._depth += 1
        self._on_start(local(name), attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._on_end(local(name))

    def _doctype(self, name: str, system: str | None, public: str | None, has_declarations: int) -> None:
        """Refuses declarations in the file, which could multiply its content; an external DTD is not read."""
        if has_declarations:
            self.fail(
                "declares entities, attributes or elements, which is not allowed.",
                "Remove [...] from DOCTYPE.",
            )

    def _reference(self, *_: object) -> int:
        self.fail("refers to another file, which is not allowed.", "Remove the reference.")

    def _unknown(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self.fail(f"the entity {shortened(name)} is not declared.", "Replace it with its text.")


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(" ")[2]
