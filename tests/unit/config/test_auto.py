from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtkit.config.auto import (
    ENOUGH,
    MEMORISED,
    SIZES,
    Budget,
    Choice,
    Given,
    as_in,
    choose_vocab_size,
    given_by,
    is_auto,
    settle,
    size_for,
)
from mtkit.config.auto import choose as choose_by_tokens
from mtkit.config.load import dump_config, load_config
from mtkit.config.model import ModelConfig, num_parameters
from mtkit.config.schema import Config
from tests.support.corpora import REPOSITORY

BASE = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook}]
  valid: {reader: phrasebook, split: valid}
"""
NUMBERS = (1, 500, 5_000, 10_000, 10_001, 20_000, 100_000, 400_000, 1_000_000, 5_000_000, 50_000_000)


def config(folder: Path, text: str = "", *overrides: str) -> Config:
    path = folder / "auto.yaml"
    path.write_text(BASE + text, "utf-8")
    return load_config([path], overrides).config


def choose(num_pairs: int, has_gpu: bool, budget: Budget | None = None) -> list[Choice]:
    """For pairs of twenty target tokens."""
    return choose_by_tokens(num_pairs, 20 * num_pairs, has_gpu, budget)


def chosen(num_pairs: int, has_gpu: bool) -> dict[str, Any]:
    return {choice.key: choice.value for choice in choose(num_pairs, has_gpu)}


@pytest.mark.parametrize("has_gpu", [False, True])
def test_more_pairs_never_get_a_smaller_model_or_a_stronger_dropout(tmp_path: Path, has_gpu: bool) -> None:
    auto = config(tmp_path, "model: auto\ntrain: auto\n")
    for fewer, more in itertools.pairwise(NUMBERS):
        small = settle(auto, choose(fewer, has_gpu))[0]
        large = settle(auto, choose(more, has_gpu))[0]
        assert num_parameters(small.model, 8000, 8000) <= num_parameters(large.model, 8000, 8000)
        assert small.model.dropout >= large.model.dropout
        assert small.train.batch_tokens <= large.train.batch_tokens
        assert choose_vocab_size(fewer, many_characters=False) <= choose_vocab_size(
            more, many_characters=True
        )


@pytest.mark.parametrize("num_pairs", NUMBERS)
def test_a_gpu_gets_no_less(num_pairs: int) -> None:
    cpu, gpu = chosen(num_pairs, False), chosen(num_pairs, True)
    assert cpu["model.d_model"] <= gpu["model.d_model"]
    assert cpu["train.batch_tokens"] <= gpu["train.batch_tokens"]


def test_every_choice_is_a_valid_option_with_a_reason(tmp_path: Path) -> None:
    auto = config(tmp_path, "model: auto\ntrain: auto\n")
    for num_pairs, has_gpu in itertools.product(NUMBERS, (False, True)):
        settled, taken = settle(auto, choose(num_pairs, has_gpu))
        assert all(choice.reason for choice in taken)
        for choice in taken:
            section, _, name = choice.key.rpartition(".")
            value: Any = settled
            for part in section.split("."):
                value = getattr(value, part)
            assert getattr(value, name) == choice.value
    assert [size.pairs for size in SIZES[:-1]] == sorted(size.pairs or 0 for size in SIZES[:-1])


def test_what_the_config_gives_stays(tmp_path: Path) -> None:
    auto = config(tmp_path, "model: {preset: auto, dropout: 0.15}\ntrain: auto\n", "train.optimizer.lr=0.01")
    settled, taken = settle(auto, choose(5_000, False))
    assert (settled.model.dropout, settled.train.optimizer.lr) == (0.15, 0.01)
    assert settled.train.optimizer.schedule == "linear"
    assert not {"model.dropout", "train.optimizer.lr"} & {choice.key for choice in taken}


@pytest.mark.parametrize(
    ("text", "given", "method"),
    [
        ("model: {preset: base}", Given(512), "adamw"),
        ("model: {preset: auto, d_model: 1024}", Given(1024), "adamw"),
        ("model: {preset: tiny}", Given(128), "muon"),
        ("model: {preset: small}", Given(256), "muon"),
        ("model: auto", Given(), "muon"),
    ],
)
@pytest.mark.parametrize("optimizer", [None, "adamw", "muon", "schedule_free"])
def test_the_rate_is_that_of_the_width_and_the_optimizer(
    tmp_path: Path, text: str, given: Given, method: str, optimizer: str | None
) -> None:
    overrides = [f"train.optimizer.method={optimizer}", "train.optimizer.schedule=constant"]
    auto = config(tmp_path, f"{text}\ntrain: auto\n", *(overrides if optimizer else []))
    found = given_by(auto)
    assert found == replace(given, method=optimizer)
    choices = choose_by_tokens(100_000, 2_000_000, False, Budget(120, 1e11, 1), found)
    settled = settle(auto, choices)[0].train.optimizer
    assert settled.method == (optimizer or method)
    narrow = {"adamw": 2.0e-3, "muon": 5.0e-3, "schedule_free": 8.0e-3}[settled.method]
    assert settled.lr == pytest.approx(narrow * {512: 0.35, 1024: 0.25}.get(given.d_model or 0, 1.0))


def test_a_model_in_shares_gets_an_optimizer_that_can_be_shared(tmp_path: Path) -> None:
    auto = config(tmp_path, "model: auto\ntrain: {preset: auto, parallel: fsdp}\n")
    choices = choose_by_tokens(5_000, 100_000, False, Budget(60, 1e11, 1), given_by(auto))
    optimizer = settle(auto, choices)[0].train.optimizer
    assert (optimizer.method, optimizer.lr) == ("adamw", 2.0e-3)
    whole = choose(5_000, False, Budget(60, 1e11, 1))  # such as those of a run that was resumed in shares
    assert {choice.key: choice.value for choice in whole}["train.optimizer.method"] == "muon"
    assert settle(auto, whole)[0].train.optimizer.method == "adamw"


def test_a_method_with_an_average_of_its_own_gets_no_other(tmp_path: Path) -> None:
    optimizer = "optimizer: {method: schedule_free, schedule: constant}"
    auto = config(tmp_path, f"train: {{preset: auto, {optimizer}}}\n")
    settled, _ = settle(auto, choose(50_000, False))
    assert (settled.train.ema, settled.train.optimizer.schedule) == (0.0, "constant")


def test_padding_for_the_sake_of_attention_dropout_is_told() -> None:
    for pairs, has_gpu, told in ((50_000, True, True), (50_000, False, False), (200_000, True, False)):
        choices = {choice.key: choice for choice in choose(pairs, has_gpu)}
        assert ("padded" in choices["model.attention_dropout"].reason) == told


def test_a_model_that_was_trained_without_dropout_gets_none() -> None:
    """Students of Marian do not bear any: 0.2 raised the loss of one from 1.8 to 13.8."""
    for dropout, expected in ((0.0, 0.0), (0.1, chosen(5_000, False)["model.dropout"])):
        found = as_in(ModelConfig(dropout=dropout), choose(5_000, False))
        assert [choice.value for choice in found if choice.key == "model.dropout"] == [expected]
        keys = [choice.key for choice in found]
        assert len(keys) == len({*keys})
    assert expected > 0


def test_the_warm_up_is_a_tenth_of_the_steps_that_are_given() -> None:
    for steps in (40, 3_000, 100_000):
        choices = choose_by_tokens(5_000, 100_000, False, given=Given(max_steps=steps))
        found = {choice.key: choice.value for choice in choices}
        assert found["train.optimizer.warmup_steps"] == min(4_000, steps / 10)
        assert found["train.validate_every"] <= max(100, steps / 15)


def test_a_budget_of_time_is_the_only_budget(tmp_path: Path) -> None:
    auto = config(tmp_path, "train: auto\n", "train.max_time=30m")
    settled, taken = settle(auto, choose(5_000, False))
    assert settled.train.max_time == 1800
    assert "train.max_steps" not in {choice.key for choice in taken}
    assert settled.model == auto.model


def value(key: str, num_pairs: int, minutes: float) -> Any:
    """The choice for this much time where matrix products come at 100 GFLOP/s."""
    choices = choose(num_pairs, False, Budget(60 * minutes, 1e11, 1))
    return next(choice.value for choice in choices if choice.key == key)


def width(num_pairs: int, minutes: float) -> int:
    return int(value("model.d_model", num_pairs, minutes))


def seconds_per_token() -> float:
    """Of `small` with 2,000 pieces, in a run."""
    # Three layers each, by hand: weights of attention and feed-forward, biases, norms; and the embedding.
    encoder, decoder = 4 * 256**2 + 2 * 256 * 1024 + 1280 + 1024, 8 * 256**2 + 2 * 256 * 1024 + 1280 + 1536
    flop_per_token = 6 * (3 * (encoder + decoder) + 1024 + 2000 * 256)
    # A tenth for validation. Beside products 50 µs of a thread, and 0.115 µs for each layer and its width.
    return 1.1 * (flop_per_token / 1e11 + 50e-6 + 0.115e-6 * 6 * 256)


def test_the_width_follows_the_time_by_the_arithmetic_of_training() -> None:
    pairs = 5_000
    enough = size_for(pairs).epochs / ENOUGH * 20 * pairs * seconds_per_token() / 60  # minutes
    assert [width(pairs, 1.01 * enough), width(pairs, 0.99 * enough)] == [256, 128]
    assert width(pairs, 1e6) == width(pairs, 1.01 * enough)
    assert width(100_000, 0.99 * enough) == 128


def test_dropout_is_low_until_the_data_are_seen_often() -> None:
    """5,000 pairs, 13 passes: chrF 36.8 with dropout 0.1, 33.6 with 0.3 and attention dropout 0.1."""
    pairs = 5_000
    often = size_for(pairs).epochs / MEMORISED * 20 * pairs * seconds_per_token() / 60  # minutes
    for minutes, low in ((0.8 * often, True), (0.99 * often, True), (1.01 * often, False), (1e6, False)):
        expected = (0.1, 0.0) if low else (0.3, 0.1)
        found = [value(f"model.{name}", pairs, minutes) for name in ("dropout", "attention_dropout")]
        assert tuple(found) == expected


def test_a_run_that_is_short_warms_up_and_averages_shortly_and_drops_little() -> None:
    short = {choice.key: choice.value for choice in choose(100_000, False, Budget(120, 1e11, 1))}
    long = chosen(100_000, False)
    seconds_per_token = 1.1 * (6 * 2_412_544 / 1e11 + 50e-6 + 0.115e-6 * 6 * 128)
    steps = 120 / seconds_per_token / short["train.batch_tokens"]
    assert short["train.max_steps"] == round(steps)
    assert short["train.optimizer.warmup_steps"] < steps / 4 < long["train.optimizer.warmup_steps"]
    assert 1 / (1 - short["train.ema"]) < steps / 10
    assert (short["model.dropout"], long["model.dropout"]) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("preset", "vocab", "rate", "threads", "tokens_per_second"),
    [  # measured by whole runs, or by updates alone times 1.1 for validation (docs/benchmarks.md)
        ("tiny", 8_000, 205e9, 1, 5_795 * 2_048 / 2_640),  # an EPYC in bf16, a whole run
        ("tiny", 6_000, 1_310e9, 1, 1e3 / 0.158 / 1.1),  # a Xeon with AMX in bf16
        ("tiny", 6_000, 207e9, 1, 1e3 / 0.196 / 1.1),  # the same in fp32
        ("small", 6_000, 1_560e9, 1, 1e3 / 0.209 / 1.1),
        ("small", 6_000, 214e9, 1, 1e3 / 0.379 / 1.1),
        ("small", 8_000, 1_550e9, 1, 2_800 * 2_048 / 1_800),  # with muon in bf16, a whole run
        ("base", 6_000, 1_570e9, 1, 1e3 / 0.952 / 1.1),
    ],
)
def test_the_estimate_of_the_speed_is_near_what_was_measured(
    preset: str, vocab: int, rate: float, threads: float, tokens_per_second: float
) -> None:
    """Where products are nearly free, as with AMX, a share of their rate was wrong by a factor of nine."""
    assert Budget(1, rate, threads).tokens(preset, vocab) == pytest.approx(tokens_per_second, rel=0.25)


def test_a_fast_machine_is_not_taken_for_one_that_does_everything_fast() -> None:
    slow, fast = (Budget(1800, rate, 2).tokens("tiny", 4_000) for rate in (4e11, 2.5e12))
    assert fast < 1.5 * slow
    assert Budget(1, 1e12, 2).tokens("base", 8_000) == pytest.approx(
        2**0.6 * Budget(1, 1e12 / 2**0.6, 1).tokens("base", 8_000)
    )


@pytest.mark.parametrize("spelled", ["model: auto\n", "model: {preset: auto}\n"])
def test_both_spellings_mean_the_same_and_take_overrides(tmp_path: Path, spelled: str) -> None:
    auto = config(tmp_path, spelled, "model.d_ff=512")
    assert is_auto(auto)
    assert settle(auto, choose(5_000, False))[0].model.d_ff == 512
    assert not is_auto(config(tmp_path))
    assert config(tmp_path, "", "model=auto", "model.d_ff=512").model == auto.model


def test_a_settled_config_leaves_nothing_open_when_it_is_read_again(tmp_path: Path) -> None:
    settled, _ = settle(config(tmp_path, "model: auto\ntrain: auto\n"), choose(5_000, False))
    path = tmp_path / "settled.yaml"
    path.write_text(dump_config(settled), "utf-8")
    again = load_config([path]).config
    assert settle(again, choose(50_000_000, True)) == (again, [])
    assert again == settled


def test_the_docs_show_the_table() -> None:
    text = (REPOSITORY / "docs/training.md").read_text("utf-8")
    for size in SIZES:
        upto = "more" if size.pairs is None else f"{size.pairs:,}"
        batches = " / ".join(f"{tokens:,}" for tokens in size.batch_tokens)
        dropout = ", ".join(f"{share:g}" for share in size.dropout)
        cells = (upto, f"{size.vocab_size:,}", " / ".join(size.preset), dropout, batches, str(size.epochs))
        assert f"| {' | '.join(cells)} |" in text


@pytest.mark.parametrize(
    "given",
    [
        {"num_heads": 6},
        {"num_heads": 12, "positions": "rope"},
        {"num_kv_heads": 3},
        {"num_kv_heads": 2, "positions": "rope"},
        {"d_model": 200},
        {"d_model": 300},
        {"d_model": 10},
        {"d_model": 300, "num_kv_heads": 5},
        {"d_model": 300, "num_heads": 10, "num_kv_heads": 5},
    ],
)
@pytest.mark.parametrize("num_pairs", [500, 5_000_000])
def test_what_auto_chooses_fits_what_is_given(tmp_path: Path, given: dict[str, Any], num_pairs: int) -> None:
    auto = config(tmp_path, yaml.safe_dump({"model": {"preset": "auto", **given}}))
    settled, choices = settle(auto, choose(num_pairs, has_gpu=False))
    assert given.items() <= settled.model.model_dump().items()
    again = config(tmp_path, yaml.safe_dump({"model": settled.model.model_dump() | {"preset": "base"}}))
    assert again.model.d_head == settled.model.d_model // settled.model.num_heads
    for choice in choices:
        assert getattr(settled.model, choice.key.removeprefix("model.")) == choice.value


def test_a_model_that_is_auto_has_a_vocabulary_that_is_auto(tmp_path: Path) -> None:
    assert config(tmp_path, "model: auto\n").tokenizer.vocab_size == "auto"
    assert config(tmp_path, "model: {preset: auto, dropout: 0.1}\n").tokenizer.vocab_size == "auto"
    assert config(tmp_path, "", "model=auto").tokenizer.vocab_size == "auto"
    assert config(tmp_path, "model: auto\ntokenizer: {vocab_size: 500}\n").tokenizer.vocab_size == 500
    assert config(tmp_path, "model: auto\ntokenizer: {path: a.model}\n").tokenizer.vocab_size == 8000
    assert config(tmp_path, "train: auto\n").tokenizer.vocab_size == 8000
    stored = config(tmp_path, "model: auto\n")
    (tmp_path / "stored.yaml").write_text(dump_config(stored), "utf-8")
    assert load_config([tmp_path / "stored.yaml"]).config == stored
