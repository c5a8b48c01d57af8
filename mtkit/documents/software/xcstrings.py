"""Apple's string catalogues, `.xcstrings`: entries without a translation get one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice

from mtkit.documents.base import check_utf8
from mtkit.documents.catalogues.bilingual import Edit, Passage, edited, edited_slot
from mtkit.documents.software.json_values import Value, is_ascii, read_json, spelled
from mtkit.documents.software.messages import is_text
from mtkit.documents.software.strings import APPLE
from mtkit.documents.spans import Slot, Spliced
from mtkit.errors import InputError
from mtkit.text.languages import same_language

_DRAFT = "needs_review"


def open_xcstrings(name: str, data: bytes, target: str = "") -> Spliced:
    """The entries that have no localization in the target language, or an empty or new one.

    A new localization has the variations of the source, and is marked as needing review.

    Args:
        name: of the file.
        data: its bytes.
        target: language of the translations; if it is empty, the only other one of the catalogue.

    Raises:
        InputError: it is not UTF-8 or not such a catalogue, or does not say into which language it goes.
    """
    source = check_utf8(name, data)
    root = read_json(name, source)
    language, strings = root.string("sourceLanguage"), root.at("strings")
    if not language or not strings or not strings.is_object:
        raise InputError(f"{name}:1: is not a string catalogue.", "Set --format to that of the file.")
    others = sorted(
        {
            key
            for entry in strings.members.values()
            if (found := entry.at("localizations"))
            for key in found.members
            if key != language
        }
    )
    if target:
        own = next((key for key in others if same_language(key, target)), target)
    elif len(others) == 1:
        own = others[0]
    else:
        raise InputError(
            f"{name}: does not say into which language it is to be translated: it has {len(others)} others.",
            "Add one entry in that language.",
        )
    slots = [
        slot for key, entry in strings.members.items() if (slot := _slot(source, key, entry, language, own))
    ]
    return Spliced(source, slots, (language, own))


def _slot(source: str, key: str, entry: Value, language: str, target: str) -> Slot | None:
    """The place of an entry; None if it is translated, or not to be."""
    flag = entry.at("shouldTranslate")
    if not entry.is_object or (flag and source[flag.start : flag.end] == "false"):
        return None
    given, place = entry.at("localizations", language), entry.at("localizations", target)
    unit = place.at("stringUnit") if place else None
    if place and place.members and not (unit and _is_open(unit)):
        return None
    units = list(_units(given)) if given else []
    values = [value for each in units if (value := each.at("value")) and value.text is not None]
    if unit or not values:  # the key is the text
        values = values[:1] if unit and given and given.at("stringUnit") else values[:0]
    passages = [Passage(value.text or "", *APPLE) for value in values] or [Passage(key, *APPLE)]
    texts = [text for each in passages if is_text(each.raw) for text in each.texts]
    in_ascii = is_ascii(source)

    def edits(answers: Sequence[str]) -> Iterator[Edit]:
        remaining = iter(answers)
        found = [
            each.put(islice(remaining, len(each.texts))) if is_text(each.raw) else each.raw
            for each in passages
        ]
        if found == [each.raw for each in passages]:
            return  # no answer could be used
        if unit:
            yield from _filled(unit, found[0], in_ascii)
            return
        if given and values:
            states = [
                Edit(state.start, state.end, f'"{_DRAFT}"') for each in units if (state := each.at("state"))
            ]
            written = [
                Edit(value.start, value.end, spelled(text, in_ascii=in_ascii))
                for value, text in zip(values, found, strict=True)
            ]
            text = edited(source, given.start, given.end, [*states, *written])
        else:
            text = ""
        yield _inserted(source, entry, target, text, found[0], in_ascii)

    return edited_slot(source, entry.start, entry.end, texts, edits) if texts else None


def _is_open(unit: Value) -> bool:
    return unit.string("state") in ("", "new") or not unit.string("value")


def _units(value: Value) -> Iterator[Value]:
    """The units in a localization, in order."""
    for key, member in value.members.items():
        if key == "stringUnit":
            yield member
        else:
            yield from _units(member)


def _filled(unit: Value, text: str, in_ascii: bool) -> Iterator[Edit]:
    for key, written in (("state", f'"{_DRAFT}"'), ("value", spelled(text, in_ascii=in_ascii))):
        if member := unit.at(key):
            yield Edit(member.start, member.end, written)


def _inserted(source: str, entry: Value, target: str, cloned: str, text: str, in_ascii: bool) -> Edit:
    """A new localization of an entry, among the others in the order of their keys."""
    localizations = entry.at("localizations")
    margin = _margin(source, entry)
    unit = {"stringUnit": {"state": _DRAFT, "value": text}}
    if localizations and localizations.is_object:
        return _member(
            source, localizations, target, cloned or _dumped(unit, f"{margin}    ", in_ascii), margin + "  "
        )
    fragment = cloned or unit
    return _member(
        source, entry, "localizations", _dumped({target: fragment}, f"{margin}  ", in_ascii), margin
    )


def _member(source: str, parent: Value, key: str, text: str, margin: str) -> Edit:
    """A new member of an object."""
    earlier = [member for name, member in parent.members.items() if name < key]
    written = f"{json.dumps(key)} : {text}"
    space = f"\n{margin}  "
    if earlier:
        return Edit(earlier[-1].end, earlier[-1].end, f",{space}{written}")
    if parent.members:
        first = next(iter(parent.members.values()))
        return Edit(first.key, first.key, f"{written},{space}")
    return Edit(parent.start, parent.end, f"{{{space}{written}\n{margin}}}")


def _margin(source: str, entry: Value) -> str:
    """The white space before the key of an entry, if that begins a line."""
    line = source[source.rfind("\n", 0, entry.key) + 1 : entry.key]
    return line if not line.strip() else ""


def _dumped(value: object, margin: str, in_ascii: bool) -> str:
    """The JSON in the form that Xcode writes."""
    found = json.dumps(value, ensure_ascii=in_ascii, indent=2, separators=(",", " : "))
    return found.replace("\n", f"\n{margin}")
