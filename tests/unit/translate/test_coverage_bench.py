"""The figures of `scripts/bench/coverage`, a little below what was measured."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from mtkit.runs.word_table import MAX_BYTES, parse_table
from mtkit.train.word_lexicon import bounded_bytes
from mtkit.translate.coverage import Coverage
from tests.support.corpora import REPOSITORY

DATA = REPOSITORY.parent / "shared" / "data"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "hallucinations").is_dir(), reason="needs ../shared/data/hallucinations")
def test_detached_translations_are_told_from_others() -> None:
    loader = SourceFileLoader("bench_coverage", str(REPOSITORY / "scripts" / "bench" / "coverage"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    bench = module_from_spec(spec)
    loader.exec_module(bench)
    content = bounded_bytes(bench.learned(DATA))
    assert len(content) <= MAX_BYTES
    found = bench.measure(DATA, Coverage(parse_table(content, Path("lexicon.bin"))))
    for part, least in (("odd", 0.89), ("all", 0.90)):
        assert found[part][0] > least
        assert found[part][1] > 0.4
