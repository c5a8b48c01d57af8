"""What two ranks that train one model send each other; see `tests.support.exchanges`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.ranks import run_ranks

Found = dict[str, list[Any]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What each of two ranks found, by name."""
    done = run_ranks(2, ["-m", "tests.support.exchanges"], tmp_path_factory.mktemp("ranks"))
    assert [rank.returncode for rank in done] == [0, 0], done[0].stderr + done[1].stderr
    ours, theirs = (json.loads(rank.stdout) for rank in done)
    return {name: [value, theirs[name]] for name, value in ours.items()}


@pytest.mark.parametrize("tied", ["all", "none"])
def test_gradients_are_summed_while_the_last_backward_pass_runs(tied: str, found: Found) -> None:
    assert found[tied] == [[True, True]] * 2


def test_a_rank_whose_memory_runs_out_amid_the_sum_sends_the_rest(found: Found) -> None:
    assert found["out of memory"] == [[True, [1, 2]]] * 2


def test_a_missing_gradient_counts_as_zero(found: Found) -> None:
    assert found["missing"] == [True, True]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_ranks_share_the_work_of_muon_and_get_the_bits_of_one(dtype: str, found: Found) -> None:
    assert found[dtype] == [[True, True]] * 2


def test_one_different_bit_of_a_weight_is_an_error(found: Found) -> None:
    said = "step 1,234: the weights of rank 1 differ from those of rank 0, so nothing was saved."
    assert found["checksum"] == [said, said]


@pytest.mark.parametrize("how", ["sharded", "packed"])
def test_layers_of_a_sharded_model_are_gathered_one_by_one(how: str, found: Found) -> None:
    assert found[how] == [[True, True, True]] * 2


def test_the_layer_whose_attention_is_trained_is_gathered_for_the_whole_step(found: Found) -> None:
    assert found["guided"] == [[False, False, True]] * 2


def test_sharded_weights_are_gathered_one_by_one_on_rank_0(found: Found) -> None:
    assert found["whole"] == [True, True]
