"""Whatever is written for an option, it is read or refused with its place: never a bug."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mtkit.config.auto import settle
from mtkit.config.filters import Filter
from mtkit.config.load import dump_config, load_config
from mtkit.config.option_types import members, option_paths
from mtkit.config.sources import HeldOutSource
from mtkit.errors import ConfigError

CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook}]
  valid: {reader: phrasebook, split: valid}
"""
BIG = ("9" * 30, "9" * 400, "-" + "9" * 400, "1e308", "1e999", "-1e999", ".nan", ".inf", "0x" + "f" * 300)
WORDS = (
    "",
    "~",
    "auto",
    "true",
    "0",
    "-1",
    "1",
    "2",
    "0.5",
    "1e-320",
    "all",
    "none",
    "text",
    "step",
    "en",
    "é",
)
TIMES = ("1h", "9" * 400 + "s", "9" * 5000 + "d", "٣h", "20 steps", "9" * 5000 + " steps", "1h1h")
PATHS = (
    "~",
    "~nobody/x",
    "/",
    "..",
    "a" * 300,
    "a/" * 3000,
    '"a\\0b"',
    '"\\u202e"',
    "\udcff",
    "*" * 50,
    "[",
    "[x",
)
LISTS = ("[]", "[1, 2]", "[a, a]", "[[[]]]", "[~]", "[{}]", "[{reader: x}]", "[" * 40, "[" * 40 + "]" * 40)
SECTIONS = (
    "{}",
    "{a: b}",
    '{"a\\0b": 1}',
    "{reader: tsv}",
    "{filter: length}",
    "{preset: auto}",
    "{a: {b: {c: d}}}",
)
VALUES = (*BIG, *WORDS, *TIMES, *PATHS, *LISTS, *SECTIONS)
INSIDE = ("train.0", "valid", "test.x", "extra_valid.x", "filters.0", "mixing.0", "nothing")


def keys() -> list[str]:
    """Every option, and one step below and beyond each."""
    own = list(option_paths())
    readers = [f"data.train.0.{name}" for member in kinds(HeldOutSource) for name in member]
    filters = [f"data.filters.0.{name}" for member in kinds(Filter) for name in member]
    inside = [f"data.{name}" for name in INSIDE]
    return sorted(
        {*own, *readers, *filters, *inside, *(f"{key}.0" for key in own), *(f"{key}.x" for key in own)}
    )


def kinds(union: object) -> list[list[str]]:
    found = members(getattr(union, "__origin__", union))
    assert found
    return [list(member.model_fields) for member in found.values()]


def check(overrides: list[str], path: Path) -> bool:
    """Whether they are read; what is read must be writable and the same when read again."""
    try:
        config = load_config([path], overrides).config
    except ConfigError as error:
        told = error.problems
    else:
        told = []
    if told:
        assert all("\n" not in problem for problem in told)
        return False
    again = path.with_name("again.yaml")
    again.write_text(dump_config(config), "utf-8")
    assert load_config([again]).config == config
    settle(config, [])
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


def trials(path: Path, rng: random.Random, number: int) -> tuple[int, int]:
    """How many of so many random overrides were read, and how many refused."""
    names, own, read = keys(), list(option_paths()), 0
    for _ in range(number):
        count = rng.choice((1, 1, 2, 3))
        values = [rng.choice(rng.choice((VALUES, WORDS))) for _ in range(count)]
        chosen = [f"{rng.choice(rng.choice((own, names)))}={value}" for value in values]
        read += check(chosen, path)
    return read, number - read


def test_random_values_of_random_options(path: Path) -> None:
    read, refused = trials(path, random.Random(1), 700)
    assert read > 10
    assert refused > 200


@pytest.mark.slow
def test_each_value_of_each_option(path: Path) -> None:
    for key in keys():
        for value in VALUES:
            check([f"{key}={value}"], path)


@pytest.mark.slow
def test_many_random_values(path: Path) -> None:
    trials(path, random.Random(2), 30_000)
