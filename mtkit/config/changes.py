"""The effect of changing an option when a training is resumed. Does not use torch.

Every option has a class; a test fails for an option without one:

- **free**: the run resumes and reports the change;
- **declared**: the model will match neither the old config nor the new one, so
  `mtkit train --allow-change KEY` must confirm the change;
- **impossible**: the trained weights cannot be used with the new value. Another run folder is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from mtkit.config.schema import Config
from mtkit.errors import ConfigError

Kind = Literal["free", "declared", "impossible"]

_BUDGET = "training ends at another step; a learning rate that depends on the budget changes from here on"
_SHOWN = "only how often or where something is written changes"
_KEPT = "from the next save on, different models are kept"
_SPEED = "the batches stay the same, but sums may be rounded differently"
_COURSE = "earlier steps were trained differently"
_CHOICE = "validation scores before and after cannot be compared"
_SHAPE = "the weights would have different names, shapes or uses"
_DATA = "the data or the subwords would be different"
_LATER = "training does not use it"

CLASSES: dict[str, tuple[Kind, str]] = {
    "run": ("free", "the run folder was moved"),
    "private": ("free", "only who may read the files changes"),
    "seed": ("impossible", "the order of the data and all random numbers would be different"),
    # The fingerprint decides whether data are the same. These are the options that it does not cover.
    "data.mixing": ("declared", _COURSE),
    "data": ("free", "the prepared data are the same"),
    "text": ("free", "the normalised text is the same"),
    "tokenizer": ("free", "the subwords are the same"),
    "model": ("impossible", _SHAPE),
    "model.preset": ("free", "the widths are the same"),
    "model.init": ("free", "only a new model is initialised"),
    "model.dropout": ("declared", _COURSE),
    "model.embedding_dropout": ("declared", _COURSE),
    "model.attention_dropout": ("declared", _COURSE),
    "model.activation_dropout": ("declared", _COURSE),
    "train.preset": ("free", "its original choices are kept"),
    "train.max_steps": ("free", _BUDGET),
    "train.max_epochs": ("free", _BUDGET),
    "train.max_time": ("free", _BUDGET),
    "train.cooldown": ("free", "the learning rate falls to 0 over this time, and the run ends"),
    "train.cooldown_steps": ("free", "the learning rate falls to 0 over so many steps, and the run ends"),
    "train.batch_tokens": ("impossible", "the position in the data is counted in batches"),
    "train.batching": ("impossible", "the position in the data is counted in batches"),
    "train.micro_batch_tokens": ("free", _SPEED),
    "train.precision": ("declared", "products are rounded differently"),
    "train.device": ("declared", "another device rounds differently"),
    "train.parallel": ("free", _SPEED),
    "train.num_threads": ("declared", "another number of threads rounds differently"),
    "train.label_smoothing": ("declared", _COURSE),
    "train.optimizer": ("declared", _COURSE),
    "train.optimizer.method": (
        "impossible",
        "the new optimizer has a different state",
    ),
    "train.ema": ("declared", "a new average starts from the current weights"),
    "train.validate_every": ("declared", "early stopping and the best models depend on it"),
    "train.validate_pairs": ("declared", _CHOICE),
    "train.validate_beam_size": ("declared", _CHOICE),
    "train.best_metric": ("impossible", "the best models so far were ranked by another metric"),
    "train.save_every": ("free", _SHOWN),
    "train.keep_last": ("free", _KEPT),
    "train.keep_best": ("free", _KEPT),
    "train.average": ("free", "the final model averages another number of models"),
    "train.average_of": ("free", "the final model averages other models, counted from here on"),
    "train.patience": ("free", "training ends at another step"),
    "train.patience_on": ("free", "training ends at another step"),
    "train.log_every": ("free", _SHOWN),
    "train.tensorboard": ("free", _SHOWN),
    "train.wandb": ("free", _SHOWN),
    "train.prefetch": ("free", "the batches stay the same"),
    "train.deterministic": ("free", "from here on, different operations may be used"),
    "train.packing": ("declared", "sums are rounded differently, and dropout is drawn differently"),
    "train.compile": ("declared", "compiled operations round differently"),
    "train.init_from": ("free", "only a new run starts from other weights"),
    "train.max_fresh": ("free", "it was decided at the start"),
    "train.freeze": ("impossible", "the optimizer has state only for the weights trained so far"),
    "train.lora": ("impossible", "the factors have other shapes"),
    "train.r_drop": ("declared", _COURSE),
    "train.keep_close": ("impossible", "the initial model is kept only where it is needed"),
    "train.simcut": ("declared", _COURSE),
    "train.guided_alignment": ("declared", _COURSE),
    "export": ("free", _LATER),
    "card": ("free", _LATER),
    "decode": ("declared", _CHOICE),
    "decode.beam_size": ("free", _LATER),
    "decode.batch_tokens": ("free", _LATER),
    "decode.tags": ("free", _LATER),
    "decode.target_tag": ("free", "the prepared data are the same"),
    "decode.split": ("free", _LATER),
    "evaluate": ("free", _LATER),
}
"""By dotted key; a key without an entry may inherit the entry of its section."""

INHERITED = (
    "data",
    "text",
    "tokenizer",
    "model",
    "train.optimizer",
    "train.simcut",
    "train.lora",
    "decode",
    "evaluate",
    "export",
    "card",
)
"""Sections whose options inherit the class of the section unless they have an entry of their own."""


_MOST = 3
"""Members of a list that are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """An option whose value differs from the one in the checkpoint."""

    key: str
    old: Any
    new: Any
    kind: Kind
    meaning: str

    @property
    def values(self) -> str:
        """The key with its old and new value; of two lists, only the members that differ."""
        if isinstance(self.old, list) and isinstance(self.new, list):
            gone = [member for member in self.old if member not in self.new]
            added = [member for member in self.new if member not in self.old]
            if gone or added:
                told = (("without", gone), ("with", added))
                return f"{self.key}: {', '.join(f'{word} {_listed(some)}' for word, some in told if some)}"
            return f"{self.key}: another order"
        return f"{self.key}: {_shown(self.old)} → {_shown(self.new)}"

    def __str__(self) -> str:
        return f"{self.values}: {self.meaning}"


def _listed(members: list[Any]) -> str:
    shown = " and ".join(map(_shown, members[:_MOST]))
    return f"{shown} and {len(members) - _MOST} more" if len(members) > _MOST else shown


def _shown(value: Any) -> str:
    """A value as in a YAML file; of a member of a list, such as a corpus, only what was set."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        text = ", ".join(f"{key}: {_shown(member)}" for key, member in value.items() if _is_set(member))
        return f"{{{text}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 60 else f"…{text[-57:]}"


def _is_set(value: Any) -> bool:
    return value is not None and value is not False and value != []


def class_of(key: str) -> tuple[Kind, str] | None:
    """The class of an option, and what a change of it means; None if it has no class."""
    section = key
    while section:
        if section in CLASSES and (section == key or section in INHERITED):
            return CLASSES[section]
        section = section.rpartition(".")[0]
    return None


def compare(old: Config, new: Config) -> list[Change]:
    """Every option that differs, in the order of the config."""
    changes = []
    for key, before, after in _differences(old.model_dump(mode="json"), new.model_dump(mode="json"), ""):
        kind, meaning = class_of(key) or ("impossible", "it is unknown whether this is safe")
        changes.append(Change(key, before, after, kind, meaning))
    return changes


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every value that differs, by its dotted key; a list whose members do not match is one value."""
    if old == new:
        return
    members = _matched(old, new)
    if members is None:
        yield path, old, new
        return
    for key in dict.fromkeys(chain(*members)):
        before, after = (side.get(key) for side in members)
        yield from _differences(before, after, f"{path}.{key}" if path else str(key))


def _matched(old: Any, new: Any) -> tuple[dict[Any, Any], dict[Any, Any]] | None:
    """The members of two sections, or of two lists of sections of the same kinds, by key or number."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old, new
    if isinstance(old, list) and isinstance(new, list):
        kinds = [[_kind(member) for member in members] for members in (old, new)]
        if kinds[0] == kinds[1] and None not in kinds[0]:
            return dict(enumerate(old)), dict(enumerate(new))
    return None


def _kind(member: Any) -> tuple[Any, Any] | None:
    """The reader of a corpus, or the name of a filter; None if the member is neither."""
    found = (member.get("reader"), member.get("filter")) if isinstance(member, dict) else (None, None)
    return found if found != (None, None) else None


def check(changes: Collection[Change], allowed: Collection[str], where: str) -> list[str]:
    """Lines that report the changes, if a run may resume with them.

    Args:
        changes: the result of `compare`.
        allowed: keys, or names of sections, that may change.
        where: the run and its step, for the message.

    Raises:
        ConfigError: a change is impossible, or must be declared and is not.
    """

    def is_allowed(key: str) -> bool:
        return any(key == name or key.startswith(f"{name}.") for name in allowed)

    impossible = [change for change in changes if change.kind == "impossible"]
    undeclared = [change for change in changes if change.kind == "declared" and not is_allowed(change.key)]
    if impossible or undeclared:
        lines = [f"{change}. This cannot be changed. Choose another `run`." for change in impossible]
        lines += [f"{change}. To resume anyway, give --allow-change {change.key}." for change in undeclared]
        raise ConfigError([f"{where}: {line}" for line in lines])
    return [f"changed: {change}" for change in changes]
