"""Options of `train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, assert_never

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from mtkit.config.options import BestMetric, Duration, Options, Probability


def _parse_auto_or(least: int) -> BeforeValidator:
    def parse(value: object) -> object:
        if value is None or value == "auto" or (type(value) is int and value >= least):
            return value
        raise ValueError(f"it is auto, or a whole number of at least {least}")

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


@dataclass(frozen=True, slots=True)
class OptimizerNeeds:
    """What a method of optimization asks of a run.

    Attributes:
        layer_moments: numbers kept for each weight in the matrices of the layers.
        other_moments: numbers kept for each other weight.
        whole_matrices: it cannot work on a share of a matrix.
    """

    layer_moments: int
    other_moments: int
    whole_matrices: bool


class OptimizerConfig(Options):
    """The optimizer and its learning-rate schedule."""

    method: Literal["adamw", "muon"] = Field(
        "adamw",
        description="muon takes the matrices of the layers, whose momentum it makes orthogonal, and leaves "
        "the rest to adamw; the rate is the same for both.",
    )
    lr: float = Field(1.0e-3, gt=0, description="Peak learning rate.")
    warmup_steps: int = Field(4000, ge=0, description="Steps of linear rise to the peak.")
    schedule: Literal["inverse_sqrt", "linear", "cosine", "constant", "plateau"] = Field(
        "inverse_sqrt",
        description="After warm-up: lr·√(warmup/step); a straight line, or half a cosine, to 0 at the end of "
        "the budget; flat; or flat and lowered whenever validation gets no better.",
    )
    plateau_patience: int = Field(
        3, ge=1, description="Of `plateau`: validations without a new best before the rate is lowered."
    )
    plateau_factor: float = Field(
        0.5, gt=0, lt=1, description="Of `plateau`: what the rate is then multiplied by."
    )
    cooldown: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Last share of the budget in which the rate falls to 0 in a straight line, whatever the "
        "schedule.",
    )
    momentum: float = Field(0.95, ge=0, lt=1, description="Of `muon`: share of the old momentum in the new.")
    betas: tuple[float, float] = Field((0.9, 0.98), description="Adam's decay rates.")
    eps: float = Field(1.0e-9, gt=0, description="Adam's epsilon.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay, on matrices only.")
    clip_norm: float = Field(1.0, ge=0, description="Largest norm of the whole gradient; 0 is no clipping.")
    skip_spikes: float | None = Field(
        None,
        gt=1,
        description="Skip an update whose gradient norm is more than this times its running mean; none if "
        "left out.",
    )

    @property
    def needs(self) -> OptimizerNeeds:
        """What the method asks of a run."""
        match self.method:
            case "adamw":
                return OptimizerNeeds(layer_moments=2, other_moments=2, whole_matrices=False)
            case "muon":
                return OptimizerNeeds(layer_moments=1, other_moments=2, whole_matrices=True)
            case _:
                assert_never(self.method)


class TrainConfig(Options):
    """The training loop. Whichever of `max_steps`, `max_epochs`, `max_time` comes first ends it."""

    preset: Literal["default", "auto"] = Field(
        "default",
        description="auto, or `train: auto`: batch, budget and rates fit the data and the machine.",
    )
    max_steps: int | None = Field(100_000, ge=1, description="Optimizer steps.")
    max_epochs: int | None = Field(None, ge=1, description="Passes through the data.")
    max_time: Duration | None = Field(None, description="Training time, resumed parts added up, such as 30m.")
    batch_tokens: int = Field(
        4096, ge=16, description="Target tokens per optimizer step, whatever the devices."
    )
    micro_batch_tokens: MicroBatch | None = Field(
        None,
        description="Target tokens that each device computes at once: all of the step's if left out, as many "
        "as it has memory for if auto.",
    )
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "auto", description="auto is bf16 where the hardware has it, else fp32."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto is cuda where there is one.")
    parallel: Literal["ddp", "fsdp"] = Field(
        "ddp",
        description="Of several processes, each holds the whole model, or a share (less memory, slower).",
    )
    num_threads: int | None = Field(None, ge=1, description="CPU threads; torch's choice if left out.")
    prefetch: Prefetch = Field(
        "auto",
        description="Steps whose batches a process of its own makes ahead; 0 is none, auto is 4 with a GPU, "
        "else 0.",
    )
    deterministic: bool = Field(
        False, description="Only operations that give the same bits in every run; slower on a GPU."
    )
    packing: bool | Literal["auto"] = Field(
        "auto",
        description="Compute batches without padding; auto: on a GPU that has the attention kernel for it.",
    )
    compile: bool | Literal["graphs"] = Field(
        False,
        description="torch.compile the model: minutes at the start, then faster steps on a GPU. graphs also "
        "records CUDA graphs, of few shapes of batches without padding.",
    )
    init_from: Path | None = Field(
        None,
        description="Begin with the weights of this run or model folder, which must have the same tokenizer "
        "and model.",
    )
    freeze: tuple[str, ...] = Field(
        (),
        description="Weights that stay as they are: encoder, decoder, embeddings, output, or patterns of "
        "their names such as decoder.0.*.",
    )
    r_drop: float = Field(
        0.0,
        ge=0,
        description="Weight α of the divergence between two passes of other dropout (R-Drop); 0 is one pass.",
    )
    guided_alignment: float = Field(
        0.0,
        ge=0,
        description="Weight of the loss by which an attention head learns word alignments, such as 0.05; "
        "0 is none.",
    )
    label_smoothing: Probability = Field(0.1, description="Probability spread over the whole vocabulary.")
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="Optimizer and schedule.")
    ema: Probability = Field(
        0.0, description="Decay of the moving average of the weights that is validated and kept; 0 is none."
    )
    validate_every: int = Field(1000, ge=1, description="Steps between validations.")
    validate_pairs: int = Field(
        500, ge=1, description="Validation pairs translated for BLEU and chrF, at most."
    )
    validate_beam_size: int = Field(1, ge=1, description="Beam of those translations; 1 is greedy and fast.")
    save_every: int = Field(1000, ge=1, description="Steps between checkpoints.")
    keep_last: int = Field(2, ge=1, description="Newest checkpoints kept.")
    keep_best: int = Field(5, ge=1, description="Best checkpoints kept, by `best_metric`.")
    best_metric: BestMetric = Field("bleu", description="What makes a checkpoint the best.")
    average: int = Field(5, ge=1, description="Best checkpoints averaged into the final model.")
    patience: int | None = Field(
        None, ge=1, description="Validations without a new best before stopping early."
    )
    log_every: int = Field(50, ge=1, description="Steps between lines in metrics.jsonl and TensorBoard.")
    tensorboard: bool = Field(True, description="Write TensorBoard events, if tensorboard is installed.")
    wandb: str | None = Field(
        None, min_length=1, description="Project of Weights & Biases that the curves are sent to."
    )

    @property
    def shards_model(self) -> bool:
        """Each process holds a share of the model."""
        match self.parallel:
            case "ddp":
                return False
            case "fsdp":
                return True
            case _:
                assert_never(self.parallel)

    @property
    def records_graphs(self) -> bool:
        """The compiled model is recorded as CUDA graphs."""
        match self.compile:
            case bool():
                return False
            case "graphs":
                return True
            case _:
                assert_never(self.compile)

    @model_validator(mode="after")
    def _compiled_whole(self) -> TrainConfig:
        if self.compile and self.guided_alignment:
            raise ValueError(
                "compile and guided_alignment exclude each other: a compiled model hides its attention. "
                "Choose one."
            )
        if self.packing is True and self.guided_alignment:
            raise ValueError(
                "packing and guided_alignment exclude each other: alignments need padded batches. Choose one."
            )
        if self.records_graphs and self.packing is False:
            raise ValueError("compile = graphs needs packing: padded batches have too many shapes.")
        if self.shards_model and self.optimizer.needs.whole_matrices:
            method = self.optimizer.method
            raise ValueError(
                f"optimizer.method = {method} and parallel = {self.parallel} exclude each other: {method} "
                "needs whole matrices. Use adamw, or parallel = ddp."
            )
        if self.records_graphs and self.shards_model:
            raise ValueError("compile = graphs and parallel = fsdp exclude each other. Use compile = true.")
        return self
