from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mtkit.config.schema import Config
from mtkit.config.sources import PlainSource
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.data.prepare.shards import open_shard, write_shard
from mtkit.data.read.lines import read_lines
from mtkit.errors import InputError

IDS = st.lists(st.integers(0, (1 << 16) - 1), max_size=20)
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=30)


@given(pairs=st.lists(st.tuples(IDS, IDS)), vocab_size=st.sampled_from([1 << 16, 1 << 17]))
def test_a_shard_gives_back_its_pairs(pairs: list[tuple[list[int], list[int]]], vocab_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_shard(Path(folder, "shard"), pairs, {"vocab_size": vocab_size})
        shard = open_shard(Path(folder, "shard"))
        assert [(shard.src(n).tolist(), shard.tgt(n).tolist()) for n in range(len(shard))] == pairs
        assert shard.lengths.tolist() == [[len(src), len(tgt)] for src, tgt in pairs]


@given(st.lists(LINE))
def test_lines_come_back(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text")
        path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
        expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
        assert list(read_lines(path)) == expected


def config_of(folder: Path, train: Sequence[Sequence[tuple[str, str]]]) -> Config:
    corpora = {f"train{n}": pairs for n, pairs in enumerate(train)} | {"valid": [("0", "1"), ("", "")]}
    sources = {}
    for name, pairs in corpora.items():
        for side in (0, 1):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"{name}.{side}").write_bytes(text.encode())
        sources[name] = PlainSource(reader="plain", src=folder / f"{name}.0", tgt=folder / f"{name}.1")
    valid = sources.pop("valid")
    data = {"src_lang": "en", "tgt_lang": "fr", "train": tuple(sources.values()), "valid": valid}
    tokenizer = {"vocab_size": 600, "num_threads": 1, "byte_fallback": True}
    return Config.model_validate({"run": folder / "run", "data": data, "tokenizer": tokenizer})


# Few different characters, so that duplicates, overlaps and empty sides do occur.
SIDE = st.text("01 \x00\u2028\u00e9", max_size=4) | st.text("0", min_size=90, max_size=110) | LINE


@settings(max_examples=40)
@given(st.lists(st.lists(st.tuples(SIDE, SIDE)), min_size=1, max_size=3))
def test_kept_and_dropped_is_what_was_read(train: list[list[tuple[str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(Path(folder), train)
        try:
            report = prepare(config)
        except InputError as error:
            assert "were dropped" in error.message or "have no pairs" in error.message  # noqa: PT017
            return
        prepared = open_prepared(config)
        for row, pairs, shard in zip(report.ledger.rows, train, prepared.train, strict=True):
            assert row.read == len(pairs)
            assert row.kept == len(shard)
            assert row.kept + sum(row.dropped.values()) == row.read
