"""Validation: independent of the run's method of search, and going on when memory runs out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest
import torch

from mtkit.config.decode import DecodeConfig
from mtkit.config.fixed import DecodeMethod
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import Prepared, open_prepared
from mtkit.engine.native import NativeEngine
from mtkit.model.transformer import build_model
from mtkit.train.objective import token_losses
from mtkit.train.validate import Validation, Validator
from tests.support.trainings import CONFIG

OF_METHOD: dict[DecodeMethod, dict[str, object]] = {
    "beam": {"patience": 3.0, "min_len": 7, "repetition_penalty": 3.0},
    "diverse_beam": {"beam_size": 5, "diversity_groups": 5},
    "sample": {"num_samples": 3},
    "mbr": {"top_p": 0.9},
}
"""Options of each method, and rules, that would change or stop a validation."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Prepared]:
    folder = tmp_path_factory.mktemp("validate")
    path = folder / "c.yaml"
    path.write_text(CONFIG, "utf-8")
    config = load_config([path], [f"run={folder / 'run'}", "data.valid.pairs=8"]).config
    prepare(config)
    return config, open_prepared(config)


def validated(
    run: tuple[Config, Prepared], decode: DecodeConfig, train: dict[str, object] | None = None
) -> Validation:
    config, prepared = run
    options = config.train.model_copy(update=train or {})
    config = config.model_copy(update={"decode": decode, "train": options})
    sizes = prepared.tokenizer.src.size, prepared.tokenizer.tgt.size
    model = build_model(config.model, *sizes, seed=4)
    found = Validator(config, prepared, torch.device("cpu"), torch.float32)(model, 0)
    assert found is not None
    return found


@pytest.mark.parametrize("method", get_args(DecodeMethod))
def test_the_method_of_the_run_does_not_change_its_validation(
    run: tuple[Config, Prepared], method: DecodeMethod
) -> None:
    options = DecodeConfig.model_validate({"method": method, **OF_METHOD[method]})
    assert validated(run, options) == validated(run, DecodeConfig())


# ---------------------------------------------------------------- out of memory


def fail_above(limit: int, of: Callable[[Any], int], compute: Callable[..., Any], tried: list[int]) -> Any:
    """`compute`, which runs out of memory if its second argument has a size `of` more than `limit`."""

    def limited(*args: Any, **options: Any) -> Any:
        tried.append(of(args[1]))
        if tried[-1] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return compute(*args, **options)

    return limited


def test_out_of_memory_halves_the_batches_of_the_loss(
    run: tuple[Config, Prepared], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = validated(run, DecodeConfig(), {"batch_tokens": 4096})
    tried: list[int] = []
    limited = fail_above(3, lambda batch: len(batch.src_ids), token_losses, tried)
    monkeypatch.setattr("mtkit.train.validate.token_losses", limited)
    found = validated(run, DecodeConfig(), {"batch_tokens": 4096})
    assert tried == [8, 4, 2, 2, 2, 2]
    # The same sums over another grouping of the pairs, in fp32.
    assert found.loss == pytest.approx(whole.loss, rel=1e-5)
    assert dataclasses.replace(found, loss=whole.loss) == whole
    assert "validation: out of memory. Each batch is now computed in 4 parts." in caplog.text


def test_out_of_memory_halves_the_batches_that_are_translated(
    run: tuple[Config, Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = validated(run, DecodeConfig())
    tried: list[int] = []
    limited = fail_above(3, len, NativeEngine.decode, tried)
    monkeypatch.setattr(NativeEngine, "decode", limited)
    assert validated(run, DecodeConfig()) == whole
    assert tried == [8, 4, 2, 2, 2, 2]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("shapes")])
def test_what_halving_cannot_help_is_raised(
    run: tuple[Config, Prepared], error: RuntimeError, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fail(_: object, batch: Any, *__: object) -> Sequence[torch.Tensor]:
        tried.append(len(batch.src_ids))
        raise error

    monkeypatch.setattr("mtkit.train.validate.token_losses", fail)
    with pytest.raises(RuntimeError, match=str(error)):
        validated(run, DecodeConfig(), {"batch_tokens": 4096})
    assert tried == ([8, 4, 2, 1] if isinstance(error, torch.OutOfMemoryError) else [8])
