"""Texts by key in JSON: i18next and its like, Chrome's `messages.json`, Flutter's ARB."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from mtkit.documents.base import check_utf8
from mtkit.documents.software.json_values import Value, is_ascii, read_json, spelled
from mtkit.documents.software.messages import ICU_TEXT, Markups, message_markup, value_slot
from mtkit.documents.spans import Spliced
from mtkit.errors import InputError
from mtkit.text import icu
from mtkit.text.placeholders import DEFAULT

_KEYED: Markups = message_markup(("i18next", *DEFAULT)), ICU_TEXT
_CHROME: Markups = message_markup(("chrome",)), None
_ARB: Markups = message_markup(("icu",), escape=icu.escape, unescape=icu.unescape), ICU_TEXT


def _spliced(
    source: str, values: Iterable[Value], markups: Markups, languages: tuple[str, str] = ("", "")
) -> Spliced:
    spell = partial(spelled, in_ascii=is_ascii(source))
    slots = [
        value_slot(source, value.start, value.end, value.text, markups, spell)
        for value in values
        if value.text is not None
    ]
    return Spliced(source, slots, languages)


def open_json(name: str, data: bytes) -> Spliced:
    """All strings of a JSON file, at any depth; keys stay. Of Chrome's messages only `message` is translated.

    Raises:
        InputError: it is not UTF-8 or not JSON, or nested deeper than any real file.
    """
    source = check_utf8(name, data)
    root = read_json(name, source)
    messages = [entry.at("message") for entry in root.members.values()]
    is_chrome = messages and all(message and message.text is not None for message in messages)
    if is_chrome and root.is_object:
        return _spliced(source, [message for message in messages if message], _CHROME)
    return _spliced(source, root.strings(), _KEYED)


def open_arb(name: str, data: bytes, target: str = "") -> Spliced:
    """The messages of an ARB file, in ICU's syntax; keys that begin with @ stay.

    Args:
        name: of the file.
        data: its bytes.
        target: what `@@locale` is to say; it stays if that is empty.

    Raises:
        InputError: it is not UTF-8 or not a JSON object, or nested deeper than any real file.
    """
    source = check_utf8(name, data)
    root = read_json(name, source)
    if not root.is_object:
        raise InputError(
            f"{name}:1: is not an ARB file: it is not a JSON object.", "Set --format to that of the file."
        )
    languages = (root.string("@@locale"), "")
    locale = root.at("@@locale")
    if locale and languages[0] and target:
        source = f"{source[: locale.start]}{spelled(target, in_ascii=True)}{source[locale.end :]}"
        root = read_json(name, source)
    messages = [value for key, value in root.members.items() if not key.startswith("@")]
    return _spliced(source, messages, _ARB, languages)
