"""Settings that fit the data and the machine, where the config says `auto`. Free of torch.

The sizes follow what was found for little data by Sennrich and Zhang 2019 ("Revisiting Low-Resource Neural
Machine Translation", sections 3 and 4) and Araabi and Monz 2020 ("Optimizing Transformer for Low-Resource
Neural Machine Translation", table 2): small vocabularies and batches, strong dropout; for much data those of
Vaswani et al. 2017, table 3. What a CPU can compute in a few hours bounds the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mtkit.config.model import ModelConfig
from mtkit.config.schema import Config
from mtkit.config.train import OptimizerConfig, TrainConfig


@dataclass(frozen=True, slots=True)
class Size:
    """What suits a number of training pairs.

    Attributes:
        pairs: the most that it is for; None is no bound.
        vocab_size: pieces of the subword model.
        preset: of the model, on a CPU and on a GPU.
        dropout: of the model, and on attention weights.
        batch_tokens: of an update, on a CPU and on a GPU.
        epochs: passes through the data.
    """

    pairs: int | None
    vocab_size: int
    preset: tuple[str, str]
    dropout: tuple[float, float]
    batch_tokens: tuple[int, int]
    epochs: int


SIZES = (
    Size(10_000, 2_000, ("small", "small"), (0.3, 0.1), (1024, 2048), 60),
    Size(30_000, 4_000, ("small", "small"), (0.2, 0.1), (1536, 4096), 40),
    Size(100_000, 8_000, ("small", "base"), (0.2, 0.1), (2048, 4096), 30),
    Size(500_000, 8_000, ("small", "base"), (0.1, 0.0), (2048, 8192), 15),
    Size(2_000_000, 16_000, ("small", "base"), (0.1, 0.0), (4096, 16384), 10),
    Size(10_000_000, 32_000, ("base", "base"), (0.1, 0.0), (4096, 25000), 8),
    Size(None, 32_000, ("base", "big"), (0.1, 0.0), (8192, 25000), 4),
)

PEAK_RATES = {"small": 1.0e-3, "base": 7.0e-4, "big": 5.0e-4}
"""Wider models need lower rates."""

TOKENS_A_PAIR = 25
"""A pair's target tokens, about; decides how many steps an epoch has."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting that was chosen.

    Attributes:
        key: dotted, such as `model.dropout`.
        value: as in YAML.
        reason: in a few words, for the user.
    """

    key: str
    value: Any
    reason: str


def size_for(num_pairs: int) -> Size:
    """The row of `SIZES` for this many training pairs."""
    return next(size for size in SIZES if size.pairs is None or num_pairs <= size.pairs)


def choose_vocab_size(num_pairs: int, *, many_characters: bool) -> int:
    """Pieces for this many training pairs; thousands more if a script has thousands of characters."""
    return size_for(num_pairs).vocab_size + (6_000 if many_characters else 0)


def choose(num_pairs: int, has_gpu: bool) -> list[Choice]:
    """Every setting of model and training that `auto` decides on.

    Args:
        num_pairs: training pairs after cleaning.
        has_gpu: whether a CUDA device does the work.
    """
    size = size_for(num_pairs)
    machine = "a GPU" if has_gpu else "a CPU"
    preset, batch_tokens = size.preset[has_gpu], size.batch_tokens[has_gpu]
    dropout, attention_dropout = size.dropout
    per_epoch = max(1, num_pairs * TOKENS_A_PAIR // batch_tokens)
    steps = max(2_000, size.epochs * per_epoch)
    warmup = min(4_000, max(200, steps // 20))
    every = min(2_000, max(100, steps // 25))
    pairs = f"{num_pairs:,} pairs"
    wide = ModelConfig.model_validate({"preset": preset})
    return [
        *(
            Choice(f"model.{name}", getattr(wide, name), f"the width of {preset}, for {pairs} on {machine}")
            for name in ("d_model", "d_ff", "num_heads", "num_encoder_layers", "num_decoder_layers")
        ),
        Choice("model.dropout", dropout, f"the fewer pairs, the stronger: {pairs}"),
        Choice("model.attention_dropout", attention_dropout, f"the fewer pairs, the stronger: {pairs}"),
        Choice(
            "train.batch_tokens", batch_tokens, f"small data learn more from many small steps, on {machine}"
        ),
        Choice("train.max_steps", steps, f"{steps / per_epoch:,.0f} epochs of about {per_epoch:,} steps"),
        Choice("train.validate_every", every, "about 25 validations"),
        Choice("train.save_every", every, "with each validation"),
        Choice("train.patience", 8, "stops when eight validations brought nothing"),
        Choice("train.ema", 0.998, "a moving average of the weights is steadier than the last ones"),
        Choice("train.optimizer.lr", PEAK_RATES[preset], f"for the width of {preset}"),
        Choice("train.optimizer.warmup_steps", warmup, "a twentieth of the steps, at most 4,000"),
        Choice("train.optimizer.cooldown", 0.3, "the rate falls to 0 at the end of the budget"),
    ]


def is_auto(config: Config) -> bool:
    """Whether the config leaves settings of model or training to be chosen."""
    return "auto" in (config.model.preset, config.train.preset)


def settle(config: Config, choices: list[Choice]) -> tuple[Config, list[Choice]]:
    """The config with what it leaves open chosen so, and those of `choices` that it took.

    What the config gives itself stays.
    """
    model, train, optimizer = config.model, config.train, config.train.optimizer
    given = {f"model.{name}" for name in model.model_fields_set}
    given |= {f"train.{name}" for name in train.model_fields_set}
    given |= {f"train.optimizer.{name}" for name in optimizer.model_fields_set}
    if {"train.max_epochs", "train.max_time"} & given:
        given.add("train.max_steps")  # the budget is the user's
    taken = [
        choice
        for choice in choices
        if choice.key not in given
        and (config.model if choice.key.startswith("model.") else config.train).preset == "auto"
    ]
    values = {choice.key: choice.value for choice in taken}

    def of(section: str) -> dict[str, Any]:
        prefix = f"{section}."
        return {
            key[len(prefix) :]: value for key, value in values.items() if key.rpartition(".")[0] == section
        }

    new_optimizer = OptimizerConfig.model_validate(optimizer.model_dump() | of("train.optimizer"))
    new_train = TrainConfig.model_validate(train.model_dump() | of("train") | {"optimizer": new_optimizer})
    new_model = ModelConfig.model_validate(model.model_dump() | of("model"))
    return config.model_copy(update={"model": new_model, "train": new_train}), taken
