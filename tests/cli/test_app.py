"""Exit codes, streams and what the commands around the configuration do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mtkit import __version__
from mtkit.cli import console
from mtkit.cli.app import main
from mtkit.cli.failures import report
from mtkit.config.load import load_config
from mtkit.errors import ConfigError, GateError, InputError, MtkitError, UsageError, counted
from tests.support.commands import MTKIT, mtkit
from tests.support.corpora import REPOSITORY

# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MtkitError("it broke.", "Mend it."), 1, "it broke. Mend it.\n"),
        (UsageError("wrong."), 2, "wrong.\n"),
        (ConfigError(["a.yaml:1:1: x.", "a.yaml:2:1: y."]), 2, "a.yaml:1:1: x.\na.yaml:2:1: y.\n"),
        (InputError("bad data."), 3, "bad data.\n"),
        (GateError("too low."), 4, "too low.\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            FileNotFoundError(2, "No such file or directory", "x.txt"),
            1,
            "x.txt: No such file or directory.\n",
        ),
        (
            MemoryError(),
            1,
            "out of memory. Close other programs, raise the memory limit of this process, or use "
            "smaller batches.\n",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory:\nyou tried to allocate 9 bytes"),
            1,
            "out of memory: DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes. "
            "Close other programs, raise the memory limit of this process, or use smaller batches.\n",
        ),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            1,
            "out of memory: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`. "
            "Close other programs, raise the memory limit of this process, or use smaller batches.\n",
        ),
        (
            UnicodeEncodeError("ascii", "\u00fc", 0, 1, "ordinal not in range(128)"),
            2,
            "this Python encodes file names as ascii, which lacks characters of a name here. "
            "Set PYTHONUTF8=1, or use a UTF-8 locale.\n",
        ),
        (MtkitError("\x1b[31mred\x1b[0m [bold]"), 1, "\\u001b[31mred\\u001b[0m [bold]\n"),
    ],
)
def test_failures_become_lines_and_exit_codes(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error) == code
    lines = "".join(f"error: {line}\n" for line in said.splitlines())
    assert capsys.readouterr() == ("", lines)


def test_a_bug_is_one_line_and_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/mtkit", "train", "a b.yaml"])
    assert report(ZeroDivisionError("division\nby zero")) == 70
    assert capsys.readouterr().err == (
        "error: a bug in mtkit: ZeroDivisionError: division by zero. Please report it. "
        "`mtkit --debug train 'a b.yaml'` shows the traceback.\n"
    )


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    quiet = mtkit("config", "check", "no.yaml", cwd=tmp_path)
    debug = mtkit("--debug", "config", "check", "no.yaml", cwd=tmp_path)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(quiet.stderr)
    assert quiet.returncode == debug.returncode == 2


def test_memory_that_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    for bound in (60, 150, 300, 600):  # MiB; some allow to start, none to work
        command = f'ulimit -v {bound * 1024}; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", command, "sh", *MTKIT, "prepare", "c.yaml"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 70, done.stderr


def test_a_file_name_that_python_cannot_write_is_one_line(tmp_path: Path) -> None:
    text = Path(__file__).with_name("golden").joinpath("ok.yaml").read_text("utf-8")
    (tmp_path / "c.yaml").write_text(re.sub("(?m)^run:.*", "run: rün", text), "utf-8")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = mtkit("prepare", "c.yaml", cwd=tmp_path, env=locale)
    assert done.returncode == 2
    assert re.match(
        r"error: c\.yaml:\d+:\d+: run: this Python encodes file names as ascii\. Set PYTHONUTF8=1\.",
        done.stderr,
    )


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("size", ["0", "-1", "x", "99999999999"])
def test_a_terminal_of_no_size_is_one_of_unknown_size(
    size: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mtkit", "--version"])
    monkeypatch.setenv("COLUMNS", size)
    monkeypatch.setenv("LINES", "50")
    with pytest.raises(SystemExit):
        main()
    assert "COLUMNS" not in os.environ
    assert os.environ["LINES"] == "50"


def test_version(tmp_path: Path) -> None:
    done = mtkit("--version", cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (f"mtkit {__version__}\n", "", 0)


@pytest.mark.parametrize("args", [["--help"], ["config", "schema"], ["config", "show", "ok.yaml"]])
def test_a_reader_that_goes_away_ends_us_silently(args: list[str], tmp_path: Path) -> None:
    (tmp_path / "ok.yaml").write_text(Path(__file__).with_name("golden").joinpath("ok.yaml").read_text())
    reading, writing = os.pipe()
    os.close(reading)
    done = mtkit(*args, cwd=tmp_path, capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_streams_do_not_matter(tmp_path: Path) -> None:
    command = '"$@" <&- >&- 2>&-; echo $?'
    done = subprocess.run(
        ["sh", "-c", command, "sh", *MTKIT, "config", "check"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_utf8_whatever_the_locale(tmp_path: Path) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    (tmp_path / "é.yaml").write_text("run: ü\n", encoding="utf-8")
    done = mtkit("config", "schema", cwd=tmp_path, env=locale)
    assert "√" in done.stdout
    assert done.returncode == 0


def test_results_on_stdout_and_the_rest_on_stderr(tmp_path: Path) -> None:
    init = mtkit("init", cwd=tmp_path)
    check = mtkit("config", "check", cwd=tmp_path)
    assert (init.stdout, check.stderr) == ("", "")
    assert "mtkit train" in init.stderr
    assert check.stdout.startswith("mtkit.yaml: ok: en → fr")


def test_quiet_says_nothing_but_errors(tmp_path: Path) -> None:
    assert mtkit("-q", "init", cwd=tmp_path).stderr == ""
    assert "exists" in mtkit("-q", "init", cwd=tmp_path).stderr


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_may_follow_the_command(flag: str, tmp_path: Path) -> None:
    assert mtkit("init", flag, cwd=tmp_path).stderr == ""
    small = ["data.train=[{reader: phrasebook, pairs: 200}]", "tokenizer.vocab_size=300"]
    done = mtkit("prepare", *small, flag, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    failed = mtkit("train", "no.yaml", flag, cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ")


# ---------------------------------------------------------------- the commands


def test_show_can_be_read_back_and_tells_origins(tmp_path: Path) -> None:
    mtkit("init", cwd=tmp_path)
    shown = mtkit("config", "show", "mtkit.yaml", "seed=7", cwd=tmp_path).stdout
    (tmp_path / "shown.yaml").write_text(shown, encoding="utf-8")
    expected = load_config([tmp_path / "mtkit.yaml"], ["seed=7"])
    assert load_config([tmp_path / "shown.yaml"]).config == expected.config
    lines = {line.split("#")[0].strip(): line.partition("# ")[2] for line in shown.split("\n")}
    assert lines["seed: 7"] == "command line"
    assert lines["d_model: 128"] == "preset tiny"
    assert lines["norm: pre"] == "default"
    line = lines["src_lang: en"]
    assert (tmp_path / "mtkit.yaml").read_text("utf-8").split("\n")[
        int(line.split(":")[1]) - 1
    ] == "  src_lang: en"


def test_schema_is_json_and_the_same_in_a_file(tmp_path: Path) -> None:
    printed = json.loads(mtkit("config", "schema", cwd=tmp_path).stdout)
    mtkit("config", "schema", "--write", "s.json", cwd=tmp_path)
    assert json.loads((tmp_path / "s.json").read_text("utf-8")) == printed
    assert set(printed["properties"]) == {
        "include",
        "run",
        "private",
        "seed",
        "card",
        "data",
        "text",
        "tokenizer",
        "model",
        "train",
        "decode",
        "evaluate",
        "export",
    }


def test_init_for_own_text(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    lines = [f"A sentence with the number {number}.\n" for number in range(300)]
    for name in ("t, 1.en", "t, 1.it"):
        (tmp_path / "text" / name).write_text("".join(lines), "utf-8")
    done = mtkit("init", "text/t, 1.en", "text/t, 1.it", "text/it.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "300 pairs, English to Italian (from their names)" in done.stderr
    config = load_config([tmp_path / "text" / "it.yaml"]).config
    assert (config.data.src_lang, config.data.tgt_lang) == ("en", "it")
    assert config.data.train[0].model_dump(exclude_defaults=True) == {
        "reader": "plain",
        "src": tmp_path / "text" / "t, 1.en",
        "tgt": tmp_path / "text" / "t, 1.it",
    }
    cut = {"reader": "cut", "pairs": 15}
    assert [one.model_dump() for one in (config.data.valid, *config.data.test.values())] == [cut, cut]
    assert (config.model.preset, config.train.preset, config.tokenizer.vocab_size) == ("auto",) * 3
    schema = json.loads((tmp_path / "text" / "mtkit.schema.json").read_text("utf-8"))
    assert schema == json.loads(mtkit("config", "schema", cwd=tmp_path).stdout)


def test_one_is_singular(tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("A cat.\n", "utf-8")
    (tmp_path / "t.it").write_text("Un gatto.\n", "utf-8")
    assert ", 1 pair, English to Italian" in mtkit("init", "t.en", "t.it", cwd=tmp_path).stderr
    assert [counted(number, "pair") for number in (0, 1, 2, 1_001)] == [
        "0 pairs",
        "1 pair",
        "2 pairs",
        "1,001 pairs",
    ]


@pytest.mark.parametrize(("lang", "fallback"), [("zh", True), ("it", False)])
def test_init_writes_rare_characters_as_bytes(lang: str, fallback: bool, tmp_path: Path) -> None:
    (tmp_path / "t.en").write_text("A cat.\n" * 40, "utf-8")
    (tmp_path / f"t.{lang}").write_text("一只猫。\n" * 40 if fallback else "Un gatto.\n" * 40, "utf-8")
    own = tmp_path / "own.yaml"
    assert mtkit("init", "t.en", f"t.{lang}", "own.yaml", cwd=tmp_path).returncode == 0
    assert load_config([own]).config.tokenizer.byte_fallback is fallback


def test_init_asks_for_languages_that_nothing_says(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("1 2 3\n" * 30, "utf-8")
    done = mtkit("init", "a.txt", "b.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert "--src-lang" in done.stderr
    assert "--tgt-lang" in done.stderr
    done = mtkit("init", "a.txt", "b.txt", "--src-lang", "cs", "--tgt-lang", "sk", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_config([tmp_path / "mtkit.yaml"]).config.run == tmp_path / "runs" / "cs-sk"


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate"])
def test_text_in_place_of_a_config_leads_to_init(command: str, tmp_path: Path) -> None:
    (tmp_path / "my text.tmx").touch()
    done = mtkit(command, "my text.tmx", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: my text.tmx: is text, not a config. Write a config for it: `mtkit init 'my text.tmx'`.\n"
    )


@pytest.mark.parametrize("pair", [("de", "zh"), ("zh", "en")])
def test_init_for_other_languages_of_the_phrasebook(pair: tuple[str, str], tmp_path: Path) -> None:
    mtkit("init", "--src-lang", pair[0], "--tgt-lang", pair[1], cwd=tmp_path)
    config = load_config([tmp_path / "mtkit.yaml"]).config
    assert (config.data.src_lang, config.data.tgt_lang) == pair
    assert config.run == tmp_path / "runs" / "-".join(pair)


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path: Path) -> None:
    golden = Path(__file__).with_name("golden") / "ok.yaml"
    (tmp_path / "a=b.yaml").write_text(golden.read_text("utf-8"), encoding="utf-8")
    assert "  # a=b.yaml:1\n" in mtkit("config", "show", "a=b.yaml", "seed=2", cwd=tmp_path).stdout


# ---------------------------------------------------------------- the console


def test_progress_off_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 10.0, 12.0, 25.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with console.progress() as tell:
        tell("reading", 10, 5000)
        tell("reading", 1200, 5000)
        tell("reading", 1300, 5000)
        tell("counting", 7, None)
    # 3,800 are left, and 1,190 took 9 seconds.
    assert capsys.readouterr() == ("", "reading: 1,200 of 5,000 (24 %), about 29 s left\ncounting: 7\n")


def test_log_messages_of_the_library_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    for quiet in (False, True):
        console.set_up(quiet=quiet, debug=False)
        logging.getLogger("mtkit.data.anything").info("so far %d", 5)
        logging.getLogger("mtkit.data.anything").warning("odd")
        logging.getLogger("mtkit.data.anything").error("bad")
    console.set_up(quiet=False, debug=False)
    assert capsys.readouterr() == ("", "so far 5\nwarning: odd\nerror: bad\nerror: bad\n")
