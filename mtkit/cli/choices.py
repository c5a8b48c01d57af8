"""Choices among words on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.engine.interface import EngineName

DEVICES = "auto|cpu|cuda"
DEVICE_HELP = "Device to compute on. auto: cuda if there is one, else cpu."
THREADS_HELP = "Cores to compute with, in workers and threads. Default: all that this process may use."
ENGINES = "auto|native|ctranslate2"
ENGINE_HELP = (
    "Engine that runs the model. auto: ctranslate2 if there is an export that supports the request, else "
    "native."
)
MODEL_HELP = (
    "Run folder, model folder or config file of the model. Default: $MTKIT_MODEL, else ./mtkit.yaml, else "
    "the newest run under ./runs."
)
ON_HELP = (
    "Let workers of Ray do it, on the cluster that RAY_ADDRESS names, or on one that is started on this "
    "machine for this command."
)
RAY = "Several machines"

Choice = TypeVar("Choice", bound=str)


def one_of(option: str, text: str, choices: tuple[Choice, ...]) -> Choice:
    """The one of `choices` that `text` is.

    Raises:
        UsageError: it is none of them.
    """
    for choice in choices:
        if choice == text:
            return choice
    *others, last = choices
    hint = f"Choose from {', '.join(others)} and {last}." if others else f"The only one is {last}."
    raise UsageError(f"{option} {text}: unknown value.", hint)


def engine_name(text: str) -> EngineName:
    """The engine called `text`.

    Raises:
        UsageError: there is none.
    """
    return one_of("--engine", text, ("auto", "native", "ctranslate2"))
