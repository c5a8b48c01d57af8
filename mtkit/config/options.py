"""The base class of all sections of the configuration, and common types."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from mtkit.config.fixed import LANGUAGE

_DURATION = re.compile("".join(rf"(?:([0-9]{{1,12}}){unit})?" for unit in "dhms"))


def parse_duration(value: object) -> object:
    """Seconds from text such as `30m` or `1h30m`; anything else is left to the type check."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value)
    if found is None or not value:
        raise ValueError("must be a duration such as 90s, 30m, 1h30m or 2d, or a number of seconds")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]
"""Seconds as a float; written in YAML as `90s`, `30m`, `1h30m`, `2d` or a number of seconds."""

LanguageCode = Annotated[str, Field(pattern=LANGUAGE)]


TAG = re.compile(r"[A-Za-z0-9_:.+-]+")
"""Pattern of a tag."""


def _check_tag(tag: str) -> str:
    """Checks a tag; its piece must not be one that SentencePiece reserves."""
    if not TAG.fullmatch(tag) or re.fullmatch(r"pad|unk|s|0x[0-9A-F]{2}", tag):
        raise ValueError("must consist of letters, digits and _:.+-, such as domain:legal")
    return tag


Tag = Annotated[str, AfterValidator(_check_tag)]
"""A tag at the beginning of a source; the piece of tag `2fr` is `<2fr>`."""

Probability = Annotated[float, Field(ge=0, lt=1)]


Rule = TypeVar("Rule", bound=Callable[[Any], Iterator[str]])
_RULE = "_is_rule"


def rule(method: Rule) -> Rule:
    """Marks a method of a section that yields a message for each rule between options that is broken.

    A message begins with the option that it is about.
    """
    setattr(method, _RULE, True)
    return method


class BrokenRulesError(ValueError):
    """All rules of a section that are broken."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(" ".join(messages))
        self.messages = messages


@functools.cache
def _rules_of(section: type) -> list[Callable[[Any], Iterator[str]]]:
    members = {name: member for kind in section.__mro__[::-1] for name, member in vars(kind).items()}
    return [member for member in members.values() if hasattr(member, _RULE)]


class Options(BaseModel):
    """A section of the configuration: frozen, with strict types and no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        if broken := [message for method in _rules_of(type(self)) for message in method(self)]:
            raise BrokenRulesError(broken)
        return self

    @classmethod
    def without_effect(cls, given: Mapping[str, Any]) -> set[str]:
        """The options without an effect beside the `given` values, which may be invalid, as dotted names.

        A later file or the command line that makes such a choice drops what was set for another choice.
        """
        return set()

    def changed(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        fields = type(self).model_fields.items()
        return {name: getattr(self, name) for name, field in fields if getattr(self, name) != field.default}
