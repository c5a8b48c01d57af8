from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtkit.config import stored
from mtkit.config.decode import DecodeConfig
from mtkit.config.stored import Stored, decode_options, replaced, text_options, with_search
from mtkit.config.text import TextConfig
from mtkit.disk.reading import user_cache

DECODE = {"beam_size": 3, "banned": ["le", "la"], "length_penalty": 0.5}
TEXT = {"protect": ["urls", "numbers"], "casing": "lower"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_reading_gives_what_the_section_gives() -> None:
    first, again = decode_options(DECODE), decode_options(DECODE)
    assert isinstance(first, DecodeConfig)
    assert isinstance(again, Stored)
    for name in DecodeConfig.model_fields:
        assert getattr(again, name) == getattr(first, name), name
    assert again.changed() == first.changed() == {**DECODE, "banned": ("le", "la")}
    assert again.model_dump_json() == first.model_dump_json()
    text_options(TEXT)
    assert (
        text_options(TEXT).model_dump_json()
        == TextConfig.model_validate_json(
            '{"protect": ["urls", "numbers"], "casing": "lower"}'
        ).model_dump_json()
    )


def test_another_method_leaves_out_the_options_of_the_stored_one() -> None:
    own = {"method": "sample", "top_k": 9, "temperature": 0.7, "beam_size": 3}
    assert with_search(own, {"method": "beam"}) == {"method": "beam", "beam_size": 3}
    assert with_search(own, {"seed": 4}) == {**own, "seed": 4}
    assert with_search(own, {"method": "beam", "top_k": 2})["top_k"] == 2  # refused where it is checked
    for _ in range(2):
        options = replaced(decode_options(own), {"method": "diverse_beam"})
        assert (options.method, options.beam_size, options.top_k) == ("diverse_beam", 3, None)


def test_a_copy_with_another_value_has_changed_there() -> None:
    decode_options(DECODE)
    copy = decode_options(DECODE).model_copy(update={"min_len": 1})
    assert (copy.min_len, copy.beam_size, copy.changed()["min_len"]) == (1, 3, 1)


@pytest.mark.parametrize("wrong", [{"beam_size": 0}, {"beam_size": "3"}, {"beem_size": 3}, {"top_k": 5}])
def test_what_is_wrong_is_refused_each_time(wrong: dict[str, object], cache: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=str(next(iter(wrong)))):
            decode_options(wrong)
    assert not list(cache.rglob("*.json"))


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"values": 1, "changed": []}', b'{"values": {}}'])
def test_a_damaged_or_useless_cache_does_no_harm(damage: bytes, cache: Path) -> None:
    decode_options(DECODE)
    (kept,) = cache.rglob("*.json")
    kept.write_bytes(damage)
    assert decode_options(DECODE).beam_size == 3


def test_other_rules_check_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode_options(DECODE)
    (tmp_path / "decode.py").write_text("# stricter")
    monkeypatch.setattr(stored, "__file__", str(tmp_path / "stored.py"))
    assert isinstance(decode_options(DECODE), DecodeConfig)


def test_without_a_cache_all_is_checked(cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    assert isinstance(decode_options(DECODE), DecodeConfig)
    assert isinstance(decode_options(DECODE), DecodeConfig)


@pytest.mark.parametrize(
    "damage", [b'{"values": {}, "changed": []}', b"[" * 100_000, b'{"values": {"beam_size": 9}}']
)
def test_what_was_not_kept_here_is_checked_and_kept_again(damage: bytes, cache: Path) -> None:
    decode_options(DECODE)
    (kept,) = cache.rglob("*.json")
    before = kept.read_bytes()
    kept.write_bytes(damage)
    assert isinstance(decode_options(DECODE), DecodeConfig)
    assert kept.read_bytes() == before


def test_a_pipe_in_its_place_is_not_waited_for(cache: Path) -> None:
    decode_options(DECODE)
    (kept,) = cache.rglob("*.json")
    kept.unlink()
    os.mkfifo(kept)
    assert decode_options(DECODE).beam_size == 3


@pytest.mark.parametrize("named", ["", "cache", "./cache", "~/cache"])
def test_a_relative_cache_is_ignored(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache() == tmp_path / "home" / ".cache" / "mtkit"
    monkeypatch.setenv("HOME", "home")
    assert user_cache().is_absolute()
    assert isinstance(decode_options(DECODE), DecodeConfig)
    assert not list(tmp_path.iterdir())
