"""The matches of training and validation pairs, and that nothing is given away by them."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from mtkit.config.fixed import MAX_TOKENS
from mtkit.config.schema import Config
from mtkit.data.feed import loader
from mtkit.data.feed.loader import PairTable
from mtkit.data.prepare import matching, prepare, valid_shards
from mtkit.data.prepare.prepared import Prepared, open_prepared
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.errors import InputError, UsageError
from mtkit.text.subwords import SEPARATOR
from tests.support.preparations import WORDS, Pairs, bytes_of, make, with_data, write
from tests.support.similar import by_brute_force

MEMORY = {"threshold": 0.5}


def phrases(count: int, seed: int) -> Pairs:
    """Different pairs of some words, of which many are alike."""
    rng = random.Random(seed)
    found = {" ".join(rng.choices(WORDS[:8], k=rng.randint(2, 6))): None for _ in range(3 * count)}
    return [(text, text[::-1]) for text in list(found)[:count]]


def make_similar(folder: Path, **data: object) -> Config:
    valid = write(folder / "corpora", "similar", phrases(15, 2))
    return make(folder, phrases(60, 1), phrases(30, 3), valid=valid, **({"memory": MEMORY} | data))


def training_pairs(prepared: Prepared) -> Pairs:
    blocks = TrainingText(prepared.train, prepared.tokenizer).blocks()
    return [pair for srcs, tgts in blocks for pair in zip(srcs, tgts, strict=True)]


def test_each_match_is_the_most_similar_pair_with_another_source_and_target(tmp_path: Path) -> None:
    config = make_similar(tmp_path)
    report = prepare.prepare(config)
    prepared = open_prepared(config)
    pairs = training_pairs(prepared)
    assert prepared.matches is not None
    numbers = prepared.matches.numbers.tolist()
    for (src, tgt), number in zip(pairs, numbers, strict=True):
        # What may not be found is replaced by a text that is like nothing.
        others = [own[0] if own[1] != tgt else "" for own in pairs]
        expected = by_brute_force(others, src, 0.5, differing=True)
        assert number == (-1 if expected is None else expected.number)
        assert number < 0 or (pairs[number][0] != src and pairs[number][1] != tgt)
    assert report.matched_pairs == sum(number >= 0 for number in numbers) > 40


def test_validation_sources_end_with_the_targets_of_training_pairs(tmp_path: Path) -> None:
    config = make_similar(tmp_path)
    prepare.prepare(config)
    prepared = open_prepared(config)
    pairs, pieces = training_pairs(prepared), prepared.tokenizer.src.pieces
    matched = 0
    for number, src in enumerate(prepared.valid_srcs):
        others = [own[0] if own[1] != prepared.valid_refs[number] else "" for own in pairs]
        expected = by_brute_force(others, src, 0.5, differing=True)
        ids = prepared.valid.src(number).tolist()
        [plain] = prepared.tokenizer.encode([src])
        if expected is None:
            assert ids == plain
            continue
        matched += 1
        assert ids[: len(plain)] == plain
        assert pieces([ids[len(plain)]]) == [SEPARATOR]
        assert prepared.tokenizer.decode([ids[len(plain) + 1 :]]) == [pairs[expected.number][1]]
    assert matched > 5


def test_the_same_bytes_whatever_was_done_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 25)
    config = make_similar(tmp_path / "one")
    prepare.prepare(config)
    expected = bytes_of(config)
    done: list[Path] = []

    def work(task: matching.MatchTask) -> dict[str, int]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task.path)
        return match_part(task)

    match_part = matching.match_part
    again = make_similar(tmp_path / "two")
    monkeypatch.setattr(matching, "match_part", work)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(again)
    monkeypatch.setattr(matching, "match_part", match_part)
    assert len(list((again.run / "parts").glob("matches-*.npz"))) == 2
    prepare.prepare(again)
    assert bytes_of(again) == expected
    assert not list((again.run / "parts").glob("index-*"))


@pytest.mark.slow
def test_the_same_bytes_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_similar(tmp_path / "one", num_workers=1)
    prepare.prepare(config)
    monkeypatch.setattr(valid_shards, "ALONE", 0)
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 25)
    other = make_similar(tmp_path / "two", num_workers=2)
    prepare.prepare(other)
    assert bytes_of(config) == bytes_of(other)


def test_pairs_in_other_languages_are_no_matches(tmp_path: Path) -> None:
    both = phrases(40, 1)
    reverse = write(tmp_path / "corpora", "reverse", both) | {"reverse": True}
    forward = write(tmp_path / "corpora", "forward", both)
    config = with_data(make(tmp_path, []), train=[forward, reverse], memory=MEMORY, target_tags=True)
    prepare.prepare(config)
    prepared = open_prepared(config)
    assert prepared.matches is not None
    half = len(prepared.train[0])
    first, second = prepared.matches.numbers[:half], prepared.matches.numbers[half:]
    assert first.max() < half
    assert second[second >= 0].min() >= half
    assert (first >= 0).any()
    assert (second >= 0).any()


def test_each_epoch_gives_matches_to_the_other_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_similar(tmp_path)
    prepare.prepare(config)
    prepared = open_prepared(config)
    matches = prepared.matches
    assert matches is not None
    plain, table = PairTable(prepared.train), PairTable(prepared.train, matches)
    for epoch in (0, 1, 2):
        own = pickle.loads(pickle.dumps(table.at_epoch(epoch)))
        rows = np.arange(len(own.lengths))
        got, without = own.padded(rows), plain.padded(rows)
        assert (got.tgt_out == without.tgt_out).all()
        for row, match in enumerate(matches.numbers.tolist()):
            ids = got.src_ids[row][got.src_mask[row]].tolist()
            expected = without.src_ids[row][without.src_mask[row]].tolist()
            if match >= 0 and row % 2 == epoch % 2:
                tgt = without.tgt_in[match][1:]
                expected[-1:] = [matches.separator, *tgt[tgt > 0].tolist(), expected[-1]]
            assert ids == expected
            assert own.lengths[row, 0] == len(ids) - 1
    monkeypatch.setattr(loader, "MAX_TOKENS", int(plain.lengths[:, 0].min()) + 1)
    assert (PairTable(prepared.train, matches).lengths == plain.lengths).all()
    assert MAX_TOKENS == 512


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_similar(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="rapidfuzz is not installed"):
        prepare.prepare(config)
    monkeypatch.undo()
    prepare.prepare(config)
    path = config.run / "data" / "matches.bin"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"matches\.bin: 712 bytes, expected 720"):
        open_prepared(config)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tokenizer": {"separate": True}, "model": {"tie_embeddings": "tgt"}}, "tokenizer.separate"),
        ({"train": {"guided_alignment": 0.1}}, "train.guided_alignment"),
        ({"model": {"positions": "learned", "max_positions": 512}}, "model.max_positions = 512"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, values: dict[str, object], said: str) -> None:
    config = make_similar(tmp_path).model_dump(mode="json", exclude_unset=True)
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        Config.model_validate_json(json.dumps(config | values))
