"""Whatever a config says, it is read or refused with line and column; nothing else ever comes of it."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.config.load import load_config
from mtkit.config.option_types import option_paths
from mtkit.errors import ConfigError
from mtkit.text.visible import visible
from tests.support.faults.figures import trial

REFUSED = "a config is read, or refused with line and column"
PLACE = re.compile(r"c\.yaml:\d+:\d+: \S")
GOOD = (
    "run: r\n"
    "data:\n"
    "  src_lang: en\n"
    "  tgt_lang: fr\n"
    "  train: [{reader: phrasebook}]\n"
    "  valid: {reader: phrasebook, split: valid}\n"
)
TRAPS = [
    # no text, or no YAML
    b"\xff\xfe",
    b"\0",
    b"run: \xc3\x28\n",
    "\ufeffrun: [".encode(),
    b"run: r\x07\n",
    b"\x1b[2J: 1\n",
    b"%YAML 3.0\n---\nrun: r\n",
    b"%TAG ! x\n",
    b"--- a\n--- b\n",
    b"@",
    b"`",
    b"run: @x\n",
    b"\trun: r\n",
    b"run: r\n\tdata: 1\n",
    b"run: [\n",
    b"run: {\n",
    b"run: ]\n",
    b"run: 'x\n",
    b'run: "x\n',
    b'run: "\\q"\n',
    b'run: "\\ud800"\n',
    b"run: |3\n x\n",
    b"? [a]\n: b\n",
    b"? {a: b}\n: c\n",
    b"run: a: b\n",
    b"- run\n-x\n",
    b"run: r\n data: 1\n",
    b"[" * 5000,
    b"{a: " * 5000,
    b"- " * 5000,
    b"&a [*a]",
    b"a: &a [*a]\n",
    b"a: *b\n",
    # YAML, but not a configuration
    b"just text\n",
    b"[1, 2]\n",
    b"42\n",
    b"!!binary aGk=\n",
    b"!!python/name:os.system\n",
    b"run: !!set {a}\n",
    b"run: !x y\n",
    b"<<: {run: r}\n",
    b"run: r\nrun: s\n",
    b"1: 2\n",
    b"null: 1\n",
    b"? \n: 1\n",
    b"true: 1\n",
    # a configuration, but with values that no option has
    *(
        (GOOD + line).encode()
        for line in (
            "run2: r\n",
            "seed: 1e400\n",
            f"seed: {'9' * 5000}\n",
            "seed: .nan\n",
            "seed: -1\n",
            "seed: yes\n",
            "seed: 0x\n",
            "train: 7\n",
            "train: {max_steps: .inf}\n",
            "train: {optimizer: {lr: -.inf}}\n",
            "train: {optimizer: [lr]}\n",
            "model: {d_model: 511, num_heads: 4}\n",
            "model: {preset: huge}\n",
            "decode: {beam_size: 0}\n",
            "decode: {tags: {a: b}}\n",
            "text: [[[]]]\n",
            "evaluate: {'': ''}\n",
        )
    ),
]


def refused(content: bytes) -> str | None:
    """What is wrong with a document; None if it is a valid configuration."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.yaml")
        path.write_bytes(content)
        try:
            load_config([path])
        except ConfigError as error:  # and nothing else
            return str(error)
        return None


def is_told_well(said: str) -> bool:
    """Whether each line has its place, and what is written of it does not drive a terminal."""
    return all(PLACE.search(line) for line in said.split("\n")) and "\x1b" not in visible(said)


def test_the_document_is_good_before() -> None:
    assert refused(GOOD.encode()) is None


@pytest.mark.parametrize("number", range(len(TRAPS)))
def test_traps(number: int) -> None:
    said = refused(TRAPS[number])
    trial(
        REFUSED,
        struck=said is not None,
        kept=said is not None and is_told_well(said),
        detail=(TRAPS[number][:80], said),
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["en", "phrasebook", "plain", "auto", "tiny", "a.txt", 0, -1, 1, 2**63, 1e308]),
)
NAMES = st.sampled_from(
    sorted({step for path in option_paths() for step in path.split(".")} | {"reader", "filter"})
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A good document with options set to anything, sometimes with bytes of it lost or changed."""
    lines = [GOOD]
    for path in draw(st.lists(st.sampled_from([*option_paths()]), max_size=4, unique=True)):
        *parents, name = path.split(".")
        value: Any = draw(TREES)
        for step in (name, *reversed(parents)):
            value = {step: value}
        lines.append(json.dumps(value, ensure_ascii=draw(st.booleans()))[1:-1] + "\n")
    content = "".join(lines).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(max_size=3)) + content[at + draw(st.integers(0, 9)) :]
    return content


def check(content: bytes) -> None:
    said = refused(content)
    trial(REFUSED, struck=True, kept=said is None or is_told_well(said), detail=(content, said))


@settings(max_examples=200, deadline=None, suppress_health_check=[*HealthCheck])
@given(documents())
def test_documents(content: bytes) -> None:
    check(content)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=[*HealthCheck])
@given(documents() | st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_two_thousand_documents(content: bytes) -> None:
    check(content)
