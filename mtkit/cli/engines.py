"""The choice of an engine on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.engine.base import EngineName

ENGINE_HELP = (
    "auto, native or ctranslate2; auto is ctranslate2 if there is an export that can do what is asked."
)


def engine_name(text: str) -> EngineName:
    """The engine called `text`.

    Raises:
        UsageError: there is none.
    """
    match text:
        case "auto" | "native" | "ctranslate2":
            return text
    raise UsageError(f"--engine {text}: is unknown.", "Choose from auto, native and ctranslate2.")
