"""A run is identified by what it learns from, and its data are not replaced by others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mtkit.config.load import dump_config
from mtkit.config.schema import Config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.disk.files import marked_folder, write_text
from mtkit.disk.lock import only_writer
from mtkit.errors import InputError, MtkitError
from tests.support.preparations import make, sentences, snapshot, with_data, write


def trained(config: Config) -> Config:
    """Prepares the data, and pretends that the run was trained on them."""
    prepare(config)
    checkpoint = config.run / "checkpoints" / "step-00000005"
    marked_folder(checkpoint, "mtkit-model")
    write_text(checkpoint / "config.yaml", dump_config(config))
    progress = {"step": 5, "data": open_prepared(config).fingerprint}
    write_text(checkpoint / "progress.json", json.dumps(progress))
    return config


def contents(config: Config) -> dict[str, bytes]:
    """All files of the run except bookkeeping of locks."""
    found = snapshot(config.run)
    return {name: data for name, data in found.items() if "lock" not in name}


def refused(config: Config) -> str:
    before = contents(config)
    with pytest.raises(InputError) as caught:
        prepare(config)
    assert contents(config) == before
    return str(caught.value)


def test_other_training_data_are_refused_before_any_work_and_change_nothing(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    other = with_data(config, train=[write(tmp_path, "other", sentences(90, 700))])
    told = refused(other)
    assert "data.train.0: train0.src + train0.tgt → other.src + other.tgt" in told
    assert f"train.init_from={config.run}" in told
    assert "--from-scratch" in told
    assert "--replace-data" in told


def test_the_file_whose_content_differs_is_named(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    write(tmp_path / "corpora", "train0", sentences(101))
    told = refused(config)
    assert "train0.src + train0.tgt (data.train.0) have other content." in told


def test_renamed_and_moved_files_are_the_same_data(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    before = open_prepared(config).fingerprint
    moved = with_data(config, train=[write(tmp_path / "elsewhere", "renamed", sentences(100))])
    prepare(moved)
    assert open_prepared(moved).fingerprint == before


def test_a_new_or_changed_test_set_is_accepted_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = trained(make(tmp_path, sentences(100)))
    before = open_prepared(config).fingerprint
    write(tmp_path / "corpora", "test", sentences(21, 60_000))
    more = {
        **config.model_dump(mode="json")["data"]["test"],
        "two": write(tmp_path, "two", sentences(3, 900)),
    }
    extra = {"extra": write(tmp_path, "extra", sentences(3, 800))}
    changed = with_data(config, test=more, extra_valid=extra)
    prepare(changed)
    assert open_prepared(changed).fingerprint == before
    (note,) = [record.getMessage() for record in caplog.records if "the same" in record.getMessage()]
    assert "test.src + test.tgt (data.test.one) have other content" in note
    assert "data.test.two (two.src + two.tgt) is new" in note
    assert "data.extra_valid.extra (extra.src + extra.tgt) is new" in note


def test_a_test_set_that_takes_away_training_pairs_is_refused(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    told = refused(with_data(config, test={"one": write(tmp_path, "leak", sentences(5))}))
    assert "data.test.one: test.src + test.tgt → leak.src + leak.tgt" in told
    assert "other pairs are left for training" in told


def test_a_valid_set_decides_what_is_learned(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    told = refused(with_data(config, valid=write(tmp_path, "other", sentences(9, 50_000))))
    assert "data.valid: valid.src + valid.tgt → other.src + other.tgt" in told


def test_the_same_data_can_be_made_again(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    before = open_prepared(config).fingerprint
    shutil.rmtree(config.run / "data")
    prepare(config)
    prepare(config, force=True)
    assert open_prepared(config).fingerprint == before


def test_data_are_replaced_on_request_and_can_be_restored(tmp_path: Path) -> None:
    config = trained(make(tmp_path, sentences(100)))
    before = open_prepared(config).fingerprint
    other = with_data(config, filters=[{"filter": "length", "max_chars": 18}], max_dropped=1)
    assert "data.filters: without {filter: empty}" in refused(other)
    prepare(other, replace_data=True)
    assert open_prepared(other).fingerprint != before
    prepare(config)
    assert open_prepared(config).fingerprint == before


def test_data_are_not_replaced_under_a_running_training(tmp_path: Path) -> None:
    config = make(tmp_path, sentences(100))
    prepare(config)
    before = snapshot(config.run / "data")
    other = with_data(config, filters=[{"filter": "empty"}])
    with only_writer(config.run):
        assert prepare(config).up_to_date
        with pytest.raises(MtkitError, match="another process is training here"):
            prepare(other)
        assert snapshot(config.run / "data") == before
        prepare(other, locked=True)  # the training itself
    assert snapshot(config.run / "data") != before
