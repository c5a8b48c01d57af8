"""Chooses settings that fit the data and the machine, where the config says `auto`. Does not use torch.

For little data, the sizes follow Sennrich and Zhang 2019 ("Revisiting Low-Resource Neural Machine
Translation", sections 3 and 4) and Araabi and Monz 2020 ("Optimizing Transformer for Low-Resource Neural
Machine Translation", table 2): small vocabularies and batches, strong dropout; for much data, Vaswani et al.
2017, table 3. The width is also limited by what a CPU can compute in a few hours, or by the available time:
training takes 6 floating-point operations per token and parameter (Kaplan et al. 2020, section 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mtkit.config.model import SHAPE, ModelConfig, num_parameters
from mtkit.config.optimizer import OptimizerConfig
from mtkit.config.schema import Config
from mtkit.config.train import TrainConfig


@dataclass(frozen=True, slots=True)
class Size:
    """Settings for a number of training pairs.

    Attributes:
        pairs: the largest number of pairs; None for no limit.
        vocab_size: number of subword pieces.
        preset: of the model, on a CPU and on a GPU.
        dropout: of the model, and on attention weights.
        batch_tokens: target tokens per update, on a CPU and on a GPU.
        epochs: passes over the data.
    """

    pairs: int | None
    vocab_size: int
    preset: tuple[str, str]
    dropout: tuple[float, float]
    batch_tokens: tuple[int, int]
    epochs: int


SIZES = (
    Size(10_000, 2_000, ("small", "small"), (0.3, 0.1), (1024, 2048), 50),
    Size(30_000, 4_000, ("small", "small"), (0.2, 0.1), (1024, 4096), 40),
    Size(100_000, 8_000, ("small", "base"), (0.2, 0.1), (2048, 4096), 30),
    Size(500_000, 8_000, ("small", "base"), (0.1, 0.0), (2048, 8192), 15),
    Size(2_000_000, 16_000, ("small", "base"), (0.1, 0.0), (4096, 16384), 10),
    Size(10_000_000, 32_000, ("base", "base"), (0.1, 0.0), (4096, 25000), 8),
    Size(None, 32_000, ("base", "big"), (0.1, 0.0), (8192, 25000), 4),
)

METHODS = {"tiny": "muon", "small": "muon", "base": "adamw", "big": "adamw"}
"""Optimizer by width, the narrowest first; muon was measured up to `small` (docs/benchmarks.md)."""

PEAK_RATES = {"tiny": 2.0e-3, "small": 2.0e-3, "base": 7.0e-4, "big": 5.0e-4}
"""Peak learning rate of adamw by width; wide models need lower rates."""

FACTORS = {"adamw": 1.0, "muon": 2.5, "schedule_free": 4.0}
"""Peak learning rate of each optimizer relative to that of adamw; measured for narrow models."""

FIXED, PER_WIDTH = 5.0e-5, 1.15e-7
"""Seconds that one thread of a CPU needs for a target token besides matrix products: in every model, and per
d_model and layer. Measured for `tiny`, `small` and `base` in bf16 and fp32 (docs/benchmarks.md)."""
MORE_THREADS = 0.6
"""n threads do this work n^0.6 times as fast; two were measured, in docs/benchmarks.md."""
VALIDATION = 1.1
"""Time of a run relative to that of its updates."""
GPU_SHARE = 0.5
"""Share of a GPU's speed of matrix products that training reaches: an assumption."""

ENOUGH = 4
"""A width is chosen if there is time for the epochs of its row divided by this. In less time, a narrower
model, which sees the data more often, learns more."""
MEMORISED = 3
"""The dropout of a row is for data seen so often that the model memorises them: it is chosen if there is time
for the epochs of the row divided by this. In less time, it costs more than it gains."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting that was chosen.

    Attributes:
        key: dotted key, such as `model.dropout`.
        value: the value, as in YAML.
        reason: a short reason, for the user.
    """

    key: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Given:
    """What the config sets itself and other choices depend on; None for what it leaves to `auto`.

    Attributes:
        d_model: the width.
        method: the optimizer.
        max_steps: the number of steps.
    """

    d_model: int | None = None
    method: str | None = None
    max_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The available training time.

    Attributes:
        seconds: of training.
        rate: FLOP/s of matrix products on this machine.
        threads: of the CPU, of all processes; 0 on a GPU.
    """

    seconds: float
    rate: float
    threads: float = 0.0

    def tokens(self, preset: str, vocab_size: int) -> float:
        """Target tokens that a model of this width is trained on, at 6 FLOP per token and parameter."""
        wide = _width(preset)
        products = 6 * num_parameters(wide, vocab_size, vocab_size) / self.rate
        if not self.threads:
            return self.seconds * GPU_SHARE / products
        layers = wide.num_encoder_layers + wide.num_decoder_layers
        other = (FIXED + PER_WIDTH * wide.d_model * layers) / self.threads**MORE_THREADS
        return self.seconds / ((products + other) * VALIDATION)


def size_for(num_pairs: int) -> Size:
    """The row of `SIZES` for this many training pairs."""
    return next(size for size in SIZES if size.pairs is None or num_pairs <= size.pairs)


def choose_vocab_size(num_pairs: int, *, many_characters: bool) -> int:
    """Vocabulary size for this many training pairs; larger if a script has thousands of characters."""
    return size_for(num_pairs).vocab_size + (6_000 if many_characters else 0)


def choose_held_out(num_pairs: int) -> int:
    """Pairs to cut for validation, and as many for a test: a twentieth of all, from 10 to 1,000."""
    return max(10, min(1_000, num_pairs // 20))


def choose_max_time(num_pairs: int) -> str:
    """A time limit that suits a CPU with few cores, for so many pairs.

    With 5,000 to 30,000 pairs, 20 and 30 minutes were measured (docs/benchmarks.md); more is estimated.
    """
    limits = ((10_000, "20m"), (30_000, "30m"), (100_000, "1h"), (500_000, "3h"))
    return next((time for limit, time in limits if num_pairs <= limit), "8h")


def choose(
    num_pairs: int,
    num_tokens: int,
    has_gpu: bool,
    budget: Budget | None = None,
    given: Given = Given(),
) -> list[Choice]:
    """Every setting of model and training that `auto` decides.

    Args:
        num_pairs: training pairs after cleaning.
        num_tokens: their target tokens.
        has_gpu: whether training uses a CUDA device.
        budget: the available time, if it is limited.
        given: what the config sets itself.
    """
    size = size_for(num_pairs)
    machine = "a GPU" if has_gpu else "a CPU"
    presets, batch_tokens = _presets(size.preset[has_gpu], given.d_model), size.batch_tokens[has_gpu]
    preset = presets[0]
    dropout, attention_dropout = size.dropout
    per_epoch = max(1, num_tokens // batch_tokens)
    steps = max(2_000, size.epochs * per_epoch)
    timely = f"{num_pairs:,} pairs on {machine}"
    regularised = f"fewer pairs need more dropout: {num_pairs:,} pairs"
    if budget is not None:
        preset, passes = _affordable(presets, size, num_tokens, budget)
        steps = min(steps, max(1, round(passes * num_tokens / batch_tokens)))
        if passes < size.epochs:
            timely += f", {passes:,.1f} epochs in the available time"
        if passes < size.epochs / MEMORISED:
            dropout, attention_dropout = min(dropout, 0.1), 0.0
            regularised = f"low, because the time allows only {passes:,.1f} epochs"
    pads = "; on a GPU, batches are then padded" if has_gpu and attention_dropout else ""
    steps = given.max_steps or steps
    warmup = min(4_000, max(1, steps // 10))
    every = min(2_000, max(100, steps // 15))
    ema = max(0.9, min(0.998, round(1 - 20 / steps, 3)))
    wide, method = _width(preset), given.method or METHODS[preset]
    rate = PEAK_RATES[preset] * FACTORS[method]
    return [
        *(
            Choice(f"model.{name}", getattr(wide, name), f"the width of {preset}, for {timely}")
            for name in ("d_model", "d_ff", "num_heads", "num_encoder_layers", "num_decoder_layers")
        ),
        Choice("model.dropout", dropout, regularised),
        Choice("model.attention_dropout", attention_dropout, regularised + pads),
        Choice("train.batch_tokens", batch_tokens, f"many small steps suit little data, on {machine}"),
        Choice("train.max_steps", steps, f"{steps / per_epoch:,.0f} epochs of about {per_epoch:,} steps"),
        Choice("train.validate_every", every, "about 15 validations"),
        Choice("train.save_every", every, "at each validation"),
        Choice("train.patience", 8, "stops after eight validations without improvement"),
        Choice("train.ema", ema, "a moving average of the weights is more stable than the latest weights"),
        Choice("train.optimizer.method", method, f"for the width of {preset}"),
        Choice("train.optimizer.lr", rate, f"for {method} and the width of {preset}"),
        Choice("train.optimizer.warmup_steps", warmup, "a tenth of the steps, at most 4,000"),
        Choice("train.optimizer.schedule", "linear", "the learning rate falls to 0 at the end of the budget"),
    ]


def as_in(origin: ModelConfig, choices: list[Choice]) -> list[Choice]:
    """The choices for a run that starts with the weights of another model, and so takes its shape.

    Args:
        origin: the options of the other model.
        choices: for a run from random weights.
    """
    shape = [
        Choice(f"model.{key}", getattr(origin, key), "as in the model of train.init_from") for key in SHAPE
    ]
    if origin.dropout == 0.0:
        reason = "as in the model of train.init_from, which may not bear any"
        shape += [Choice(f"model.{key}", 0.0, reason) for key in ("dropout", "attention_dropout")]
    chosen = {choice.key for choice in shape}
    return shape + [choice for choice in choices if choice.key not in chosen]


def _presets(widest: str, d_model: int | None) -> list[str]:
    """The presets to choose from, the widest first; with `d_model`, only the preset for that width."""
    presets = list(PEAK_RATES)
    if d_model is not None:
        return [next((name for name in presets if _width(name).d_model >= d_model), presets[-1])]
    return presets[presets.index(widest) :: -1]


def _affordable(presets: list[str], size: Size, num_tokens: int, budget: Budget) -> tuple[str, float]:
    """The first preset that can be trained for enough epochs in the time, else the last; and its epochs."""
    preset, passes = presets[0], 0.0
    for preset in presets:
        passes = budget.tokens(preset, size.vocab_size) / num_tokens
        if passes >= size.epochs / ENOUGH:
            break
    return preset, passes


def given_by(config: Config) -> Given:
    """What the config sets itself."""
    model, train, optimizer = config.model, config.train, config.train.optimizer
    free = model.preset == "auto" and "d_model" not in model.model_fields_set
    fixed = train.shards_model or "method" in optimizer.model_fields_set
    return Given(
        d_model=None if free else model.d_model,
        method=optimizer.method if fixed else None,  # adamw, which can be sharded, with shards
        max_steps=train.max_steps if "max_steps" in train.model_fields_set else None,
    )


def _width(preset: str) -> ModelConfig:
    return ModelConfig.model_validate({"preset": preset})


def is_auto(config: Config) -> bool:
    """Whether `auto` is to choose settings of the model or of training."""
    return "auto" in (config.model.preset, config.train.preset)


def _fitted(choices: list[Choice], model: ModelConfig) -> list[Choice]:
    """The choices, with a width and a number of heads that fit each other and the heads that the config sets.

    The chosen one of the two is changed, as little as possible; the width if both are.
    """
    chosen = {choice.key: choice.value for choice in choices}
    if {f"model.{name}" for name in SHAPE} <= chosen.keys() | {
        f"model.{name}" for name in model.model_fields_set
    }:
        return choices  # of a model that exists
    width, heads = chosen.get("model.d_model"), chosen.get("model.num_heads")
    kv_heads = model.num_kv_heads or 1
    if heads is not None:
        whole = width or model.d_model
        fits = [n for n in range(kv_heads, 129, kv_heads) if whole % (2 * n) == 0]
        nearest = heads
        heads = min(fits, key=lambda n: abs(n - nearest), default=kv_heads)
    if width is not None:
        step = 2 * (heads or model.num_heads)
        width = max(step, round(width / step) * step)
    fitting = {"model.num_heads": heads, "model.d_model": width}
    if width is not None and width != chosen["model.d_model"]:
        fitting["model.d_ff"] = 4 * width
    return [
        replace(choice, value=fitting[choice.key], reason="fits the values that are given")
        if fitting.get(choice.key, choice.value) != choice.value
        else choice
        for choice in choices
    ]


def settle(config: Config, choices: list[Choice]) -> tuple[Config, list[Choice]]:
    """Applies the choices that concern `auto` sections; returns the config and the choices applied.

    Values that the config sets itself are kept.
    """
    model, train, optimizer = config.model, config.train, config.train.optimizer
    given = {f"model.{name}" for name in model.model_fields_set}
    given |= {f"train.{name}" for name in train.model_fields_set}
    given |= {f"train.optimizer.{name}" for name in optimizer.model_fields_set}
    if train.shards_model:
        given.add("train.optimizer.method")  # sharding requires it
    if optimizer.needs.averages_weights:
        given.add("train.ema")  # it has an average of its own
    if {"train.max_epochs", "train.max_time"} & given:
        given.add("train.max_steps")  # the user set another budget
    taken = [
        choice
        for choice in choices
        if choice.key not in given
        and (config.model if choice.key.startswith("model.") else config.train).preset == "auto"
    ]
    taken = _fitted(taken, model)
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
