"""`mtkit import`: a run folder that can be used, or exit 3 and nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mtkit.config.load import load_config
from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.errors import UsageError
from mtkit.model.checkpoint import load_model
from tests.support.commands import mtkit
from tests.support.foreign import EN, FR, write_fairseq, write_opus
from tests.support.marian import write_marian, write_shortlist

TEXT = "the cat sat on the mat.\nis it late, or early?\n"


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opus(tmp_path_factory.mktemp("opus"))


def test_an_imported_run_translates_and_is_exported(opus: Path, tmp_path: Path) -> None:
    done = mtkit("import", str(opus), "-o", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "--keep-vocabulary keeps them" in done.stderr
    assert "--tag fra" in done.stderr
    origin = json.loads((tmp_path / "run/model/origin.json").read_text("utf-8"))
    assert origin["licence"] == {"README.md": "license: cc-by-4.0"}
    assert {"config.json", "vocab.json", "source.spm", "target.spm", "model.safetensors"} <= {
        *origin["files"]
    }
    native = mtkit("translate", "-m", "run", "--engine", "native", "--tag", "fra", cwd=tmp_path, input=TEXT)
    assert native.returncode == 0, native.stderr
    assert native.stdout.count("\n") == 2
    done = mtkit("export", "run", "--to", "ctranslate2", "--quantization", "float32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    fast = mtkit(
        "translate", "-m", "run", "--engine", "ctranslate2", "--tag", "fra", cwd=tmp_path, input=TEXT
    )
    assert fast.stdout == native.stdout
    again = mtkit("import", str(opus), "-o", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert "there is a model in it" in again.stderr


def test_what_cannot_be_imported_leaves_nothing(opus: Path, tmp_path: Path) -> None:
    done = mtkit("import", ".", "-o", "run", cwd=tmp_path)
    assert done.returncode == 3
    assert "no known model" in done.stderr
    done = mtkit("import", str(opus), "-o", "run", "--src-lang", "?", cwd=tmp_path)
    assert done.returncode == 2
    assert "--src-lang: '?' is no language code" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_a_training_goes_on_from_an_imported_model(opus: Path, tmp_path: Path) -> None:
    """With the options of the imported model, among them the bias of its logits."""
    import_model(ImportRequest(opus, tmp_path / "run"), lambda _: None)
    stored = load_config([tmp_path / "run/model/config.yaml"]).config
    for name, lines in (("en", EN), ("fr", FR)):
        (tmp_path / f"own.{name}").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    own = {"reader": "plain", "src": "own.en", "tgt": "own.fr"}
    values = {
        "run": "tuned",
        "data": {"src_lang": "en", "tgt_lang": "fr", "train": [own], "valid": own, "filters": []},
        "tokenizer": {"path": "run/model", "separate": True},
        "model": stored.model.model_dump(mode="json"),
        "train": {
            "init_from": "run",
            "max_steps": 4,
            "device": "cpu",
            "average": 1,
            "average_of": "last",
            "optimizer": {"schedule": "constant", "warmup_steps": 0, "lr": 1e-3},
        },
        "export": {"to": []},
    }
    (tmp_path / "tuned.yaml").write_text(json.dumps(values), "utf-8")
    done = mtkit("train", "tuned.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = (load_model(tmp_path / name / "model").model for name in ("run", "tuned"))
    assert not torch.equal(before.output.bias, after.output.bias)
    torch.testing.assert_close(before.output.bias, after.output.bias, rtol=0, atol=0.1)


def test_a_model_in_marians_own_files_translates_with_its_shortlist(tmp_path: Path) -> None:
    write_marian(tmp_path / "student", "intgemm8")
    write_shortlist(tmp_path / "student", 20, [[] for _ in range(128)])
    done = mtkit("import", "student", "-o", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "the files do not say the language" in done.stderr
    languages = "--src-lang", "en", "--tgt-lang", "fr"
    for run, more in (("run", ()), ("whole", ("--keep-vocabulary",))):
        done = mtkit("import", "student", "-o", run, *languages, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert ("in its shortlist" in done.stderr) == (run == "run")
    origin = json.loads((tmp_path / "run/model/origin.json").read_text("utf-8"))
    assert {*origin["files"]} == {"model.enfr.bin", "vocab.enfr.spm", "lex.50.50.enfr.s2t.bin"}
    assert load_model(tmp_path / "run/model").config.model.dropout == 0.0
    found = [mtkit("translate", "-m", run, cwd=tmp_path, input=TEXT) for run in ("run", "whole")]
    assert [done.returncode for done in found] == [0, 0]
    assert found[0].stdout != found[1].stdout
    content = (tmp_path / "student/model.enfr.bin").read_bytes()
    (tmp_path / "student/model.enfr.bin").write_bytes(content[:-999])
    done = mtkit("import", "student", "-o", "other", *languages, cwd=tmp_path)
    assert done.returncode == 3
    assert "model.enfr.bin: is not a valid file of Marian" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_model_of_many_languages_is_imported_for_a_pair(tmp_path: Path) -> None:
    write_fairseq(tmp_path / "nllb", "nllb")
    (tmp_path / "nllb/tokenizer_config.json").unlink()
    lost = mtkit("import", "nllb", "-o", "run", "--src-lang", "en", cwd=tmp_path)
    assert (lost.returncode, (tmp_path / "run").exists()) == (2, False)
    assert "--tgt-lang: the model has many languages." in lost.stderr
    with pytest.raises(UsageError, match="--tgt-lang: the model has no language 'de'"):
        import_model(ImportRequest(tmp_path / "nllb", tmp_path / "run", "en", "de"), lambda _: None)
    done = mtkit("import", "nllb", "-o", "run", "--src-lang", "en", "--tgt-lang", "fr", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--tag fra_Latn --tag 2eng_Latn" in done.stderr
    config = load_config([tmp_path / "run/model/config.yaml"]).config
    assert (config.decode.tags, config.decode.target_tag) == (("eng_Latn",), "fra_Latn")
    assert config.data.tags_of(config.data.valid) == ("eng_Latn",)
