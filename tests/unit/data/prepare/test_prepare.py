from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import filelock
import pytest

from mtkit.config.schema import Config
from mtkit.data.prepare import prepare as module
from mtkit.data.prepare.clean_parts import SentenceCount
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import is_prepared, open_prepared
from mtkit.disk.manifest import manifest_bytes
from mtkit.disk.marks import write_mark
from mtkit.errors import InputError, MtkitError
from mtkit.text.normalize import normalize
from tests.support.preparations import Pairs, changed, make, sentences, snapshot, write


def test_what_is_prepared(tmp_path: Path) -> None:
    train = sentences(300)
    config = make(tmp_path, train)
    report = prepare(config)
    prepared = open_prepared(config)
    (shard,) = prepared.train
    decode = prepared.tokenizer.decode
    ids = [[shard.src(n).tolist(), shard.tgt(n).tolist()] for n in range(len(shard))]
    assert [tuple(decode(pair)) for pair in ids] == train
    assert not report.up_to_date
    assert (report.train_pairs, report.valid_pairs) == (300, 20)
    assert report.src_tokens == sum(len(ids) for ids in prepared.tokenizer.encode([src for src, _ in train]))
    assert report.tgt_tokens == sum(map(len, prepared.tokenizer.tgt.encode([tgt for _, tgt in train])))
    assert report.vocab_sizes == (prepared.tokenizer.src.size, prepared.tokenizer.tgt.size) == (120, 120)
    assert list(zip(prepared.valid_srcs, prepared.valid_refs, strict=True)) == sentences(20, 50_000)
    assert prepared.tokenizer.encode(prepared.valid_srcs)[3] == prepared.valid.src(3).tolist()


def test_the_ledger_counts_what_each_filter_drops(tmp_path: Path) -> None:
    clean = sentences(100)
    first = [*clean, clean[0], ("", "x"), ("x", " \t"), ("y" * 30, "z" * 31), ("short", "q" * 200)]
    second = [
        ("a\u2028b  c", "d"),
        ("a b c", "d"),
        sentences(1, 50_007)[0],
        ("new", sentences(1, 60_003)[0][1]),
    ]
    long = ("cat " * 30, "dog " * 20)
    filters = [
        {"filter": "empty"},
        {"filter": "ratio"},
        {"filter": "length", "min_chars": 3},
        {"filter": "duplicate"},
        {"filter": "overlap"},
        {"filter": "tokens", "max_tokens": 60},
        {"filter": "length", "max_chars": 30},
    ]
    config = make(tmp_path, first, [*second, long], sentences(5, 900), filters=filters, max_dropped=1)
    report = prepare(config)
    names = ["empty", "ratio", "length", "duplicate", "overlap", "tokens", "length-2"]
    assert [list(row.dropped) for row in report.ledger.rows] == [names] * 3
    assert [list(row.dropped.values()) for row in report.ledger.rows] == [
        [2, 1, 0, 1, 0, 0, 1],
        [0, 0, 2, 0, 2, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    assert [(row.read, row.kept) for row in report.ledger.rows] == [(105, 100), (5, 0), (5, 5)]
    assert [row.source for row in report.ledger.rows][1] == "train1.src + train1.tgt"
    assert [len(shard) for shard in open_prepared(config).train] == [100, 0, 5]


def test_tokens_are_counted_after_segmentation(tmp_path: Path) -> None:
    filters = [{"filter": "tokens", "max_tokens": 14}]
    config = make(tmp_path, [*sentences(200), ("cat dog " * 40, "x"), ("x", "qq" * 40)], filters=filters)
    report = prepare(config)
    (row,) = report.ledger.rows
    (shard,) = open_prepared(config).train
    assert row.dropped["tokens"] >= 2
    assert row.read == row.kept + row.dropped["tokens"] == 202
    assert len(shard) == row.kept
    assert shard.lengths.max() <= 14


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    one, two = make(tmp_path / "1", sentences(300)), make(tmp_path / "2", sentences(300))
    prepare(one)
    prepare(two)
    first, second = snapshot(one.run / "data"), snapshot(two.run / "data")
    del first["manifest.json"], second["manifest.json"]  # which know paths and times
    assert first == second
    assert open_prepared(one).fingerprint == open_prepared(two).fingerprint


def test_the_tokenizer_learns_from_a_sample_that_the_seed_decides(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(2000), tokenizer={"sample_pairs": 100})
    prints = []
    for seed in (1, 2, 1):
        prepare(changed(config, seed=seed))
        prints.append(open_prepared(changed(config, seed=seed)).tokenizer.fingerprint)
    assert prints[0] == prints[2] != prints[1]


# ---------------------------------------------------------------- up to date


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    first = prepare(config)
    before = {path: path.stat().st_mtime_ns for path in (config.run / "data").rglob("*")}
    second = prepare(config)
    assert second.up_to_date
    (row,) = first.ledger.rows
    assert second.ledger == first.ledger
    assert (row.source, row.read, row.kept) == ("train0.src + train0.tgt", 100, 100)
    assert {path: path.stat().st_mtime_ns for path in (config.run / "data").rglob("*")} == before
    assert is_prepared(config)


def test_force_does_it_again(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    assert not prepare(config, force=True).up_to_date


def test_what_does_not_matter_to_the_data_does_not_matter(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    other = changed(config, model=config.model.model_copy(update={"dropout": 0.3}))
    assert prepare(other).up_to_date


@pytest.mark.parametrize("part", ["seed", "tokenizer", "filters", "test"])
def test_other_options_are_noticed(part: str, tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    data = config.data
    others: dict[str, dict[str, Any]] = {
        "seed": {"seed": 2},
        "tokenizer": {"tokenizer": config.tokenizer.model_copy(update={"vocab_size": 100})},
        "filters": {"data": data.model_copy(update={"filters": data.filters[1:]})},
        "test": {"data": data.model_copy(update={"test": {}})},
    }
    other = others[part]
    assert not is_prepared(changed(config, **other))
    with pytest.raises(InputError, match="prepared with other options"):
        open_prepared(changed(config, **other))
    assert not prepare(changed(config, **other)).up_to_date


def test_a_changed_file_is_noticed_but_not_a_new_time(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    file = tmp_path / "corpora" / "train0.src"
    data = file.read_bytes()
    os.utime(file, (1, 1))
    assert is_prepared(config)
    file.write_bytes(data.replace(b"cat", b"cow"))
    with pytest.raises(InputError, match=r"train0\.src: has changed since"):
        open_prepared(config)
    assert not prepare(config).up_to_date


def test_the_run_folder_can_travel_without_the_corpora(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make(tmp_path / "here", sentences(100))
    prepare(config)
    there = json.loads(config.model_dump_json().replace(str(tmp_path / "here"), str(tmp_path / "there")))
    shutil.copytree(config.run, tmp_path / "there" / "run")
    moved = Config.model_validate_json(json.dumps(there))
    assert open_prepared(moved).fingerprint == open_prepared(config).fingerprint
    assert "train0.src: does not exist" in caplog.text


@pytest.mark.parametrize(
    "name", ["manifest.json", "tokenizer.model", "valid.src.txt", "train-000/ids.bin", "valid/manifest.json"]
)
def test_a_damaged_folder_is_refused_and_made_anew(name: str, tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    path = config.run / "data" / name
    good = snapshot(config.run / "data")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError):
        open_prepared(config)
    assert not prepare(config).up_to_date
    assert snapshot(config.run / "data") == good


def test_another_tokenizer_among_the_shards_is_refused(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    model = config.run / "data" / "tokenizer.model"
    other = make(tmp_path / "other", sentences(100, 7000))
    prepare(other)
    # Equal size, other content: only the fingerprint can tell.
    data = (other.run / "data" / "tokenizer.model").read_bytes()
    model.write_bytes(data)
    manifest = json.loads((config.run / "data" / "manifest.json").read_bytes())
    manifest["files"]["tokenizer.model"]["size"] = len(data)
    del manifest["digest"]
    (config.run / "data" / "manifest.json").write_bytes(manifest_bytes(manifest))
    with pytest.raises(InputError, match="do not match"):
        open_prepared(config)


def test_nothing_is_prepared_yet(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(10))
    assert not is_prepared(config)
    with pytest.raises(InputError, match="no prepared data") as caught:
        open_prepared(config)
    assert "mtkit prepare" in caught.value.hint


def test_another_format_version_is_refused_and_made_anew(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    path = config.run / "data" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"version": 99}))
    with pytest.raises(InputError, match="99"):
        open_prepared(config)
    assert not prepare(config).up_to_date


def test_sentences_of_the_sources_are_counted(tmp_path: Path) -> None:
    pairs = [
        (f"{src}. The end. It is over." if number % 4 == 0 else src, tgt)
        for number, (src, tgt) in enumerate(sentences(100))
    ]
    config = make(tmp_path, pairs)
    report = prepare(config)
    # 25 of them have three sentences
    assert report.sentences == SentenceCount(100, 1.5, 0.25)
    assert open_prepared(config).sentences == prepare(config).sentences == report.sentences
    page = json.loads((report.folder / "report.json").read_bytes())
    assert page["sentences"] == {"pairs": 100, "mean": 1.5, "several": 0.25}
    assert "1.50 sentences per pair; 25.0%" in (report.folder / "report.html").read_text("utf-8")


def test_data_whose_sentences_were_not_counted_can_be_used(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    path = config.run / "data" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    del manifest["sentences"], manifest["digest"]
    path.write_bytes(manifest_bytes(manifest))
    assert open_prepared(config).sentences is None
    assert prepare(config).up_to_date


# ---------------------------------------------------------------- faults


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    before = snapshot(config.run / "data")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_shard_pieces", full)
    with pytest.raises(MtkitError, match=r"data: cannot be written: No space left on device\.") as caught:
        prepare(config, force=True)
    assert caught.value.exit_code == 1
    assert snapshot(config.run / "data") == before
    assert prepare(config).up_to_date


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    left, somebody_s = config.run / f".tmp-data-{'0' * 32}", config.run / ".tmp-data-123"
    for folder in (left, somebody_s):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    write_mark(left, "mtkit-data", "0" * 32)
    assert not is_prepared(config)
    prepare(config)
    names = [".data.lock", ".mtkit", somebody_s.name, ".train.lock", "data", "parts"]
    assert sorted(path.name for path in config.run.iterdir()) == names


def test_a_second_process_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    with filelock.FileLock(config.run / ".data.lock"):
        done: list[bool] = []
        other = threading.Thread(target=lambda: done.append(prepare(config).up_to_date))
        other.start()
        while "waiting for another process" not in caplog.text:
            other.join(0.01)
            assert other.is_alive()
    other.join()
    assert done == [True]


@pytest.mark.parametrize("name", ["train0.src", "valid.tgt", "test.src"])
def test_a_missing_file_is_named_before_any_work(name: str, tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    (tmp_path / "corpora" / name).unlink()
    with pytest.raises(InputError, match=f"{name}: there is no such file") as caught:
        prepare(config, lambda *_: pytest.fail("it began"))
    assert "data.root" in caught.value.hint
    assert not (config.run / "data").exists()


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    (tmp_path / "corpora" / "train0.src").unlink()
    (tmp_path / "corpora" / "train0.src").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        prepare(config)


def test_unequal_sides(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    with (tmp_path / "corpora" / "train0.tgt").open("a") as file:
        file.write("one more\n")
    with pytest.raises(InputError, match=r"train0\.src: has 100 lines, but .*train0\.tgt has 101"):
        prepare(config)


def test_a_truncated_archive(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    packed = gzip.compress(b"some text\n" * 1000)
    (tmp_path / "corpora" / "train0.src").rename(tmp_path / "corpora" / "train0.src.gz")
    (tmp_path / "corpora" / "train0.src.gz").write_bytes(packed[:-9])
    (source,) = config.data.train
    gz = source.model_copy(update={"src": tmp_path / "corpora" / "train0.src.gz"})
    with pytest.raises(InputError, match=r"train0\.src\.gz: cannot be decompressed"):
        prepare(changed(config, data=config.data.model_copy(update={"train": (gz,)})))


@pytest.mark.parametrize(
    ("train", "filters", "message", "hint"),
    [
        ([], [], "the training corpora have no pairs", ""),
        (
            [("", "")] * 3,
            [{"filter": "empty"}],
            "all 3 pairs were dropped: empty dropped 3.",
            "change the filter empty",
        ),
        (
            [("a", "b"), ("", "c"), ("d", "e")],
            [{"filter": "empty"}, {"filter": "length", "min_chars": 5}],
            "all 3 pairs were dropped: empty dropped 1, length dropped 2.",
            "change the filter length (min_chars = 5, max_chars = 2000) in data.filters",
        ),
        (
            [("cat dog", "dog cat cat")],
            [{"filter": "tokens", "max_tokens": 1}],
            "all 1 pairs were dropped: tokens dropped 1.",
            "max_tokens = 1",
        ),
    ],
)
def test_nothing_left_says_why(
    train: Pairs, filters: list[dict[str, Any]], message: str, hint: str, tmp_path: Path
) -> None:
    config = make(tmp_path, train, filters=filters, tokenizer={"vocab_size": 20, "character_coverage": 1.0})
    with pytest.raises(InputError) as caught:
        prepare(config)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert not (config.run / "data").exists()


# ---------------------------------------------------------------- text as it comes


def test_validation_pairs_are_never_dropped_and_references_stay_raw(tmp_path: Path) -> None:
    valid = [
        ("", ""),
        ("e\u0301 \u2028 x", "\u00a0 raw\u2028ref\x0b e\u0301 \t"),
        ("x" * 50_000, "y"),
        ("\ufeff", "\x00"),
        sentences(1)[0],
        sentences(1)[0],
    ]
    config = make(tmp_path, sentences(100), valid=write(tmp_path / "corpora", "valid2", valid))
    prepare(config)
    prepared = open_prepared(config)
    assert len(prepared.valid) == len(valid)
    assert prepared.valid_srcs == [normalize(src) for src, _ in valid]
    assert prepared.valid_refs == [
        "",
        "raw\u2028ref\x0b e\u0301",
        "y",
        "\x00",
        sentences(1)[0][1],
        sentences(1)[0][1],
    ]
    assert prepared.valid.lengths[0].tolist() == [0, 0]


def test_an_empty_validation_set(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100), valid=write(tmp_path / "corpora", "valid2", []))
    with pytest.raises(InputError, match=r"^data\.valid: .* has no pairs"):
        prepare(config)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    last: dict[str, tuple[int, int | None]] = {}
    prepare(make(tmp_path, sentences(100)), lambda phase, done, total: last.update({phase: (done, total)}))
    assert last == {
        "reading valid.src + valid.tgt": (20, 20),
        "reading test.src + test.tgt": (20, 20),
        "reading train0.src + train0.tgt": (100, 100),
        "training the tokenizer": (100, 100),
        "encoding train0.src + train0.tgt": (100, 100),
        "encoding the validation set": (20, 20),
    }


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_it_says_when_the_vocabulary_is_smaller_than_asked_for(
    model_type: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mtkit")
    report = prepare(make(tmp_path, sentences(20), tokenizer={"vocab_size": 9000, "model_type": model_type}))
    [said] = [record.message for record in caplog.records if "vocab_size" in record.message]
    assert said.startswith(
        f"tokenizer.vocab_size = 9000 is more than this text gives: {report.vocab_sizes[0]} pieces."
    )
    assert ("bpe" in said) is (model_type == "unigram")


def test_it_says_nothing_of_a_vocabulary_that_it_chose(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mtkit")
    report = prepare(make(tmp_path, sentences(20), tokenizer={"vocab_size": "auto"}))
    assert report.vocab_sizes[0] < 1000
    assert "vocab_size" not in caplog.text
