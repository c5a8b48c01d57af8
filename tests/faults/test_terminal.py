"""Data cannot drive the terminal: escapes, markup and control characters are shown, not obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtkit.text.visible import visible
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer
from tests.support.faults.terminal import HARMLESS, PAYLOADS, marked, obeyed, under_terminal

SHOWN = "data cannot drive the terminal: escapes, markup and control characters are shown, not obeyed"
ALL = range(len(PAYLOADS))
SHORT = [number for number in ALL if len(PAYLOADS[number]) < 100]
NAMES = [number for number in SHORT if not set("\0/") & set(PAYLOADS[number])]


def in_yaml(text: str) -> str:
    """A text in double quotes, in ASCII."""
    return '"' + "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in text) + '"'


def a_name(numbers: list[int]) -> str:
    """A name with as many of these payloads as a file system takes."""
    name = ""
    for number in numbers:
        if len((name + marked(number)).encode()) < 200:
            name += marked(number)
    return name


FIRST, SECOND, THIRD = a_name(NAMES[:14]), a_name(NAMES[14:22]), a_name(NAMES[22:])
RUN = "x" + FIRST
CONFIG = f"""\
run: {in_yaml(RUN)}
data:
  src_lang: en
  tgt_lang: fr
  num_workers: 1
  train:
    - {{reader: tsv, path: plain.tsv}}
    - {{reader: tsv, path: {in_yaml(SECOND)}}}
    - {{reader: plain, src: {in_yaml(THIRD)}, tgt: tgt}}
  valid: {{reader: tsv, path: valid.tsv}}
  test: {{{in_yaml(THIRD)}: {{reader: tsv, path: valid.tsv}}}}
  filters: [{{filter: duplicate}}, {{filter: length, max_chars: 300}}, {{filter: tokens}}]
tokenizer: {{vocab_size: 300, model_type: bpe}}
model: {{preset: tiny, d_model: 16, d_ff: 32, num_encoder_layers: 1, num_decoder_layers: 1}}
train: {{max_steps: 4, batch_tokens: 300, validate_every: 2, save_every: 4, tensorboard: false}}
decode: {{beam_size: 1, max_len_ratio: 0.5}}
export: {{to: []}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with hostile names and texts."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = [f"the cat {number} {marked(number)}" for number in ALL]
    every = " ".join(marked(number) for number in SHORT)
    (folder / "c.yaml").write_text(CONFIG, "ascii")
    (folder / "plain.tsv").write_text("".join(f"the cat {n}\tle chat {n}\n" for n in range(99)), "utf-8")
    (folder / SECOND).write_text("".join(f"{line}\tle {line}\n" for line in [*lines, *lines]), "utf-8")
    (folder / THIRD).write_text("".join(f"a {line}\n" for line in lines), "utf-8")
    (folder / "tgt").write_text("".join(f"un {line}\n" for line in lines), "utf-8")
    thirds = (
        " ".join(marked(number) for number in SHORT[begin::3]) for begin in range(3)
    )  # long ones are cut
    (folder / "valid.tsv").write_text("".join(f"a cat\tun chat {third}\n" for third in thirds), "utf-8")
    (folder / "lines").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (folder / "two.tsv").write_text(f"a cat\t{every}\na dog\t{every}\n", "utf-8")
    keys = "".join(f"{in_yaml(f'k{marked(n)}')}: 1\n" for n in SHORT)
    values = "".join(f"  - {{reader: {in_yaml(marked(n))}}}\n" for n in ALL)
    (folder / "keys.yaml").write_text(keys, "ascii")
    (folder / "values.yaml").write_text(f"data:\n train:\n{values}", "ascii")
    return folder


COMMANDS: list[tuple[tuple[str, ...], int, list[int]]] = [
    (("config", "check", "keys.yaml"), 2, SHORT),
    (("config", "check", "values.yaml"), 2, list(ALL)),
    (("config", "show", "c.yaml"), 0, NAMES[:6]),
    (("prepare", "c.yaml", "--show", "40"), 0, list(ALL)),
    (("train", "c.yaml"), 0, SHORT),
    (("plot", RUN), 0, NAMES[11:14]),  # of a long name the legend shows the end
    (("evaluate", "c.yaml"), 0, NAMES[:6]),
    (("translate", "-m", RUN, "-i", "two.tsv", "--format", "tsv", "--no-guard"), 0, SHORT),
    (("translate", "-m", RUN, "-i", "two.tsv", "--tag", FIRST), 2, NAMES[:6]),
    (("tokenize", "-m", RUN, "-i", "lines"), 0, []),
    (("--debug", "translate", "-m", THIRD + "x"), 3, NAMES[22:24]),
    (("train", "c.yaml", f"train.{FIRST.partition('=')[0]}=1"), 2, NAMES[:5]),
]
"""Each with its exit code, and payloads that it has to show."""


def test_nothing_of_the_data_is_obeyed(server: ForkServer, folder: Path) -> None:
    for argv, expected, shown in COMMANDS:
        code, got = under_terminal(server, *argv, cwd=folder)
        assert code == expected, (argv, code, got[-2000:])
        found = obeyed(got)
        for number in shown:
            trial(
                SHOWN,
                struck=f"<{number}" in got,
                kept=not found and (PAYLOADS[number] not in HARMLESS or marked(number) in got),
                detail=(argv, number, found[:3]),
            )
    report = (folder / RUN / "data" / "report.html").read_text("utf-8")
    assert "&lt;0" in report, "no example in the report"
    assert not [line for line in report.split("\n") if visible(line) != line]


def test_a_line_stays_a_line(server: ForkServer, tmp_path: Path) -> None:
    """A file name cannot make up a line of the log."""
    (tmp_path / "plain.tsv").touch()
    (tmp_path / "c.yaml").write_text(
        CONFIG.replace(in_yaml(SECOND), in_yaml("a\nwarning: all is lost")), "ascii"
    )
    code, got = under_terminal(server, "prepare", "c.yaml", cwd=tmp_path)
    told = "a\\u000awarning: all is lost: there is no such file" in " ".join(got.split())
    trial(SHOWN, struck=code == 3 and "all is lost" in got, kept=told and "\nwarning" not in got, detail=got)


def test_a_terminal_that_obeyed_would_be_noticed() -> None:
    """The proof of the proof: every payload but the harmless ones is seen where it is passed on."""
    noticed = {text for text in PAYLOADS if obeyed(f"a line{text}\r\n")}
    assert noticed == {text for text in PAYLOADS if len(text) < 100} - HARMLESS
    assert not obeyed("\x1b[2K\x1b[1A\x1b[?25h\x1b[32mgood\x1b[0m\r\n")
