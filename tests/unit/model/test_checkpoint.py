from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mtkit.config.load import load_config
from mtkit.disk import calls as disk
from mtkit.errors import InputError, MtkitError, WriteError
from mtkit.model.checkpoint import (
    keep_only,
    load_model,
    load_train_state,
    newest_checkpoint,
    set_weights,
    step_folder,
    step_folders,
    weights_of,
    write_model,
)
from mtkit.runs.exports import read_export
from mtkit.runs.training import Training
from mtkit.translate.open import open_translator
from tests.support.fakes import export_unchecked, make_tiny_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return load_config([make_tiny_run(tmp_path)]).config.run / "model"


def write_step(folder: Path, run: Path, step: int) -> Path:
    loaded = load_model(folder)
    target = step_folder(run / "checkpoints", step)
    state = {"exp_avg.x": torch.tensor([float(step)])}
    weights = weights_of(loaded.model)
    write_model(
        target,
        loaded.config,
        loaded.tokenizer,
        weights,
        training=Training(step),
        train_state=state,
        progress={"step": step},
    )
    return target


@pytest.mark.parametrize("value", [None, 1, 1.25])
def test_the_sentences_per_pair_are_kept(folder: Path, tmp_path: Path, value: float | None) -> None:
    first = load_model(folder)
    assert first.sentences_per_pair is None
    weights, copy = weights_of(first.model), tmp_path / "copy"
    write_model(copy, first.config, first.tokenizer, weights, training=Training(3), sentences_per_pair=value)
    assert load_model(copy).sentences_per_pair == value
    export_unchecked(copy, tmp_path / "export", "int8")
    assert read_export(tmp_path / "export").sentences_per_pair == value


def test_how_the_model_was_trained_is_kept_and_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, weak = load_model(folder), Training(16, 2000, finished=False, bleu=0.3)
    copy, export = tmp_path / "copy", tmp_path / "export"
    write_model(copy, first.config, first.tokenizer, weights_of(first.model), training=weak)
    export_unchecked(copy, export, "int8")
    assert load_model(copy).training == read_export(export).training == weak
    for place in (copy, export):
        caplog.clear()
        open_translator(place)
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            f"{place}: unfinished: step 16 of 2,000",
            f"{place}: BLEU 0.3 on its validation set: not usable yet",
        ]


@pytest.mark.parametrize("value", [0.5, float("nan"), True, "1", [1], 1e300])
def test_no_number_of_sentences_is_refused(folder: Path, tmp_path: Path, value: float) -> None:
    first = load_model(folder)
    weights, copy = weights_of(first.model), tmp_path / "copy"
    write_model(copy, first.config, first.tokenizer, weights, training=Training(3), sentences_per_pair=value)
    with pytest.raises(InputError, match="expected a number from 1"):
        load_model(copy)


def test_what_is_written_is_loaded(folder: Path, tmp_path: Path) -> None:
    first = load_model(folder)
    write_model(
        tmp_path / "copy", first.config, first.tokenizer, weights_of(first.model), training=Training(3)
    )
    second = load_model(tmp_path / "copy")
    assert second.config == first.config
    assert second.tokenizer.fingerprint == first.tokenizer.fingerprint
    assert not second.model.training
    for name, weight in weights_of(first.model).items():
        assert torch.equal(weights_of(second.model)[name], weight)


def test_whoever_may_read_the_config_may_read_the_weights(folder: Path) -> None:
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def test_a_model_folder_needs_nothing_else(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "m"
    moved.parent.mkdir()
    folder.rename(moved)
    assert load_model(moved).folder == moved
    assert not list(moved.glob("*.pt"))
    assert not list(moved.glob("*.pkl"))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "config.yaml"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_noticed(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    with pytest.raises(InputError, match=name):
        load_model(folder)


def test_a_later_format_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": 99}), "utf-8")
    with pytest.raises(InputError, match="mtkit-model 99"):
        load_model(folder)


def test_other_weights_are_refused_by_name(folder: Path) -> None:
    model = load_model(folder).model
    weights = dict(weights_of(model))
    weights["tgt_embedding.weight"] = torch.zeros(3, 3)
    with pytest.raises(InputError, match=r"here: weight tgt_embedding.weight is \[3, 3\]"):
        set_weights(model, weights, "here")
    del weights["tgt_embedding.weight"]
    with pytest.raises(InputError, match=r"tgt_embedding.weight is missing"):
        set_weights(model, weights, "here")


def test_the_newest_whole_checkpoint_is_found(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "r"
    assert newest_checkpoint(run) == (None, [])
    older, newer = write_step(folder, run, 90), write_step(folder, run, 1000)
    assert newest_checkpoint(run) == (newer, [])
    assert load_train_state(newer)[1] == {"step": 1000}
    with (newer / "train.safetensors").open("r+b") as file:
        file.truncate(10)
    found, reasons = newest_checkpoint(run)
    assert found == older
    assert len(reasons) == 1
    assert "step-00001000" in reasons[0]


def test_only_what_is_kept_stays(folder: Path, tmp_path: Path) -> None:
    folders = [write_step(folder, tmp_path, step) for step in (1, 2, 3)]
    keep_only(tmp_path / "checkpoints", folders[1:])
    assert step_folders(tmp_path / "checkpoints") == folders[1:]


def test_a_failed_write_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(28, "No space left on device")

    loaded = load_model(folder)
    monkeypatch.setattr(disk, "write", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    target = tmp_path / "checkpoints" / "step-00000005"
    needs = r"No space left on device, ([\d,]+) bytes are needed, 1,000 are free, ([\d,]+) are missing"
    with pytest.raises(WriteError, match=needs) as caught:
        write_model(target, loaded.config, loaded.tokenizer, weights_of(loaded.model), training=Training(5))
    needed, missing = (int(found.replace(",", "")) for found in re.findall(needs, str(caught.value))[0])
    assert missing == needed - 1000
    # Four bytes a weight, and the two texts; the header and the manifest come on top, here a large part.
    real = sum(
        (folder / name).stat().st_size for name in ("model.safetensors", "tokenizer.model", "config.yaml")
    )
    assert needed == pytest.approx(real, rel=0.2)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_what_is_not_finite_is_not_written(folder: Path, tmp_path: Path) -> None:
    loaded = load_model(folder)
    for bad in (float("nan"), float("inf")):
        weights = {name: weight.clone() for name, weight in weights_of(loaded.model).items()}
        weights["encoder_norm.weight"][3] = bad
        with pytest.raises(MtkitError, match=r"encoder_norm\.weight contains NaN or infinity"):
            write_model(tmp_path / "m", loaded.config, loaded.tokenizer, weights, training=Training(5))
    assert not (tmp_path / "m").exists()
