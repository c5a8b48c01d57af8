"""One text of each JSON object, replaced where it stands: the rest is never written anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from json.decoder import JSONDecoder

from mtkit.documents.base import Lines, Terms, decode, encode
from mtkit.documents.software.json_values import is_ascii, spelled
from mtkit.errors import InputError

_SPACE = re.compile(r"[ \t\r\n]*")
_HINT = "Name the field of the text, or repair the line."
_decoder = JSONDecoder()


class JsonLine:
    """An object; only its text changes.

    Attributes:
        texts: the lines of its text.
        terms: source and target terms that it asks for.
    """

    def __init__(self, line: str, start: int, end: int, terms: Terms = ()) -> None:
        self.terms = terms
        self._before, self._raw, self._after = line[:start], line[start:end], line[end:]
        self._text = Lines(json.loads(self._raw) if self._raw else "")
        self._ascii = is_ascii(line)
        self.texts = self._text.texts

    def render(self, translations: Sequence[str]) -> bytes:
        """The line with the text translated; in escapes where the line has only these."""
        if list(translations) == self.texts:
            return encode(self._before + self._raw + self._after)
        text = self._text.put(translations)
        return encode(self._before) + spelled(text, in_ascii=self._ascii).encode() + encode(self._after)


class JsonlFormat:
    """Reads objects one after the other.

    Args:
        name: of the file, for errors.
        field: dotted path of the text, such as `translation.en` or `sentences.0.text`.
        terms: likewise, of an object `{"source term": "target term", …}` or a list of such pairs; a line may
            go without.

    Attributes:
        number: of lines read.
    """

    def __init__(self, name: str, field: str, terms: str = "") -> None:
        self._name, self._field, self._terms = name, field, terms
        self.number = 0

    def read(self, line: bytes) -> JsonLine:
        """The next object, with its line feed or without; a blank line stays blank.

        Raises:
            InputError: the line is not JSON, or has no text in the field.
        """
        self.number += 1
        place = f"{self._name}:{self.number}"
        text = decode(line)
        start = 1 if self.number == 1 and text.startswith("\ufeff") else 0
        if not text[start:].strip():
            return JsonLine(text, 0, 0)
        try:
            json.loads(text[start:])
            start, end = _find(text, _skip(text, start), self._field)
        except json.JSONDecodeError as error:
            raise InputError(f"{place}: is not JSON: {error.msg} at column {error.colno}.", _HINT) from None
        except LookupError:
            raise InputError(f"{place}: there is no field {self._field}.", _HINT) from None
        except (ValueError, RecursionError) as error:  # endless digits, endless brackets
            raise InputError(f"{place}: is not JSON that can be read: {error}.", _HINT) from None
        if text[start] != '"':
            raise InputError(f"{place}: the field {self._field} is not text.", _HINT)
        return JsonLine(text, start, end, self._terms_in(text, place) if self._terms else ())

    def _terms_in(self, text: str, place: str) -> Terms:
        try:
            start, end = _find(text, _skip(text, int(text.startswith("\ufeff"))), self._terms)
        except LookupError:
            return ()
        found = json.loads(text[start:end])
        pairs = list(found.items()) if isinstance(found, dict) else found
        if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
            raise InputError(
                f"{place}: the field {self._terms} does not hold terms.",
                'Write {"source term": "target term"}, or a list of such pairs.',
            )
        return tuple((src, tgt) for src, tgt in pairs)


def _is_pair(found: object) -> bool:
    """Whether it is two texts that are not blank."""
    return (
        isinstance(found, list | tuple)
        and len(found) == 2
        and all(isinstance(text, str) and text.strip() for text in found)
    )


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _find(text: str, start: int, path: str) -> tuple[int, int]:
    """Where the value at `path` begins and ends in the value that begins at `start`."""
    if not path:
        return start, _decoder.raw_decode(text, start)[1]
    inside = dict(_members(text, start))
    if path in inside:
        return _find(text, inside[path], "")
    step, _, rest = path.partition(".")
    return _find(text, inside[step], rest)


def _members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """The keys of an object, or the numbers of a list, with where their values begin."""
    if text[start] not in "{[":
        return
    is_object = text[start] == "{"
    place, number = _skip(text, start + 1), 0
    while text[place] not in "}]":
        key = str(number)
        if is_object:
            key, place = _decoder.raw_decode(text, place)
            place = _skip(text, _skip(text, place) + 1)
        yield key, place
        place = _skip(text, _decoder.raw_decode(text, place)[1])
        if text[place] == ",":
            place = _skip(text, place + 1)
        number += 1
