"""Text that the tokenizer cannot represent is counted, told, and refused if there is much of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared, read_ledger
from mtkit.data.prepare.unknown import unknown_pieces
from mtkit.errors import InputError
from tests.support.preparations import changed, make, sentences

FOREIGN = [(src, "箱には林檎と梨が入っている") for src, _ in sentences(40)]
KEEP_ALL = [{"filter": "empty"}]


def tokenizer_of(folder: Path) -> Path:
    """A tokenizer that knows Latin letters only."""
    config = make(folder, sentences(300))
    prepare(config)
    return config.run / "data" / "tokenizer.model"


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_of(tmp_path_factory.mktemp("latin"))


def test_the_count_is_that_of_the_unknown_id_on_each_side(latin: Path, tmp_path: Path) -> None:
    options = {"path": str(latin), "max_unknown": 1}
    config = make(tmp_path, sentences(300), FOREIGN, tokenizer=options, filters=KEEP_ALL)
    prepare(config)
    prepared = open_prepared(config)
    shard, unk = prepared.train[1], prepared.tokenizer.UNK
    tgts = [shard.tgt(number).tolist() for number in range(len(shard))]
    (found,) = unknown_pieces(read_ledger(config))
    assert (found.corpus, found.side) == ("train1.src + train1.tgt", "target (fr)")
    assert found.pieces == sum(map(len, tgts))
    assert found.unknown == sum(row.count(unk) for row in tgts) > 0
    report = json.loads((config.run / "data" / "report.json").read_text(encoding="utf-8"))
    assert report["ledger"]["rows"][1]["unknown"] == {"source (en)": 0, "target (fr)": found.unknown}
    assert "Pieces that the tokenizer cannot represent" in (config.run / "data" / "report.html").read_text(
        encoding="utf-8"
    )


def test_much_unknown_text_is_refused_with_the_ways_out(latin: Path, tmp_path: Path) -> None:
    config = make(tmp_path, FOREIGN, tokenizer={"path": str(latin)}, filters=KEEP_ALL)
    with pytest.raises(InputError, match=r"train0.tgt, target \(fr\): [0-9.]+% of [0-9,]+ pieces") as caught:
        prepare(config)
    for way in (
        "byte_fallback: true",
        "tokenizer.extend: true",
        "leave out tokenizer.path",
        "init_from",
        "tokenizer.max_unknown=1",
    ):
        assert way in str(caught.value)
    allowed = changed(config, tokenizer=config.tokenizer.model_copy(update={"max_unknown": 1.0}))
    assert not prepare(allowed).up_to_date
    assert prepare(config).up_to_date  # the option decides no byte of the data


def test_a_little_unknown_text_is_a_warning(
    latin: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make(tmp_path, [*sentences(300), *FOREIGN[:5]], tokenizer={"path": str(latin)}, filters=KEEP_ALL)
    prepare(config)
    (told,) = [record.getMessage() for record in caplog.records if "unknown" in record.getMessage()]
    assert "train0.src + train0.tgt, target (fr): 0." in told


def test_with_byte_fallback_nothing_is_unknown(tmp_path: Path) -> None:
    options = {"vocab_size": 400, "byte_fallback": True, "character_coverage": 0.98}
    config = make(tmp_path, [*sentences(300), *FOREIGN], tokenizer=options, filters=KEEP_ALL)
    prepare(config)
    assert list(unknown_pieces(read_ledger(config))) == []
