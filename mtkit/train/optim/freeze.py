"""Weights that are not trained."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from mtkit.errors import UsageError

_GROUPS = {
    "encoder": ("encoder.*", "encoder_norm.*"),
    "decoder": ("decoder.*", "decoder_norm.*"),
    "embeddings": ("*embedding.*", "*positions.*"),
    "output": ("output.*",),
}
"""The patterns of each group. A matrix that is tied as embedding and output belongs to both groups."""


def freeze(model: nn.Module, wanted: Sequence[str]) -> None:
    """Freezes the parameters that match `wanted`, which are names of groups or patterns.

    Raises:
        UsageError: an entry matches no parameter, or no parameter is left to train.
    """
    # Duplicates are kept because a tied matrix can be matched by either of its names.
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for text in wanted:
        patterns = _GROUPS.get(text, (text,))
        found = [name for name in parameters if any(fnmatchcase(name, pattern) for pattern in patterns)]
        if not found:
            raise UsageError(f"train.freeze: no weight matches {text!r}.{_guess(text, parameters)}")
        for name in found:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise UsageError("train.freeze: all weights are frozen.", "Freeze fewer weights.")


def _guess(text: str, names: Sequence[str] | dict[str, nn.Parameter]) -> str:
    """A suggestion for a name that matches nothing."""
    near = difflib.get_close_matches(text, [*_GROUPS, *names], n=1)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Use {', '.join(_GROUPS)}, or a pattern such as {next(iter(names))}."
