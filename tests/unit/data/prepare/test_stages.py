"""prepare as a pipeline: workers, interruptions and the order of changes do not change its bytes."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.schema import Config
from mtkit.data.clean.folding import fold
from mtkit.data.prepare import prepare as module
from mtkit.data.prepare import stages
from mtkit.data.prepare.inspect import read_rejected
from mtkit.data.prepare.mono import sample
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared, read_test, verify_prepared
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.errors import InputError
from tests.support.preparations import Counted, Pairs, bytes_of, changed, make, sentences, write

FILTERS: list[dict[str, Any]] = [
    {"filter": "empty"},
    {"filter": "length", "max_chars": 40},
    {"filter": "duplicate"},
    {"filter": "overlap", "near": None},
    {"filter": "tokens", "max_tokens": 60},
]


def corpus(count: int, seed: int) -> Pairs:
    """Pairs with repetitions, empty sides, long ones and some that stand in the validation set."""
    rng = random.Random(seed)
    usual = sentences(count, 1000 * seed)
    odd = [("", "x"), ("y" * 50, "z"), *sentences(3, 50_000)]
    return [rng.choice(odd) if rng.random() < 0.1 else rng.choice(usual) for _ in range(count)]


def config_of(folder: Path, *more: Pairs, **data: Any) -> Config:
    return make(folder, corpus(300, 1), corpus(200, 2), *more, filters=FILTERS, **data)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "PAIRS_IN_PART", 64)


@pytest.fixture
def _processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets other processes work from the first task on."""
    monkeypatch.setattr(module, "ALONE", 0.0)


def workers(config: Config, count: int) -> Config:
    return changed(config, data=config.data.model_copy(update={"num_workers": count}))


def test_what_is_kept_is_what_a_simple_loop_keeps(tmp_path: Path) -> None:
    config = workers(config_of(tmp_path), 1)
    prepare(config)
    prepared = open_prepared(config)
    held_out = {fold(text) for pair in sentences(20, 50_000) + sentences(20, 60_000) for text in pair}
    seen: set[tuple[str, str]] = set()
    for shard, pairs in zip(prepared.train, (corpus(300, 1), corpus(200, 2)), strict=True):
        expected = []
        for src, tgt in pairs:
            if not src or not tgt or max(len(src), len(tgt)) > 40 or (src, tgt) in seen:
                continue
            seen.add((src, tgt))
            if not {fold(src), fold(tgt)} & held_out:
                expected.append((src, tgt))
        decode = prepared.tokenizer.decode
        found = [tuple(decode([shard.src(n).tolist(), shard.tgt(n).tolist()])) for n in range(len(shard))]
        assert found == expected


@pytest.mark.usefixtures("_processes")
def test_the_number_of_workers_changes_no_byte(tmp_path: Path) -> None:
    config = config_of(tmp_path, valid={"reader": "cut", "pairs": 15})
    found = []
    for count in (1, 2, 3):
        prepare(workers(config, count), force=True)
        found.append(bytes_of(config))
    assert found[0] == found[1] == found[2]


def test_every_pair_is_accounted_for(tmp_path: Path) -> None:
    config = workers(config_of(tmp_path, valid={"reader": "cut", "pairs": 15}), 1)
    report = prepare(config)
    rejected = list(read_rejected(config.run / "data" / "rejected.tsv.gz"))
    read = corpus(300, 1) + corpus(200, 2)
    total = report.ledger.total()
    assert total.read == total.kept + len(rejected) == len(read) == 500
    assert total.dropped["cut to valid"] == 15
    for reason, count in total.dropped.items():
        assert sum(name == reason for name, _ in rejected) == count
    for _, example in rejected:
        name, _, line = example.origin.rpartition(":")
        first = 0 if name.endswith("train0.src") else 300
        assert read[first + int(line) - 1] == (example.src, example.tgt)
    assert all(row.is_balanced for row in report.ledger.rows)
    with gzip.open(config.run / "data" / "rejected.tsv.gz") as file:
        assert file.readline() == b"filter\torigin\tdetail\tsrc\ttgt\n"


# ---------------------------------------------------------------- going on


class StopHereError(Exception):
    pass


@pytest.mark.usefixtures("_processes")
@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupted_run_goes_on(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = workers(config_of(tmp_path / "whole"), count)
    prepare(whole)
    expected = bytes_of(whole)
    config = workers(config_of(tmp_path / "whole"), count)
    config = changed(config, run=tmp_path / "stopped")
    calls = 0

    def stop_at(limit: int) -> Callable[[str, int, int | None], None]:
        def progress(phase: str, done: int, total: int | None) -> None:
            nonlocal calls
            calls += 1
            if calls == limit:
                raise StopHereError

        return progress

    kept: dict[Path, int] = {}
    for limit in (2, 4, 7, 10, 13):
        calls = 0
        with pytest.raises(StopHereError):
            prepare(config, stop_at(limit))
        assert not (config.run / "data").exists()
        now = {path: path.stat().st_mtime_ns for path in (config.run / "parts").rglob("*.npz")}
        assert kept.items() <= now.items(), "a part was made twice"
        kept = now
    assert len(kept) > 6
    prepare(config)
    assert bytes_of(config) == expected


def test_adding_a_corpus_cleans_only_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(workers(config_of(tmp_path), 1))
    counted = Counted(monkeypatch)
    more = workers(config_of(tmp_path, corpus(100, 3)), 1)
    prepare(more)
    cleaned, tokenizers, encoded = counted.take()
    assert cleaned == 2  # of 64 and 36 pairs
    assert (tokenizers, encoded) == (1, 5 + 4 + 2)  # whose text the tokenizer has seen
    fresh = changed(more, run=tmp_path / "fresh")
    prepare(fresh)
    assert bytes_of(more) == bytes_of(fresh)


def test_with_a_given_tokenizer_only_the_new_corpus_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workers(config_of(tmp_path), 1)
    prepare(first)
    given = tmp_path / "given.model"
    given.write_bytes((first.run / "data" / "tokenizer.model").read_bytes())
    tokenizer = first.tokenizer.model_copy(update={"path": given})
    prepare(changed(first, tokenizer=tokenizer))
    counted = Counted(monkeypatch)
    more = changed(workers(config_of(tmp_path, corpus(100, 3)), 1), tokenizer=tokenizer)
    prepare(more)
    assert counted.take() == (2, 0, 2)
    assert open_prepared(more).tokenizer.src.model_bytes == given.read_bytes()
    given.write_bytes(given.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"given\.model: has changed since"):
        open_prepared(more)


def test_a_changed_filter_redoes_what_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = workers(config_of(tmp_path), 1)
    prepare(config)
    counted = Counted(monkeypatch)

    def with_filter(index: int, **update: Any) -> Config:
        filters = list(config.data.filters)
        filters[index] = filters[index].model_copy(update=update)
        return changed(config, data=config.data.model_copy(update={"filters": tuple(filters)}))

    prepare(with_filter(4, max_tokens=30))
    assert counted.take() == (0, 0, 9)
    prepare(with_filter(1, max_chars=45))  # which no pair is between
    assert counted.take() == (9, 0, 9)
    prepare(with_filter(1, max_chars=22))
    assert counted.take() == (9, 1, 9)
    prepare(changed(with_filter(1, max_chars=22), seed=2))
    assert counted.take() == (0, 1, 0)  # the sample is all there is, so the tokenizer is the same


def test_parts_can_be_deleted(tmp_path: Path) -> None:
    config = workers(config_of(tmp_path), 1)
    prepare(config)
    expected = bytes_of(config)
    for path in (config.run / "parts").rglob("000001.npz"):
        path.unlink()
    (config.run / "data" / "manifest.json").unlink()
    prepare(config)
    assert bytes_of(config) == expected


def test_a_damaged_part_is_noticed(tmp_path: Path) -> None:
    config = workers(config_of(tmp_path), 1)
    prepare(config)
    (path,) = [path for path in (config.run / "parts").rglob("000000.npz") if path.stat().st_size][:1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (config.run / "data" / "manifest.json").unlink()
    for file in (config.run / "parts").glob("encoded-*"):
        file.unlink()
    with pytest.raises(InputError, match="damaged") as caught:
        prepare(config)
    assert "--force" in caught.value.hint
    prepare(config, force=True)


# ---------------------------------------------------------------- splits and looking after it


def test_splits_are_cut_from_the_training_pairs(tmp_path: Path) -> None:
    cuts = {"valid": {"reader": "cut", "pairs": 15}, "test": {"own": {"reader": "cut", "pairs": 10}}}
    config = workers(config_of(tmp_path, **cuts), 1)
    report = prepare(config)
    prepared = open_prepared(config)
    valid = list(zip(prepared.valid_srcs, prepared.valid_refs, strict=True))
    test = [(pair.src, pair.tgt) for pair in read_test(config, "own")]
    assert (report.valid_pairs, len(valid), len(test)) == (15, 15, 10)
    decode = prepared.tokenizer.decode
    train = [
        tuple(decode([shard.src(n).tolist(), shard.tgt(n).tolist()]))
        for shard in prepared.train
        for n in range(len(shard))
    ]
    everything = set(corpus(300, 1) + corpus(200, 2))
    assert set(valid) | set(test) <= everything
    for side in (0, 1):
        texts = [{fold(pair[side]) for pair in pairs} for pairs in (train, valid, test)]
        assert not texts[0] & texts[1]
        assert not texts[0] & texts[2]
        assert not texts[1] & texts[2]
    again = changed(config, run=tmp_path / "again")
    prepare(again)
    assert bytes_of(again) == bytes_of(config)


def test_one_sided_text_teaches_the_tokenizer_and_makes_no_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = workers(config_of(tmp_path), 1)
    prepare(plain)
    (tmp_path / "mono").write_text("zymurgy zymurgy\n" * 500 + "\n")
    values = changed(plain, run=tmp_path / "with").model_dump(mode="json")
    values["data"]["train"].insert(1, {"reader": "mono", "path": str(tmp_path / "mono"), "side": "tgt"})
    config = Config.model_validate_json(json.dumps(values))
    report = prepare(config)
    prepared = open_prepared(config)
    assert [row.read for row in report.ledger.rows] == [300, 200]
    assert len(prepared.train) == 2

    def pieces_of(config: Config) -> int:
        tokenizer = open_prepared(config).tokenizer
        ((_, ids),) = tokenizer.encode_pairs([("a", "zymurgy")])
        return len(ids)

    assert pieces_of(config) < pieces_of(plain)
    counted = Counted(monkeypatch)
    (tmp_path / "mono").write_text("quixotic\n" * 500)
    prepare(config)
    assert counted.take() == (0, 1, 9)  # nothing is cleaned anew


def test_a_sample_has_each_item_as_often_as_another() -> None:
    rng = random.Random(5)
    drawn = [item for _ in range(4000) for item in sample("abcdef", 2, rng)]
    assert all(1200 < drawn.count(item) < 1470 for item in "abcdef")  # 1333 ± 4.5 deviations
    assert sample("ab", 5, rng) == ["a", "b"]


def test_a_test_set_from_files_is_read_from_them(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert [(pair.src, pair.tgt) for pair in read_test(config, "one")] == sentences(20, 60_000)


def test_verifying_compares_contents(tmp_path: Path) -> None:
    config = workers(config_of(tmp_path), 1)
    prepare(config)
    assert verify_prepared(config) == len(bytes_of(config))
    path = config.run / "data" / "train-001" / "ids.bin"
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    open_prepared(config)
    with pytest.raises(InputError, match=r"ids\.bin: its content has changed since it was written"):
        verify_prepared(config)


def test_two_corpora_of_one_name_stay_apart(tmp_path: Path) -> None:
    pairs = sentences(10)
    config = make(tmp_path, pairs, filters=[])
    other = write(tmp_path / "elsewhere", "train0", sentences(5, 100))
    values = config.model_dump(mode="json")
    values["data"]["train"] = [values["data"]["train"][0], {**values["data"]["train"][0], **other}]
    report = prepare(Config.model_validate_json(json.dumps(values)))
    assert [row.read for row in report.ledger.rows] == [10, 5]


def test_an_existing_tokenizer_is_extended_for_the_text(tmp_path: Path) -> None:
    first = workers(config_of(tmp_path), 1)
    prepare(first)
    given = first.run / "data" / "tokenizer.model"
    before, old = given.read_bytes(), open_prepared(first).tokenizer
    odd = [(f"`{src}` ~ Ω", f"{tgt} — é") for src, tgt in corpus(300, 3) if src and len(src) < 30]

    def config_with(run: str, **tokenizer: Any) -> Config:
        options = {"path": str(given), **tokenizer}
        config = make(tmp_path, odd, tokenizer=options, filters=FILTERS, target_tags=True)
        return workers(changed(config, run=tmp_path / run), 1)

    with pytest.raises(InputError, match="has no piece <2fr>") as caught:
        prepare(config_with("unchanged"))
    assert "tokenizer.extend: true" in caught.value.hint
    config = config_with("extended", extend=True)
    report = prepare(config)
    assert given.read_bytes() == before
    assert not any(count for row in report.ledger.rows for count in row.unknown.values())
    prepared = open_prepared(config)
    new = prepared.tokenizer.src
    assert new.pieces(range(old.src.size)) == old.src.pieces(range(old.src.size))
    assert {*new.pieces(range(old.src.size, new.size))} == {*"`~Ω—é", "<2fr>"}
    ids = prepared.train[0].src(0).tolist()
    assert new.tags == ("2fr",)
    assert prepared.tokenizer.decode([ids]) == [odd[0][0]]
    assert prepare(config).up_to_date
    # Another share of the characters is another tokenizer.
    less = config_with("extended", extend=True, character_coverage=0.96, max_unknown=1)
    prepare(less)
    assert old.src.size < open_prepared(less).tokenizer.src.size < new.size


def test_separate_tokenizers_get_the_characters_of_their_side(tmp_path: Path) -> None:
    def separate(config: Config, run: str, **tokenizer: Any) -> Config:
        values = workers(config, 1).model_dump(mode="json", exclude_defaults=True)
        values |= {"run": str(tmp_path / run), "model": {"tie_embeddings": "none"}}
        values["tokenizer"] |= {"separate": True, **tokenizer}
        return Config.model_validate_json(json.dumps(values))

    first = separate(config_of(tmp_path), "first")
    prepare(first)
    odd = [(f"`{src}", f"{tgt} é") for src, tgt in corpus(200, 3) if src and len(src) < 30]
    config = separate(make(tmp_path / "odd", odd), "second", path=str(first.run / "data"), extend=True)
    prepare(config)
    old, new = open_prepared(first).tokenizer, open_prepared(config).tokenizer
    assert new.src.pieces(range(old.src.size, new.src.size)) == ["`"]
    assert new.tgt.pieces(range(old.tgt.size, new.tgt.size)) == ["é"]


def test_a_target_tag_is_prepared_before_each_target(tmp_path: Path) -> None:
    plain = workers(config_of(tmp_path), 1)
    prepare(plain)
    config = changed(plain, decode=plain.decode.model_copy(update={"target_tag": "fr"}))
    with pytest.raises(InputError, match="was prepared with other options"):
        open_prepared(config)
    prepare(config)
    prepared = open_prepared(config)
    [tag] = prepared.tokenizer.target_tag_ids(["fr"])
    for shard in (*prepared.train, prepared.valid):
        assert len(shard) > 10
        assert all(shard.tgt(number)[0] == tag != shard.src(number)[0] for number in range(len(shard)))
    # Those who read the text of shards see no tag.
    texts = [tgt for _, tgts in TrainingText(prepared.train, prepared.tokenizer).blocks() for tgt in tgts]
    prepare(plain)
    before = open_prepared(plain)
    assert texts == [tgt for _, tgts in TrainingText(before.train, before.tokenizer).blocks() for tgt in tgts]
