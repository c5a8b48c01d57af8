"""Options of `train`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, assert_never

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from mtkit.config.fixed import BEST_METRICS, Batching, BestMetric
from mtkit.config.optimizer import OptimizerConfig
from mtkit.config.options import Duration, Options, Probability, rule


def _parse_auto_or(least: int) -> BeforeValidator:
    def parse(value: object) -> object:
        if value is None or value == "auto" or (type(value) is int and value >= least):
            return value
        raise ValueError(f"must be auto or a whole number of at least {least}")

    return BeforeValidator(parse)


MicroBatch = Annotated[
    int | Literal["auto"],
    _parse_auto_or(16),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 16}, {"const": "auto"}]}),
]
Prefetch = Annotated[
    int | Literal["auto"],
    _parse_auto_or(0),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "auto"}]}),
]


def _parse_metrics(value: object) -> object:
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    is_known = names and all(isinstance(name, str) and name in BEST_METRICS for name in names)
    if not is_known or len(set(names)) < len(names):
        raise ValueError(f"must be {', '.join(BEST_METRICS[:-1])} or {BEST_METRICS[-1]}, or a list of them")
    return tuple(names)


DEFAULT_STEPS = 100_000
"""Length of a run without any budget."""
_METRIC = {"enum": list(BEST_METRICS)}
BestMetrics = Annotated[
    tuple[BestMetric, ...],
    BeforeValidator(_parse_metrics),
    WithJsonSchema({"anyOf": [_METRIC, {"type": "array", "items": _METRIC, "minItems": 1}]}),
]
"""One metric, written as its name, or several."""


class SimCutConfig(Options):
    """SimCut: predictions should not change when some tokens are cut."""

    alpha: float = Field(
        0.0,
        ge=0,
        description="Weight α of the divergence between the predictions for a pair and for the same pair "
        "with cut tokens, such as 3. 0 turns it off.",
    )
    cutoff: Probability = Field(
        0.05, description="Probability that a token is cut: its embedding becomes 0, on both sides."
    )


class LoraConfig(Options):
    """LoRA: matrices of a trained model change by products of narrow ones, and nothing else is trained."""

    rank: int = Field(
        0,
        ge=0,
        description="Rank of the change of each matrix, such as 16. 0 turns LoRA off. Needs `init_from`.",
    )
    alpha: float | None = Field(
        None, gt=0, description="The change is scaled by alpha / rank. Default: twice the rank."
    )
    targets: tuple[str, ...] = Field(
        ("encoder", "decoder"),
        description="Matrices that change: encoder, decoder, q_proj, kv_proj, out_proj, inner, outer, "
        "forget_proj, value_proj, or name patterns such as decoder.0.*.",
    )

    @property
    def effective_alpha(self) -> float:
        """`alpha`, or its default."""
        return 2.0 * self.rank if self.alpha is None else self.alpha


class TrainConfig(Options):
    """The training loop. It ends at `max_steps`, `max_epochs` or `max_time`, whichever comes first."""

    preset: Literal["default", "auto"] = Field(
        "default",
        description="auto (or `train: auto`) chooses batch size, budget and learning rate to fit the "
        "data and the machine.",
    )
    max_steps: int | None = Field(
        None,
        ge=1,
        description="Maximum number of optimizer steps. Default: 100,000 if neither max_epochs nor max_time "
        "is set, else no maximum.",
    )
    max_epochs: int | None = Field(None, ge=1, description="Maximum number of passes through the data.")
    max_time: Duration | None = Field(
        None, description="Maximum training time, such as 30m. Time before a resumption counts."
    )
    cooldown: Duration | None = Field(
        None,
        description="Resume a run with this to end it: from the last checkpoint on, the learning rate falls "
        "in a straight line from its current value to 0 over this training time, such as 5m, and then the "
        "run ends, whatever its budget.",
    )
    cooldown_steps: int | None = Field(
        None, ge=1, description="The same over this number of steps, which can be repeated exactly."
    )
    batch_tokens: int = Field(
        4096,
        ge=16,
        description="Batch size in target tokens per optimizer step, whatever the number of devices.",
    )
    batching: Batching = Field(
        "random",
        description="Pairs of an optimizer step. random: any pairs. by_length: pairs of similar length, "
        "which take less time, but make the gradient noisier.",
    )
    micro_batch_tokens: MicroBatch | None = Field(
        None,
        description="Target tokens that each device computes at once. Default: all its tokens of a step. "
        "auto: as many as fit in memory.",
    )
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "auto",
        description="Number format of the computation. auto: bf16 if the hardware supports it, else fp16 on "
        "a GPU of compute capability 7 (V100, T4), else fp32.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Device to train on. auto: cuda if there is one, else cpu."
    )
    parallel: Literal["ddp", "fsdp"] = Field(
        "ddp",
        description="Data parallelism with several processes: each holds the whole model (ddp), or a "
        "shard of it, which needs less memory but is slower (fsdp).",
    )
    num_threads: int | None = Field(
        None,
        ge=1,
        description="Number of CPU threads. Default: chosen by torch, but at most the number of cores.",
    )
    prefetch: Prefetch = Field(
        "auto",
        description="Number of steps for which a separate process prepares batches in advance. 0 turns "
        "this off. auto: 4 with a GPU, else 0.",
    )
    deterministic: bool = Field(
        False, description="Use only operations that give identical bits in every run. Slower on a GPU."
    )
    packing: bool | Literal["auto"] = Field(
        "auto",
        description="Compute batches without padding. auto: on a CPU, and on a GPU that has the attention "
        "kernel for it.",
    )
    compile: bool = Field(
        False,
        description="Compile the model with torch.compile: minutes at the start, then faster steps on a GPU.",
    )
    init_from: Path | None = Field(
        None,
        description="Start from the weights of this run or model folder, which must have the same "
        "model options. `model: auto` takes its shape. Pieces that its vocabulary lacks start from the mean "
        "of those that spell them.",
    )
    max_fresh: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Largest share of the training text's pieces that the vocabulary of `init_from` may "
        "neither have nor spell. A larger one is refused. 1 allows any.",
    )
    freeze: tuple[str, ...] = Field(
        (),
        description="Weights that are not trained: encoder, decoder, embeddings, output, or name "
        "patterns such as decoder.0.*.",
    )
    lora: LoraConfig = Field(
        default_factory=LoraConfig, description="Train a small adapter of the initial model (LoRA)."
    )
    r_drop: float = Field(
        0.0,
        ge=0,
        description="Weight α of the divergence between two passes with different dropout (R-Drop). 0 "
        "turns it off.",
    )
    simcut: SimCutConfig = Field(
        default_factory=SimCutConfig, description="A second pass over each batch with cut tokens (SimCut)."
    )
    keep_close: float = Field(
        0.0,
        ge=0,
        description="Weight of the divergence from the model of `init_from`, such as 0.5. It keeps what "
        "that model knew. 0 turns it off.",
    )
    guided_alignment: float = Field(
        0.0,
        ge=0,
        description="Weight of the loss that trains an attention head to align words, such as 0.05. 0 "
        "turns it off.",
    )
    label_smoothing: Probability = Field(
        0.1, description="Probability that is spread over the whole vocabulary."
    )
    optimizer: OptimizerConfig = Field(
        default_factory=OptimizerConfig, description="Optimizer and learning-rate schedule."
    )
    ema: Probability = Field(
        0.0,
        description="Decay rate of an exponential moving average of the weights, which is validated and "
        "saved in their place. 0 turns it off.",
    )
    validate_every: int = Field(1000, ge=1, description="Number of steps between validations.")
    validate_pairs: int = Field(
        500, ge=1, description="Maximum number of validation pairs translated for BLEU and chrF."
    )
    validate_beam_size: int = Field(
        1, ge=1, description="Beam size of those translations. 1 is greedy and fast."
    )
    save_every: int = Field(1000, ge=1, description="Number of steps between checkpoints.")
    keep_last: int = Field(2, ge=1, description="Number of latest checkpoints to keep.")
    keep_best: int = Field(
        5, ge=1, description="Number of best checkpoints to keep, ranked by `best_metric`."
    )
    best_metric: BestMetrics = Field(
        ("bleu",),
        description="Validation metric that ranks checkpoints, or several, such as [bleu, loss]: the first "
        "one ranks them, the next ones decide ties. The loss decides the rest.",
    )
    average: int = Field(
        5,
        ge=1,
        description="Number of models to average into the final one. Default: 5, or fewer if "
        "`keep_best` is less.",
    )
    average_of: Literal["best", "last"] = Field(
        "best",
        description="Which models these are. best: those of the best validations, unless the best one alone "
        "scores higher. last: those of the last validations, whatever their scores (Vaswani et al. 2017).",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Number of validations without improvement before training stops early. Default: no "
        "early stopping.",
    )
    patience_on: Literal["all", "any"] = Field(
        "all",
        description="With several metrics in `best_metric`: whether all of them must stop improving, or any "
        "of them, for `patience` and the schedule plateau.",
    )
    log_every: int = Field(
        50, ge=1, description="Number of steps between lines in metrics.jsonl and points in TensorBoard."
    )
    tensorboard: bool = Field(True, description="Write TensorBoard event files if tensorboard is installed.")
    wandb: str | None = Field(
        None,
        min_length=1,
        description="Weights & Biases project to send the learning curves to. Default: none.",
    )

    @property
    def shards_model(self) -> bool:
        """Whether each process holds only a shard of the model."""
        match self.parallel:
            case "ddp":
                return False
            case "fsdp":
                return True
            case _:
                assert_never(self.parallel)

    @property
    def num_last(self) -> int:
        """How many models of the last validations are kept, to be averaged."""
        match self.average_of:
            case "best":
                return 0
            case "last":
                return self.average
            case _:
                assert_never(self.average_of)

    @model_validator(mode="after")
    def _has_fitting_defaults(self) -> TrainConfig:
        if self.model_fields_set.isdisjoint({"max_steps", "max_epochs", "max_time"}):
            object.__setattr__(self, "max_steps", DEFAULT_STEPS)  # as a default, not as a set option
            self.model_fields_set.discard("max_steps")
        if "average" not in self.model_fields_set and self.average_of == "best":
            object.__setattr__(self, "average", min(self.average, self.keep_best))
        return self

    @property
    def cools_down(self) -> bool:
        """Whether a resumed run ends with a falling learning rate."""
        return self.cooldown is not None or self.cooldown_steps is not None

    @rule
    def _one_average(self) -> Iterator[str]:
        method = self.optimizer.method
        if self.ema and self.optimizer.needs.averages_weights:
            yield (
                f"ema and optimizer.method = {method} cannot be combined: both average the weights. "
                "Set ema: 0."
            )
        if self.cools_down and self.optimizer.needs.averages_weights:
            yield (
                f"cooldown and optimizer.method = {method} cannot be combined: its averaged weights need no "
                "falling rate. Stop the run when you like."
            )
        if self.cooldown is not None and self.cooldown_steps is not None:
            yield "cooldown and cooldown_steps cannot be combined. Choose one."

    @rule
    def _lora_fits(self) -> Iterator[str]:
        if not self.lora.rank:
            return
        if self.init_from is None:
            yield "lora.rank needs init_from: an adapter changes a trained model. Set init_from, or rank: 0."
        if self.optimizer.method != "adamw":
            yield (
                f"lora and optimizer.method = {self.optimizer.method} cannot be combined: its factors are "
                "trained with adamw. Set optimizer.method: adamw."
            )
        if self.freeze:
            yield (
                "lora and freeze cannot be combined: LoRA trains nothing but lora.targets. Leave out freeze, "
                "and choose lora.targets."
            )
        if self.shards_model:
            yield "lora and parallel = fsdp cannot be combined. Set parallel: ddp."

    @rule
    def _averaged_models_are_kept(self) -> Iterator[str]:
        is_given = "average" in self.model_fields_set
        if is_given and self.average_of == "best" and self.average > self.keep_best:
            yield (
                f"average = {self.average} needs as many models, but keep_best = {self.keep_best}. Set "
                f"keep_best: {self.average}, or average: {self.keep_best}."
            )

    @rule
    def _keeps_close(self) -> Iterator[str]:
        if self.keep_close and self.init_from is None:
            yield "keep_close needs init_from: the model to keep close to. Set init_from, or keep_close: 0."
        if self.keep_close and self.shards_model:
            yield "keep_close and parallel = fsdp cannot be combined. Set parallel: ddp."

    @rule
    def _compiled_whole(self) -> Iterator[str]:
        if self.r_drop and self.simcut.alpha:
            yield (
                "r_drop and simcut cannot be combined: each compares two passes in its own way. Set r_drop "
                "or simcut.alpha to 0."
            )
        if self.compile and self.guided_alignment:
            yield (
                "compile and guided_alignment cannot be combined: a compiled model hides its attention. "
                "Choose one."
            )
        if self.packing is True and self.guided_alignment:
            yield (
                "packing and guided_alignment cannot be combined: alignments need padded batches. Choose one."
            )
        if self.shards_model and self.optimizer.needs.whole_matrices:
            method = self.optimizer.method
            yield (
                f"optimizer.method = {method} and parallel = {self.parallel} cannot be combined: {method} "
                "needs whole matrices. Use adamw, or parallel = ddp."
            )
