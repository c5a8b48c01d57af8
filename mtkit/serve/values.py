"""What a client sent, as named values: JSON, a form, or a form with files. Each fault is one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from mtkit.errors import MtkitError, shortened

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_FIELDS = 20_000
_TYPES = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}


class RefusedError(MtkitError):
    """A request that is refused.

    Attributes:
        status: of HTTP.
        retry_after: seconds after which it may be repeated; 0 for never.
    """

    def __init__(self, status: int, message: str, hint: str = "", retry_after: int = 0) -> None:
        super().__init__(message, hint)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a form."""

    name: str
    data: bytes


class Values:
    """Named values that are checked as they are read.

    Args:
        values: of JSON, or texts, lists of texts and files of a form.
        is_form: whether numbers and truth values come as texts.
    """

    def __init__(self, values: Mapping[str, Any], is_form: bool = False) -> None:
        self._values, self._is_form = values, is_form

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text.

        Raises:
            RefusedError: it is missing without a default, or is no text.
        """
        value = self._values.get(name)
        if isinstance(value, list) and self._is_form:
            value = value[-1]
        if value is None:
            if default is None:
                raise RefusedError(400, f"{name}: is missing.")
            return default
        return _checked(name, value)

    def texts(self, name: str) -> tuple[list[str], bool]:
        """Texts, and whether they came as a list.

        Raises:
            RefusedError: there is none, or one is no text.
        """
        value = self._values.get(name)
        if value is None:
            raise RefusedError(400, f"{name}: is missing.")
        if not isinstance(value, list):
            return [_checked(name, value)], False
        if not value:
            raise RefusedError(400, f"{name}: is an empty list.")
        return [_checked(f"{name}[{number}]", one) for number, one in enumerate(value)], True

    def whole(self, name: str, default: int, most: int) -> int:
        """A whole number from 0.

        Raises:
            RefusedError: it is another one, or none.
        """
        value = self._values.get(name)
        if value is None:
            return default
        if self._is_form and isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise RefusedError(400, f"{name}: expected a whole number from 0 to {most}.")
        return value

    def flag(self, name: str) -> bool:
        """A truth value; false by default.

        Raises:
            RefusedError: it is none.
        """
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if self._is_form and value in ("true", "false", "1", "0", "on"):
            return value in ("true", "1", "on")
        raise RefusedError(400, f"{name}: expected true or false.")

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of some words.

        Raises:
            RefusedError: it is none of them.
        """
        value = self.text(name, default)
        if value not in choices:
            raise RefusedError(400, f"{name}: expected {' or '.join(choices)}.")
        return value

    def pairs(self, name: str, most: int) -> dict[str, str] | None:
        """Texts by text: an object, or lines of two columns with a tab between them.

        Raises:
            RefusedError: it is none, one side is empty, or there are too many.
        """
        value = self._values.get(name)
        if value is None or value in ("", {}):
            return None
        if isinstance(value, str):
            value = read_pairs(name, _checked(name, value))
        if not isinstance(value, dict):
            raise RefusedError(400, f"{name}: expected an object of terms, not {_kind(value)}.")
        pairs = {_checked(name, src): _checked(name, tgt) for src, tgt in value.items()}
        return checked_pairs(name, pairs, most)

    def upload(self, name: str) -> Upload:
        """A file.

        Raises:
            RefusedError: there is none.
        """
        value = self._values.get(name)
        if not isinstance(value, Upload):
            raise RefusedError(400, f"{name}: expected a file in multipart/form-data.")
        return value


def read_pairs(name: str, text: str, separator: str = "\t") -> dict[str, str]:
    """The pairs in lines of a table.

    Raises:
        RefusedError: a line has no second column.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            src, found, tgt = line.partition(separator)
            if not found:
                raise RefusedError(400, f"{name}: line {number}: expected a term, a tab and its translation.")
            pairs.setdefault(src.strip(), tgt.strip())
    return pairs


def checked_pairs(name: str, pairs: dict[str, str], most: int) -> dict[str, str]:
    """The pairs themselves.

    Raises:
        RefusedError: one has an empty side, or there are too many.
    """
    if len(pairs) > most:
        raise RefusedError(413, f"{name}: has {len(pairs):,} terms, and {most:,} are allowed.")
    for src, tgt in pairs.items():
        if not (src.strip() and tgt.strip()):
            raise RefusedError(400, f"{name}: the term {shortened(src, 40)!r} has an empty side.")
    return pairs


def parse_values(kind: str, body: bytes, query: str = "") -> Values:
    """The values in a body, or in the query if there is no body.

    Args:
        kind: the content type, with its parameters.
        body: as it came.
        query: of the address.

    Raises:
        RefusedError: the body is not of its type.
    """
    kind_name = kind.partition(";")[0].strip().lower()
    if not body:
        return Values(_form(query.encode(errors="replace")), is_form=True)
    if kind_name == "multipart/form-data":
        return Values(_multipart(kind, body), is_form=True)
    if kind_name == "application/json" or kind_name.endswith("+json") or body.lstrip()[:1] == b"{":
        return Values(_json(body))
    return Values(_form(body), is_form=True)


def _json(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"byte {error.start + 1} of the body is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON.") from None
    if not isinstance(values, dict):
        raise RefusedError(400, f"expected a JSON object, not {_kind(values)}.")
    return values


def _form(body: bytes) -> dict[str, Any]:
    try:
        found = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise RefusedError(400, "the form is not UTF-8.") from None
    except ValueError:
        raise RefusedError(413, f"the form has more than {_MOST_FIELDS:,} fields.") from None
    return _gathered(found)


def _gathered(found: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Values by name; a list of those that have the same one."""
    values: dict[str, Any] = {}
    for name, value in found:
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def _multipart(kind: str, body: bytes) -> dict[str, Any]:
    boundary = re.search(r'boundary="?([^";,]{1,200})"?', kind, re.IGNORECASE)
    if boundary is None:
        raise RefusedError(400, "multipart/form-data without a boundary.")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode(errors="replace"))
    if not parts or not any(part.startswith(b"--") for part in parts):
        raise RefusedError(400, "the form ends before its last boundary.")
    found: list[tuple[str, Any]] = []
    for part in parts:
        if part.startswith(b"--"):
            break
        head, _, data = part.partition(b"\r\n\r\n")
        header = head.decode(errors="replace")
        name = re.search(r'[;\s]name="([^"]*)"', header)
        if name is None:
            raise RefusedError(400, "a part of the form has no name.")
        if file := re.search(r'[;\s]filename="([^"]*)"', header):
            found.append((name[1], Upload(file[1], data)))
            continue
        try:
            found.append((name[1], data.decode()))
        except UnicodeDecodeError:
            raise RefusedError(400, f"{shortened(name[1], 40)}: is not UTF-8.") from None
        if len(found) > _MOST_FIELDS:
            raise RefusedError(413, f"the form has more than {_MOST_FIELDS:,} fields.")
    return _gathered(found)


def _checked(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError(400, f"{shortened(name, 40)}: expected a text, not {_kind(value)}.")
    if found := _SURROGATE.search(value):
        place, half = found.start() + 1, ascii(found[0])
        raise RefusedError(
            400, f"{shortened(name, 40)}: character {place:,}, {half}, is half of a surrogate pair."
        )
    return value


def _kind(value: Any) -> str:
    return "null" if value is None else _TYPES.get(type(value), "an object")
