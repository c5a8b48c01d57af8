"""What CTranslate2 is asked for on a CPU and on a GPU; no GPU is needed."""

from __future__ import annotations

import ctranslate2
import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.engine.ct2 import compute_type, most_tokens


@pytest.mark.parametrize(
    ("device", "beam_size", "batch_tokens", "expected"),
    [
        ("cpu", 1, None, 512),
        ("cpu", 5, None, 256),
        ("cuda", 1, None, 16_384),
        ("cuda", 5, None, 16_384),
        ("cuda", 5, 4000, 800),
        ("cpu", 5, 100_000, 256),
        ("cuda", 5, 4, 1),
    ],
)
def test_batches_suit_the_device_and_are_never_larger_than_the_options_say(
    device: str, beam_size: int, batch_tokens: int | None, expected: int
) -> None:
    options = DecodeConfig(beam_size=beam_size, batch_tokens=batch_tokens)
    assert most_tokens(device, options) == expected


def test_what_is_only_scored_has_one_hypothesis() -> None:
    assert most_tokens("cpu", DecodeConfig(beam_size=5), searched=False) == 512
    assert most_tokens("cuda", DecodeConfig(beam_size=5, batch_tokens=4000), searched=False) == 4000


def test_a_gpu_computes_in_float16_if_it_can() -> None:
    assert compute_type("cuda", {"float32", "int8_float16", "float16", "int8"}) == "float16"
    assert compute_type("cuda", {"float32", "int8", "int8_float32"}) == "default"
    assert compute_type("cpu", ctranslate2.get_supported_compute_types("cpu")) == "default"
    assert compute_type("cpu", {"float16"}) == "default"
