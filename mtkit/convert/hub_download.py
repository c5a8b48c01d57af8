"""Models on the Hugging Face Hub: downloads the files that an import can read, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.convert.parity import Say
from mtkit.errors import InputError, UsageError, shortened

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PREFIX = "hf://"
_NAME = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?", re.ASCII)
_WANTED = (
    "config.json", "tokenizer_config.json", "generation_config.json", "tokenizer.json", "vocab.json",
    "*.spm", "sentencepiece.bpe.model", "*.yml", "*.npz", "*.bin", "model*.safetensors",
    "model.safetensors.index.json", "README.md", "LICEN[CS]E*", "COPYING*", "NOTICE*",
)  # fmt: skip
_PICKLED = "pytorch_model*.bin"


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the Hub.

    Attributes:
        name: `owner/name`.
        revision: branch, tag or commit; None for the main branch.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}" + (f"@{self.revision}" if self.revision else "")


def hub_model(source: str) -> HubModel | None:
    """The model that `hf://owner/name` or `hf://owner/name@revision` names; None for a path.

    Raises:
        UsageError: it begins with `hf://`, but names no model.
    """
    if not source.startswith(PREFIX):
        return None
    found = _NAME.fullmatch(source.removeprefix(PREFIX))
    if not found:
        raise UsageError(
            f"{source}: is not a name on the Hugging Face Hub.",
            "Write hf://OWNER/NAME, or hf://OWNER/NAME@REVISION.",
        )
    return HubModel(found[1], found[2])


def download(model: HubModel, say: Say) -> tuple[Path, str]:
    """Downloads a model into the cache of Hugging Face, where a later call finds it.

    A model that is there already is used if the Hub cannot be reached, which is said.

    Args:
        model: what is downloaded.
        say: is told what is downloaded and how large it is.

    Returns:
        The folder of its files, and the commit they are of.

    Raises:
        InputError: there is no such model, it has no files that can be read, or the network fails.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        info = hub.model_info(model.name, revision=model.revision, files_metadata=True)
    except Exception as error:  # the package documents no common exception for network and server
        cached = _cached(hub, model)
        if cached is None:
            raise InputError(
                f"{model}: cannot be asked for: {_reason(error)}.",
                "Check the name and the network. Models with terms: accept them there, then `hf auth login`.",
            ) from None
        say(f"{model}: the Hub cannot be reached ({_reason(error)}); using commit {cached.name} of the cache")
        return cached, cached.name
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    names = _needed(sizes)
    if not names:
        raise InputError(f"{model}: has no files of a model that can be imported.", "Look at its page.")
    commit = info.sha or model.revision or "main"
    say(f"{model}: {len(names)} files, {sum(sizes[name] for name in names) / 1e6:,.1f} MB, commit {commit}")
    try:
        folder = hub.snapshot_download(model.name, revision=commit, allow_patterns=names)
    except Exception as error:
        raise InputError(
            f"{model}: the download failed: {_reason(error)}.", "Try again; what is there already is kept."
        ) from None
    return Path(folder), commit


def _needed(names: Iterable[str]) -> list[str]:
    """The files that an import reads; weights that are there as safetensors are not fetched pickled too."""
    found = sorted(name for name in names if any(fnmatchcase(name, wanted) for wanted in _WANTED))
    if any(name.endswith(".safetensors") for name in found):
        return [name for name in found if not fnmatchcase(name, _PICKLED)]
    return found


def _cached(hub: HfApi, model: HubModel) -> Path | None:
    """The folder of a model in the cache, if it is there."""
    try:
        folder = hub.snapshot_download(
            model.name,
            revision=model.revision,
            allow_patterns=list(_WANTED),
            ignore_patterns=[_PICKLED],
            local_files_only=True,
        )
    except Exception:  # it is not there, or not whole
        return None
    return Path(folder)


def _reason(error: Exception) -> str:
    return shortened(" ".join(str(error).split()), 200).rstrip(".") or type(error).__name__
