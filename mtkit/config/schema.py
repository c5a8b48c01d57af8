"""Every option of mtkit, with its type, default, bounds and meaning. Free of torch.

No option and no default stands anywhere else: the JSON Schema, the option tables and the
error messages are made from this file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(value: object) -> object:
    """Seconds from text such as `30m` or `1h30m`; anything else is left for the type check."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value)
    if found is None or not value:
        raise ValueError("a duration is written like 90s, 30m, 1h30m or 2d, or as a number of seconds")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]
"""Seconds as a float; written in YAML as `90s`, `30m`, `1h30m`, `2d` or a number of seconds."""

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
Probability = Annotated[float, Field(ge=0, lt=1)]


class Options(BaseModel):
    """A section of the configuration: strict types, no unknown keys, never changed once read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


# ---------------------------------------------------------------- data: readers and filters


_PACKED = "`*` and `?` stand for any text in names; .gz, .bz2, .xz and .zst are decompressed."

OnError = Literal["stop", "skip"]


def _check_column(value: object) -> int | str:
    """A column by its number, from 1, or its name."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError("a column is given by its number, from 1, or by its name in the first line")


Column = Annotated[
    int | str,
    PlainValidator(_check_column),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}),
]
"""A column of a table, by number from 1 or by name."""


class PlainSource(Options):
    """Text files in pairs, line N of one being the translation of line N of the other."""

    reader: Literal["plain"]
    src: Path = Field(description=f"Source side; {_PACKED}")
    tgt: Path = Field(description="Target side: as many files, in the same order of names.")


class _Table(Options):
    """What tables with and without quotes share."""

    reader: str
    path: Path = Field(description=f"The file; {_PACKED}")
    src_column: Column = Field(1, description="Column of the source text: its number, from 1, or its name.")
    tgt_column: Column = Field(2, description="Column of the target text.")
    score_column: Column | None = Field(None, description="Column of a score, for the filter `score`.")
    columns: int | None = Field(None, ge=2, description="Columns a line must have; any number if left out.")
    header: bool = Field(False, description="The first line names the columns; always so if one is named.")
    on_error: OnError = Field("stop", description="At a bad line: stop, or skip it and count.")

    @property
    def has_header(self) -> bool:
        """Whether the first line of each file names the columns."""
        return self.header or any(
            isinstance(column, str) for column in (self.src_column, self.tgt_column, self.score_column)
        )


class TsvSource(_Table):
    """Columns between tabs, without quoting: a tab always separates."""

    reader: Literal["tsv"]


class CsvSource(_Table):
    """Columns as spreadsheets write them: texts in double quotes may hold the delimiter and line feeds."""

    reader: Literal["csv"]
    delimiter: str = Field(",", min_length=1, max_length=1, description="Between columns, such as ;.")


class JsonlSource(Options):
    """One JSON object a line."""

    reader: Literal["jsonl"]
    path: Path = Field(description=f"The file; {_PACKED}")
    src_field: str | None = Field(
        None, min_length=1, description="Dotted path of the source text; translation.SRC_LANG if left out."
    )
    tgt_field: str | None = Field(None, min_length=1, description="Dotted path of the target text.")
    score_field: str | None = Field(
        None, min_length=1, description="Dotted path of a score, for the filter `score`."
    )
    on_error: OnError = Field("stop", description="At a bad line: stop, or skip it and count.")


class TmxSource(Options):
    """A translation memory; its units with both languages are pairs."""

    reader: Literal["tmx"]
    path: Path = Field(description=f"The file; {_PACKED}")


class XliffSource(Options):
    """XLIFF 1.2 or 2; units whose target is there and not marked as unfinished are pairs."""

    reader: Literal["xliff"]
    path: Path = Field(description=f"The file; {_PACKED}")


class PoSource(Options):
    """A gettext catalogue; messages that are translated and neither fuzzy nor obsolete are pairs."""

    reader: Literal["po"]
    path: Path = Field(description=f"The file; {_PACKED}")


class MonoSource(Options):
    """Text in one language; the other side of each pair is empty."""

    reader: Literal["mono"]
    path: Path = Field(description=f"The file; {_PACKED}")
    side: Literal["src", "tgt"] = Field("tgt", description="The side that the text is.")


class HuggingFaceSource(Options):
    """A data set that the package `datasets` reads; nothing is downloaded unless `name` is given."""

    reader: Literal["huggingface"]
    path: Path | None = Field(None, description="Local folder of the data set.")
    name: str | None = Field(None, min_length=1, description="Name on the Hub instead, such as wmt/wmt14.")
    revision: str | None = Field(
        None, min_length=1, description="Commit or tag on the Hub, so that the data stay the same."
    )
    config: str | None = Field(
        None, min_length=1, description="Configuration of the data set, such as fr-en."
    )
    split: str = Field("train", min_length=1, description="Split of the data set.")
    src_column: str | None = Field(
        None, min_length=1, description="Dotted path of the source text; translation.SRC_LANG if left out."
    )
    tgt_column: str | None = Field(None, min_length=1, description="Dotted path of the target text.")
    score_column: str | None = Field(
        None, min_length=1, description="Dotted path of a score, for the filter `score`."
    )
    streaming: bool = Field(True, description="Read without a copy on disk; else it is cached first.")
    on_error: OnError = Field("stop", description="At a bad row: stop, or skip it and count.")

    @model_validator(mode="after")
    def _one_place(self) -> HuggingFaceSource:
        if (self.path is None) == (self.name is None):
            raise ValueError("path or name must be given, and not both.")
        if self.name and not self.revision:
            raise ValueError("revision is missing: name the commit, so that the data stay the same.")
        if self.path and self.revision:
            raise ValueError("revision belongs to name: a local folder has none.")
        return self


class PhrasebookSource(Options):
    """Sentences that mtkit composes itself (en, fr, de, zh); needs no file and no network."""

    reader: Literal["phrasebook"]
    split: Literal["train", "valid", "test"] = Field("train", description="Splits never share a sentence.")
    pairs: int = Field(20_000, ge=1, description="How many pairs to compose.")
    seed: int = Field(1, ge=0, description="The same seed always gives the same sentences.")


_AnySource = (
    PlainSource
    | TsvSource
    | CsvSource
    | JsonlSource
    | TmxSource
    | XliffSource
    | PoSource
    | MonoSource
    | HuggingFaceSource
    | PhrasebookSource
)
Source = Annotated[_AnySource, Field(discriminator="reader")]


class CutSource(Options):
    """Pairs taken out of the training data, near twins with them; for validation and tests only."""

    reader: Literal["cut"]
    pairs: int = Field(ge=1, description="How many pairs to cut.")


HeldOutSource = Annotated[_AnySource | CutSource, Field(discriminator="reader")]


class EmptyFilter(Options):
    """Drops pairs with a side that has no text."""

    filter: Literal["empty"]


class LengthFilter(Options):
    """Drops pairs with a side outside these bounds, in characters."""

    filter: Literal["length"]
    min_chars: int = Field(1, ge=0, description="Shortest side to keep.")
    max_chars: int = Field(2000, ge=1, description="Longest side to keep.")


class IdenticalFilter(Options):
    """Drops pairs whose sides are the same text, but for case."""

    filter: Literal["identical"]
    min_words: int = Field(
        3, ge=1, description="Words that a side must have for that: a name or a code may stay as it is."
    )


class RatioFilter(Options):
    """Drops pairs of which one side says much more than the other, judged by size.

    Size is in characters; in Chinese, Japanese and Korean a character counts for about three.
    """

    filter: Literal["ratio"]
    max_ratio: float = Field(2.0, ge=1, description="Largest ratio of sizes to keep.")
    slack: int = Field(
        15, ge=0, description="Characters added to both sizes first, so that short pairs may differ."
    )


class SentencesFilter(Options):
    """Drops pairs whose larger side has more sentences, or is the only one that ends like a sentence.

    Not used between a language written with spaces and one without: they divide sentences differently.
    """

    filter: Literal["sentences"]
    max_ratio: float = Field(1.3, ge=1, description="Ratio of sizes, as in `ratio`, up to which that may be.")
    slack: int = Field(15, ge=0, description="Characters added to both sizes first.")


class ScriptFilter(Options):
    """Drops pairs with a side that is not text, or not in the script of its language."""

    filter: Literal["script"]
    min_letters: float = Field(
        0.25, ge=0, le=1, description="Letters among all characters, at least; Latin ones count everywhere."
    )
    min_share: float = Field(
        0.05, ge=0, le=1, description="Letters of the language's own script among all characters, at least."
    )


class WordsFilter(Options):
    """Drops pairs with a side that has lost its spaces; not used for languages written without them."""

    filter: Literal["words"]
    max_chars: int = Field(
        20, ge=1, description="Longest mean word to keep, in characters; half a word is granted."
    )


class GarbledFilter(Options):
    """Drops pairs with a side that was read in a wrong encoding, as in `Ã©`, or has U+FFFD."""

    filter: Literal["garbled"]


class MarkupFilter(Options):
    """Drops pairs with a side that is largely HTML tags and entities."""

    filter: Literal["markup"]
    max_share: float = Field(0.05, ge=0, le=1, description="Largest share of a side's characters to keep.")


class UrlsFilter(Options):
    """Drops pairs whose sides each have an address that the other lacks, or are addresses in the main."""

    filter: Literal["urls"]
    max_share: float = Field(0.5, ge=0, le=1, description="Largest share of a side's characters to keep.")


class NumbersFilter(Options):
    """Drops pairs whose sides each have a number that the other lacks."""

    filter: Literal["numbers"]
    min_digits: int = Field(
        2, ge=1, description="Shorter numbers are not looked at, since many are written as words."
    )


class RepetitionFilter(Options):
    """Drops pairs with a side that says the same words, or characters, over and over."""

    filter: Literal["repetition"]
    max_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Largest share of a side's word pairs that repeat an earlier one; of its runs of four "
        "characters where words have no spaces.",
    )


class LanguageFilter(Options):
    """Drops pairs with a side in another language, as py3langid sees it; needs `mtkit[langid]`."""

    filter: Literal["language"]
    min_probability: float = Field(
        0.1, ge=0, le=1, description="Of the right language, where another one is more likely."
    )
    min_chars: int = Field(20, ge=1, description="Shorter sides are not looked at.")


class ScoreFilter(Options):
    """Drops pairs whose score, from a column of the corpus, is too low; those without one are kept."""

    filter: Literal["score"]
    min_score: float = Field(description="Lowest score to keep.")


class DuplicateFilter(Options):
    """Drops repetitions of an earlier pair."""

    filter: Literal["duplicate"]
    side: Literal["both", "src", "tgt"] = Field("both", description="What must be equal.")
    fold: bool = Field(False, description="Ignore case, punctuation and spaces.")


class NearDuplicateFilter(Options):
    """Drops pairs that differ little from an earlier one, found by MinHash."""

    filter: Literal["near_duplicate"]
    similarity: float = Field(
        0.8, ge=0.3, le=0.99, description="Share of common letter runs (Jaccard) dropped about every time."
    )


class OverlapFilter(Options):
    """Drops training pairs with a side that also stands in validation or test data.

    Case, punctuation and spaces are ignored.
    """

    filter: Literal["overlap"]
    near: float | None = Field(
        0.75,
        ge=0.5,
        le=1,
        description="Share of common runs of five letters from which a side counts as the same; "
        "null for equal ones only.",
    )


class TokensFilter(Options):
    """Drops pairs with a side of more tokens than this, after segmentation."""

    filter: Literal["tokens"]
    max_tokens: int = Field(256, ge=1, description="Longest side to keep, in tokens.")


Filter = Annotated[
    EmptyFilter
    | LengthFilter
    | IdenticalFilter
    | RatioFilter
    | SentencesFilter
    | ScriptFilter
    | WordsFilter
    | GarbledFilter
    | MarkupFilter
    | UrlsFilter
    | NumbersFilter
    | RepetitionFilter
    | LanguageFilter
    | ScoreFilter
    | DuplicateFilter
    | NearDuplicateFilter
    | OverlapFilter
    | TokensFilter,
    Field(discriminator="filter"),
]

DEFAULT_FILTERS: tuple[Filter, ...] = (
    EmptyFilter(filter="empty"),
    LengthFilter(filter="length"),
    IdenticalFilter(filter="identical"),
    RatioFilter(filter="ratio"),
    SentencesFilter(filter="sentences"),
    ScriptFilter(filter="script"),
    WordsFilter(filter="words"),
    GarbledFilter(filter="garbled"),
    MarkupFilter(filter="markup"),
    UrlsFilter(filter="urls"),
    NumbersFilter(filter="numbers"),
    RepetitionFilter(filter="repetition"),
    DuplicateFilter(filter="duplicate"),
    OverlapFilter(filter="overlap"),
    TokensFilter(filter="tokens"),
)


def _parse_steps(value: object) -> object:
    """The number in text such as `20000 steps`; anything else is left for the type check."""
    found = re.fullmatch(r"(\d+) steps?", value) if isinstance(value, str) else None
    return int(found[1]) if found else value


class MixingStage(Options):
    """How much of the training data comes from which corpus, for a part of the training.

    The share of a corpus is its weight, raised to the power 1 / temperature, divided by the sum of all.
    """

    until: Annotated[int | None, BeforeValidator(_parse_steps)] = Field(
        None, ge=1, description="Step at which the next stage begins, such as 20000; none in the last."
    )
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="One for each corpus of `train`; their numbers of pairs if left out."
    )
    temperature: float = Field(
        1.0, gt=0, description="Above 1 small corpora come more often than their weights say."
    )


class DataConfig(Options):
    """Where the parallel text comes from and what is kept of it."""

    root: Path | None = Field(None, description="Relative paths in `data` start here.")
    src_lang: Language = Field(description="Language translated from, such as en.")
    tgt_lang: Language = Field(description="Language translated into, such as fr.")
    train: tuple[Source, ...] = Field(min_length=1, description="Training corpora.")
    valid: HeldOutSource = Field(
        description="Validation corpus: steers early stopping and the choice of checkpoints."
    )
    test: dict[str, HeldOutSource] = Field(default_factory=dict, description="Test sets by name.")
    filters: tuple[Filter, ...] = Field(
        DEFAULT_FILTERS, max_length=200, description="Applied to training pairs in this order."
    )
    mixing: tuple[MixingStage, ...] = Field(
        (), description="Stages of training that draw from the corpora; every pair once an epoch if empty."
    )
    num_workers: int | None = Field(
        None, ge=1, description="Processes that prepare; one per core if left out. Changes no result."
    )

    @model_validator(mode="after")
    def _mixing_fits(self) -> DataConfig:
        steps = [stage.until for stage in self.mixing]
        if steps and (steps[-1] is not None or None in steps[:-1]):
            raise ValueError("mixing: every stage but the last needs until, and the last has none.")
        bounds = [step for step in steps if step is not None]
        if bounds != sorted(set(bounds)):
            raise ValueError(f"mixing: until must rise from stage to stage, not {bounds}.")
        for stage in self.mixing:
            if stage.weights is not None and len(stage.weights) != len(self.train):
                raise ValueError(
                    f"mixing: {len(stage.weights)} weights for {len(self.train)} corpora. Give one for each."
                )
            if stage.weights is not None and not any(stage.weights):
                raise ValueError("mixing: a stage needs a weight above 0.")
        return self


class TokenizerConfig(Options):
    """The SentencePiece subword model, shared by both languages."""

    path: Path | None = Field(
        None, description="A tokenizer.model to use as it is; the other options then have no effect."
    )
    model_type: Literal["unigram", "bpe"] = Field("unigram", description="Segmentation algorithm.")
    vocab_size: int = Field(8000, ge=16, le=1_000_000, description="Pieces; fewer if the text gives no more.")
    character_coverage: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the text's characters that the vocabulary must spell. If left out: 0.9995 "
        "with Chinese, Japanese or Korean, else 1.",
    )
    byte_fallback: bool = Field(False, description="Spell unknown characters as bytes.")
    sample_pairs: int = Field(
        200_000, ge=1, description="Training pairs that the model is trained on; a million may take 3 GB."
    )
    num_threads: int = Field(4, ge=1, le=128, description="Fixed, since unigram pieces depend on it.")


# ---------------------------------------------------------------- model

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"d_model": 128, "d_ff": 512, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 3},
    "small": {"d_model": 256, "d_ff": 1024, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 3},
    "base": {},
    "big": {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "dropout": 0.3},
}
"""What each preset changes of the defaults of `ModelConfig`, which are `base`."""


class ModelConfig(Options):
    """The Transformer of Vaswani et al. 2017. A width left out comes from the preset."""

    preset: Literal["tiny", "small", "base", "big"] = Field(
        "base", description="Starting point of all sizes."
    )
    d_model: int = Field(512, ge=8, le=16384, description="Width of embeddings and layers.")
    d_ff: int = Field(2048, ge=8, le=65536, description="Inner width of the feed-forward layers.")
    num_heads: int = Field(8, ge=1, le=128, description="Attention heads.")
    num_encoder_layers: int = Field(6, ge=1, le=100, description="Encoder depth.")
    num_decoder_layers: int = Field(6, ge=1, le=100, description="Decoder depth.")
    dropout: Probability = Field(0.1, description="After embeddings and before each residual sum.")
    attention_dropout: Probability = Field(0.0, description="On attention weights.")
    activation_dropout: Probability = Field(0.0, description="Inside the feed-forward layers.")
    norm: Literal["pre", "post"] = Field(
        "pre", description="LayerNorm before each block, or after (the paper)."
    )
    activation: Literal["relu", "gelu"] = Field("relu", description="Of the feed-forward layers.")
    tie_embeddings: bool = Field(True, description="Source, target and output embeddings are one matrix.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        """Widths that are not given come from the preset."""
        if not isinstance(data, dict):
            return data
        preset = data.get("preset")
        return {**PRESETS.get(preset if isinstance(preset, str) else "", {}), **data}

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelConfig:
        if self.d_model % self.num_heads:
            fits = [n for n in range(1, 65) if self.d_model % n == 0]
            near = sorted(sorted(fits, key=lambda n: abs(n - self.num_heads))[:2])
            raise ValueError(
                f"num_heads = {self.num_heads} must divide d_model = {self.d_model}. "
                f"Try {' or '.join(map(str, near))}."
            )
        if self.d_model % 2:
            raise ValueError(f"d_model = {self.d_model} must be even. Try {self.d_model + 1}.")
        return self


# ---------------------------------------------------------------- train


class OptimizerConfig(Options):
    """AdamW and its learning-rate schedule."""

    lr: float = Field(1.0e-3, gt=0, description="Peak learning rate.")
    warmup_steps: int = Field(4000, ge=0, description="Steps of linear rise to the peak.")
    schedule: Literal["inverse_sqrt", "linear", "constant"] = Field(
        "inverse_sqrt",
        description="After warm-up: lr·√(warmup/step), a straight line to 0 at the end, or flat.",
    )
    cooldown: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Last share of the budget in which the rate falls to 0 in a straight line.",
    )
    betas: tuple[float, float] = Field((0.9, 0.98), description="Adam's decay rates.")
    eps: float = Field(1.0e-9, gt=0, description="Adam's epsilon.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay, on matrices only.")
    clip_norm: float = Field(1.0, ge=0, description="Largest norm of the whole gradient; 0 is no clipping.")


class TrainConfig(Options):
    """The training loop. Whichever of `max_steps`, `max_epochs`, `max_time` comes first ends it."""

    max_steps: int | None = Field(100_000, ge=1, description="Optimizer steps.")
    max_epochs: int | None = Field(None, ge=1, description="Passes through the data.")
    max_time: Duration | None = Field(None, description="Training time, resumed parts added up, such as 30m.")
    batch_tokens: int = Field(
        4096, ge=16, description="Target tokens per optimizer step, whatever the devices."
    )
    micro_batch_tokens: int | None = Field(
        None, ge=16, description="Target tokens that are computed at once; all of the step's if left out."
    )
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "auto", description="auto is bf16 where the hardware has it, else fp32."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto is cuda where there is one.")
    num_threads: int | None = Field(None, ge=1, description="CPU threads; torch's choice if left out.")
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
    best_metric: Literal["bleu", "chrf", "loss"] = Field(
        "bleu", description="What makes a checkpoint the best."
    )
    average: int = Field(5, ge=1, description="Best checkpoints averaged into the final model.")
    patience: int | None = Field(
        None, ge=1, description="Validations without a new best before stopping early."
    )
    log_every: int = Field(50, ge=1, description="Steps between lines in metrics.jsonl and TensorBoard.")
    tensorboard: bool = Field(True, description="Write TensorBoard events, if tensorboard is installed.")


# ---------------------------------------------------------------- decode, evaluate, everything


class DecodeConfig(Options):
    """How translations are searched for."""

    beam_size: int = Field(5, ge=1, le=256, description="Hypotheses kept per sentence; 1 is greedy.")
    length_penalty: float = Field(1.0, ge=0, description="A score is divided by length ^ this.")
    max_len_ratio: float = Field(2.0, gt=0, description="Longest output: this times the source length + 50.")
    batch_tokens: int = Field(4096, ge=1, description="Source tokens translated at once, beams included.")


Metric = Literal["bleu", "chrf", "ter"]


class EvaluateConfig(Options):
    """What `mtkit evaluate` reports."""

    metrics: tuple[Metric, ...] = Field(("bleu", "chrf"), min_length=1, description="Scores to compute.")


class Config(Options):
    """One run of mtkit, from raw text to scores."""

    run: Path = Field(description="Folder of everything that the run writes.")
    seed: int = Field(1, ge=0, le=2**32 - 1, description="All randomness is derived from it.")
    data: DataConfig
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    decode: DecodeConfig = Field(default_factory=DecodeConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)
