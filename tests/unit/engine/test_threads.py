from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mtkit.config.text import TextConfig
from mtkit.convert.ctranslate2 import MAX_POSITIONS
from mtkit.engine import ct2, native
from mtkit.engine.ct2 import AVX512, CTranslate2Engine
from mtkit.engine.native import limit_threads
from mtkit.engine.threads import Layout, layouts, machine_key, recall, remember
from mtkit.text.tokenizer import load_tokenizer
from tests.support.fakes import export_unchecked, make_tiny_run


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ct2, "num_cores", lambda: 4)


def test_layouts_use_all_cores_and_no_more() -> None:
    assert layouts(1) == [(1, 1)]
    assert layouts(2) == [(2, 1), (1, 2)]
    assert layouts(6) == [(6, 1), (3, 2), (1, 4)]
    assert str(Layout(2, 1)) == "2 workers of 1 thread"


def test_torch_uses_no_more_threads_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        monkeypatch.setattr(native, "num_cores", lambda: 4)
        limit_threads()
        assert torch.get_num_threads() == 3
        monkeypatch.setattr(native, "num_cores", lambda: 2)
        limit_threads()
        assert torch.get_num_threads() == 2
        limit_threads(4)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_what_was_measured_is_kept_for_this_machine_and_model() -> None:
    key, other = machine_key("a", 4), machine_key("b", 4)
    assert len({key, other, machine_key("a", 2)}) == 3
    assert recall(key, 4) is None
    remember(key, Layout(2, 2))
    remember(other, Layout(4, 1))
    assert (recall(key, 4), recall(other, 4)) == (Layout(2, 2), Layout(4, 1))
    remember(key, Layout(3, 1))  # of a machine that has other cores
    assert recall(key, 4) is None


def test_a_memory_that_cannot_be_used_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    remember("key", Layout(4, 1))
    assert recall("key", 4) is None


def test_a_large_decoding_finds_the_fastest_layout_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mtkit.config.decode import DecodeConfig

    make_tiny_run(tmp_path)
    model, export = tmp_path / "runs" / "tiny" / "model", tmp_path / "export"
    export_unchecked(model, export, "float32")
    tokenizer = load_tokenizer(model, TextConfig())
    monkeypatch.setattr(ct2, "MEASURED", 8)
    options = DecodeConfig(beam_size=1, max_len_ratio=0.1)
    srcs = [[4 + (i * j) % 9 for j in range(1 + i % 7)] for i in range(24)]

    def engine(layout: Layout | None = None, cores: int | None = None) -> CTranslate2Engine:
        return CTranslate2Engine(export, tokenizer, MAX_POSITIONS, layout=layout, cores=cores)

    expected = [hyps[0].ids for hyps in engine(Layout(1, 1)).decode(srcs, options)]
    measuring = engine()
    assert measuring._candidates == layouts(4)
    measuring.decode(srcs[:23], options)  # too few
    assert len(measuring._candidates) == 3
    assert [hyps[0].ids for hyps in measuring.decode(srcs, options)] == expected
    assert engine()._candidates == measuring._candidates == [measuring._layout]
    assert str(measuring._layout) in measuring.name
    assert engine(cores=2)._candidates == [(2, 1), (1, 2)]  # measured for other cores
    assert engine(cores=1).name.endswith("1 worker of 1 thread")


def test_without_scores_the_same_is_found(tmp_path: Path) -> None:
    from mtkit.config.decode import DecodeConfig

    make_tiny_run(tmp_path)
    model, export = tmp_path / "runs" / "tiny" / "model", tmp_path / "export"
    export_unchecked(model, export, "float32")
    tokenizer = load_tokenizer(model, TextConfig())
    srcs = [[4 + (i * j) % 9 for j in range(1 + i % 7)] for i in range(12)]

    def decode(beam_size: int, scores: bool) -> list[tuple[tuple[int, ...], float]]:
        engine = CTranslate2Engine(export, tokenizer, MAX_POSITIONS, layout=Layout(1, 1))
        hyps = engine.decode(srcs, DecodeConfig(beam_size=beam_size, max_len_ratio=0.1), scores=scores)
        return [(best.ids, best.score) for best, *_ in hyps]

    with_scores, without = decode(1, True), decode(1, False)
    assert [ids for ids, _ in without] == [ids for ids, _ in with_scores]
    assert all(math.isnan(score) for _, score in without)
    assert all(score < 0 for _, score in with_scores)
    assert decode(3, False) == decode(3, True)


@pytest.mark.parametrize(
    ("flags", "own", "chosen"),
    [(AVX512, None, "AVX512"), (AVX512, "AVX2", "AVX2"), (AVX512 - {"avx512_vnni"}, None, None)],
)
def test_ctranslate2_is_told_to_use_avx_512_where_that_is_faster(
    flags: frozenset[str], own: str | None, chosen: str | None
) -> None:
    script = f"""
import os
from mtkit.engine import ct2
ct2.cpu_flags = lambda: {sorted(flags)}
ct2.load_extension()
print(os.environ.get("CT2_FORCE_CPU_ISA"))
"""
    environ = {name: value for name, value in os.environ.items() if name != "CT2_FORCE_CPU_ISA"}
    environ |= {"CT2_FORCE_CPU_ISA": own} if own else {}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == f"{chosen}\n"
