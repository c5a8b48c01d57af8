"""Only what mtkit has made is deleted or replaced: the cases that once went wrong, each with its way out."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.disk import files
from mtkit.disk.files import atomic_folder, marked_folder, recover, remove_own_folder
from mtkit.disk.marks import MARK, claim, read_mark, release, write_mark
from mtkit.errors import UsageError
from mtkit.model.checkpoint import keep_only, step_folders
from mtkit.runs.layout import forget_training, inside, open_run
from tests.support.corpora import REPOSITORY
from tests.support.fakes import make_tiny_run

CONFIG = """\
run: {run}
data:
  src_lang: en
  tgt_lang: fr
  train: [{{reader: tsv, path: {corpus}}}]
  valid: {{reader: phrasebook, split: valid, pairs: 5}}
tokenizer: {{vocab_size: 60, model_type: bpe}}
"""
ONE_MODULE = {"disk/calls.py"}
"""Where files are deleted, renamed and created."""


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def config(folder: Path, run: str, corpus: str = "t.tsv") -> Path:
    path = folder / corpus
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"the cat {n}\tle chat {n}\n" for n in "abcdefghijklmnop"), "utf-8")
    (folder / "c.yaml").write_text(CONFIG.format(run=run, corpus=corpus), "utf-8")
    return folder / "c.yaml"


# ---------------------------------------------------------------- run folders


@pytest.mark.parametrize("mark", ["parts/engine.step", "checkpoints/x", "best/x", "metrics.jsonl", ".mtkit"])
def test_a_folder_of_the_user_s_is_no_run(mark: str, tmp_path: Path) -> None:
    path = config(tmp_path, ".", "data/raw/t.tsv")
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).write_text("x", "utf-8")
    for command in ("prepare", "train"):
        result = run(command, path)
        assert result.exit_code == 2, result.output
    assert (tmp_path / mark).read_text("utf-8") == "x"
    assert (tmp_path / "data" / "raw" / "t.tsv").is_file()


def test_corpora_are_not_in_the_run_nor_the_run_in_a_corpus(tmp_path: Path) -> None:
    result = run("prepare", config(tmp_path, "run", "run/corpora/t.tsv"))
    assert result.exit_code == 2
    assert "is inside this folder" in result.stderr
    folder = tmp_path / "set"
    folder.mkdir()
    path = config(tmp_path, "set/run")
    text = path.read_text("utf-8").replace("{reader: tsv, path: t.tsv}", "{reader: huggingface, path: set}")
    path.write_text(text, "utf-8")
    result = run("prepare", path)
    assert result.exit_code == 2
    assert "is inside the corpus" in result.stderr
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["parts", "data", "checkpoints", "best", "export", "evaluate"])
def test_a_link_in_a_run_is_not_followed(name: str, tmp_path: Path) -> None:
    path = config(tmp_path, "run")
    open_run(tmp_path / "run")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.jpg").write_text("x", "utf-8")
    (tmp_path / "run" / name).symlink_to(photos)
    result = run("prepare", path)
    assert result.exit_code == 2, result.output
    assert "is a link" in result.stderr or "(a link)" in result.stderr
    assert [file.name for file in photos.iterdir()] == ["one.jpg"]


def test_a_run_may_itself_be_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "big")
    assert run("prepare", config(tmp_path, "run")).exit_code == 0
    assert (tmp_path / "big" / "data" / "manifest.json").is_file()


def test_preparing_again_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    path = config(tmp_path, "run")
    assert run("prepare", path).exit_code == 0
    notes = tmp_path / "run" / "parts" / "notes.txt"
    notes.write_text("x", "utf-8")
    assert run("prepare", path, "--force").exit_code == 0
    assert notes.is_file()
    inner = tmp_path / "run" / "data" / "notes.txt"
    inner.write_text("x", "utf-8")
    result = run("prepare", path, "--force")
    assert result.exit_code == 2
    assert (
        "run/data: also contains files that mtkit did not write: notes.txt. Move it elsewhere."
        in result.stderr
    )
    assert inner.is_file()


def test_beginning_anew_removes_only_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    open_run(folder)
    for kind, names in (("checkpoints", (1, 2)), ("best", (1,))):
        for step in names:
            with atomic_folder(folder / kind / f"step-{step:08d}", {"format": "mtkit-model"}) as new:
                (new / "x").write_text("x", "utf-8")
    for name in ("metrics.jsonl", "tensorboard/events.out.tfevents.1.host", "model/manifest.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}", "utf-8")
    with pytest.raises(UsageError, match=r"model: was not created by mtkit: it contains manifest\.json"):
        forget_training(folder)
    assert len(step_folders(folder / "checkpoints")) == 2
    (folder / "model" / "manifest.json").rename(folder / "mine.json")
    forget_training(folder)
    left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert left == [".mtkit", "metrics.jsonl", "mine.json", "tensorboard/events.out.tfevents.1.host"]


def test_a_checkpoint_with_something_in_it_is_not_rotated_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        with atomic_folder(tmp_path / f"step-{step:08d}", {"format": "mtkit-model"}) as new:
            (new / "x").write_text("x", "utf-8")
    (tmp_path / "step-00000001" / "notes.txt").write_text("x", "utf-8")
    (tmp_path / "step-00000003").mkdir()
    (tmp_path / "step-00000003" / "theirs").write_text("x", "utf-8")
    keep_only(tmp_path, ())
    assert [folder.name for folder in step_folders(tmp_path)] == ["step-00000001", "step-00000003"]
    assert "also contains files that mtkit did not write: notes.txt. It was not removed." in caplog.text


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/x", "a\0b", "x" * 300])
def test_names_that_lead_out_of_the_run(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        inside(tmp_path, "evaluate", name)
    path = config(tmp_path, "run")
    escaped = name.replace("\0", "\\0")
    path.write_text(
        path.read_text("utf-8").replace(
            "  valid:", f'  test: {{"{escaped}": {{reader: phrasebook, pairs: 3}}}}\n  valid:'
        ),
        "utf-8",
    )
    result = run("config", "check", path)
    assert result.exit_code == 2, result.output
    assert "data.test: the name" in result.stderr


# ---------------------------------------------------------------- exports


@pytest.mark.parametrize("kind", ["ctranslate2", "huggingface"])
def test_an_export_replaces_an_export_of_its_kind_alone(kind: str, tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    model, thesis = tmp_path / "runs" / "tiny", tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.tex").write_text("x", "utf-8")
    export = ("export", model, "--to", kind, "--sample", "1", "-o")
    for target in (thesis, model, model / "model", tmp_path, "."):
        result = run(*export, target)
        assert result.exit_code == 2, result.output
        assert "Name a new folder" in result.stderr
    assert (thesis / "chapter1.tex").is_file()
    assert (model / "model" / "model.safetensors").is_file()
    for _ in range(2):
        assert run(*export, tmp_path / "new").exit_code == 0
    (tmp_path / "new" / "notes.txt").write_text("x", "utf-8")
    assert run(*export, tmp_path / "new").exit_code == 2


def test_a_package_replaces_a_package_alone(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    target = tmp_path / "mine.argosmodel"
    target.write_text("x", "utf-8")
    export = ("export", tmp_path / "runs" / "tiny", "--to", "argos", "--sample", "1", "-o", target)
    assert run(*export).exit_code == 2
    assert target.read_text("utf-8") == "x"
    target.unlink()
    assert [run(*export).exit_code for _ in range(2)] == [0, 0]


# ---------------------------------------------------------------- marks


def test_a_mark_that_was_cut_off_names_nothing_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOMENT", 0)
    folder = marked_folder(tmp_path / "f", "mtkit-x")
    claim(folder, "one", "two")
    content = (folder / MARK).read_bytes()
    for size in range(len(content)):
        (folder / MARK).write_bytes(content[:size])
        mark = read_mark(folder)
        assert mark is None or mark.names <= {"one", "two"}
        marked_folder(folder, "mtkit-x")  # what was interrupted goes on
        claim(folder, "three")
        assert "three" in (read_mark(folder) or pytest.fail("no mark")).names
        (folder / MARK).unlink()


def test_a_name_that_was_released_is_claimed_anew(tmp_path: Path) -> None:
    folder = marked_folder(tmp_path / "f", "mtkit-x")
    claim(folder, "one", "two")
    release(folder, "one")
    (folder / "one").write_text("x", "utf-8")
    assert (read_mark(folder) or pytest.fail("no mark")).names == {"two"}
    with pytest.raises(UsageError, match="one: was not written by mtkit"):
        claim(folder, "one")
    (folder / "one").unlink()
    claim(folder, "one")
    assert (read_mark(folder) or pytest.fail("no mark")).names == {"one", "two"}


def test_what_is_there_cannot_be_claimed(tmp_path: Path) -> None:
    folder = marked_folder(tmp_path / "f", "mtkit-x")
    claim(folder, "ours")
    (folder / "ours").write_text("x", "utf-8")
    claim(folder, "ours")
    (folder / "theirs").write_text("x", "utf-8")
    with pytest.raises(UsageError, match="theirs: was not written by mtkit"):
        claim(folder, "theirs")


def test_names_in_a_stranger_s_mark_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("x", "utf-8")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("x", "utf-8")
    folder = tmp_path / "f"
    folder.mkdir()
    write_mark(folder, "mtkit-model", "0" * 32)
    (folder / "d").symlink_to(tmp_path / "outside")
    with (folder / MARK).open("a") as mark:
        mark.write('\n"../victim"\n"/etc/passwd"\n"d/x"\n""\n"."\n5\n[[')
    assert (read_mark(folder) or pytest.fail("no mark")).names <= {"d/x", "."}
    with pytest.raises(UsageError):
        remove_own_folder(folder, "mtkit-model")
    folder.rename(tmp_path / f".tmp-step-gone-{'0' * 32}")
    recover(tmp_path)
    assert (tmp_path / "victim").is_file()
    assert (tmp_path / "outside" / "x").is_file()


def test_leftovers_of_others_stay(tmp_path: Path) -> None:
    ids = ("0" * 32, "123", "z" * 32)
    for number, mark_id in enumerate(ids):
        for use in ("", "-old", "-gone"):
            folder = tmp_path / f".tmp-data{use}-{mark_id}"
            folder.mkdir()
            (folder / "x").write_text(str(number), "utf-8")
    recover(tmp_path)
    assert len(list(tmp_path.glob(".tmp-*/x"))) == 9


def test_prepared_text_is_for_its_owner_alone_unless_asked(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = config(tmp_path, "run")
        assert run("prepare", path).exit_code == 0
        folders = [tmp_path / "run" / "data", tmp_path / "run" / "parts"]
        found = [file for folder in folders for file in (folder, *folder.rglob("*"))]
        held = [file for file in found if file.is_dir() or file.name != MARK]
        assert len(held) > 10
        assert [file for file in held if stat.S_IMODE(file.stat().st_mode) & 0o077 and file.is_file()] == []
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
        assert run("prepare", path, "--force", "private=false").exit_code == 0
        assert stat.S_IMODE((tmp_path / "run" / "data" / "valid.src.txt").stat().st_mode) == 0o644
    finally:
        os.umask(before)


# ---------------------------------------------------------------- one module


def test_one_module_deletes_renames_and_creates() -> None:
    """No other module calls what deletes or renames, or opens a file so that it is emptied."""
    names = {"rmtree", "unlink", "rmdir", "rename", "renames", "move", "copyfile", "truncate", "removedirs"}
    found = []
    for path in sorted((REPOSITORY / "mtkit").rglob("*.py")):
        if path.relative_to(REPOSITORY / "mtkit").as_posix() in ONE_MODULE:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, name = ast.unparse(node.func.value), node.func.attr
            if owner == "disk":
                continue
            modes = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "mode")]
            mode = next((arg.value for arg in modes if isinstance(arg, ast.Constant)), "")
            if (
                name in names
                or (owner == "os" and name in ("remove", "replace", "ftruncate"))
                or (owner == "os" and name == "open" and "O_RDONLY" not in ast.unparse(node))
                or (name == "replace" and len(node.args) == 1 and not node.keywords)  # a path's, not a text's
                or (
                    name == "open" and isinstance(mode, str) and set(mode) & set("wx+") and owner != "zipfile"
                )
                or (name in ("write_text", "write_bytes") and owner != "self")
            ):
                found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}: {owner}.{name}")
    allowed = {
        "mtkit/train/machine/memory.py",
        "mtkit/cli/init.py",
        "mtkit/disk/output.py",
        "mtkit/cli/console.py",
    }
    assert [call for call in found if call.partition(":")[0] not in allowed] == []
