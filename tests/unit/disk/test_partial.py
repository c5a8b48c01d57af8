from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.disk import calls as disk
from mtkit.disk import partial
from mtkit.disk.manifest import manifest_bytes
from mtkit.disk.partial import Job, partial_file, partial_paths
from mtkit.errors import InputError, MtkitError, UsageError

JOB: Job = {"the input": "in.txt 1234", "decode.beam_size": 5, "--json": False}
ANSWERS = [f"answer {number}\n".encode() for number in range(5)]
WHOLE = b"".join(ANSWERS)


@pytest.fixture(autouse=True)
def _save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "SECONDS_BETWEEN_SAVES", -1.0)


class KilledError(OSError):
    """Stands for a process that is no more: whatever it does to the disk fails."""


def attempt(target: Path, stop_after: int = len(ANSWERS)) -> int:
    """Writes what is missing; gives how much was there."""
    with partial_file(target, JOB) as file:
        before = file.lines
        for number in range(before, stop_after):
            file.add(1, ANSWERS[number])
        if stop_after < len(ANSWERS):
            raise KeyboardInterrupt
    return before


def test_what_is_finished_is_kept_and_the_next_attempt_goes_on(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out.txt"
    for stop in (2, 2, 4):
        with pytest.raises(KeyboardInterrupt):
            attempt(target, stop)
        assert not target.exists()
        assert sorted(path.name for path in target.parent.iterdir()) == [
            "out.txt.partial",
            "out.txt.partial.json",
        ]
    assert attempt(target) == 4
    assert target.read_bytes() == WHOLE
    assert list(target.parent.iterdir()) == [target]
    assert attempt(target) == 0


@pytest.fixture
def strikes(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts the calls that change the disk, and fails from call `at` on."""
    state = {"at": -1, "calls": 0}

    def guarded(real: Any) -> Any:
        def call(*args: Any) -> Any:
            state["calls"] += 1
            if 0 < state["at"] <= state["calls"]:
                raise KilledError
            return real(*args)

        return call

    names = (
        "create",
        "extend",
        "truncate",
        "write",
        "set_mode",
        "sync",
        "make_folder",
        "rename",
        "remove_file",
        "remove_folder",
    )
    for name in names:
        monkeypatch.setattr(disk, name, guarded(getattr(disk, name)))
    return state


def test_killed_at_any_call_the_result_is_the_same(tmp_path: Path, strikes: dict[str, int]) -> None:
    attempt(tmp_path / "count.txt")
    calls = strikes["calls"]
    assert calls > 20
    kept = set()
    for at in range(1, calls + 1):
        target = tmp_path / str(at) / "out.txt"
        strikes.update(at=at, calls=0)
        try:
            attempt(target)
        except KilledError:
            assert not target.exists() or target.read_bytes() == WHOLE
        strikes.update(at=-1)
        kept.add(attempt(target))
        assert target.read_bytes() == WHOLE
        assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert kept == set(range(len(ANSWERS) + 1))


def test_bytes_beyond_what_was_saved_are_written_again(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        attempt(target, 3)
    data, _ = partial_paths(target)
    data.write_bytes(data.read_bytes() + b"answ")
    assert attempt(target) == 3
    assert target.read_bytes() == WHOLE


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data.replace(b"1", b"2"), lambda data: b""]
)
def test_damage_is_seen(tmp_path: Path, damage: Any) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        attempt(target, 3)
    for path in partial_paths(target):
        sound = path.read_bytes()
        path.write_bytes(damage(sound))
        with pytest.raises(InputError, match=r"damaged"):
            attempt(target)
        path.write_bytes(sound)
    assert attempt(target) == 3


def test_another_job_is_refused_by_the_name_of_what_changed(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        attempt(target, 3)
    job: Job = {**JOB, "decode.beam_size": 1, "--json": True}
    with (
        pytest.raises(UsageError, match=r"decode.beam_size was 5, now 1; --json was False, now True\. Use"),
        partial_file(target, job),
    ):
        pass
    assert attempt(target) == 3


def test_a_file_of_that_name_that_is_nobody_s_is_left_alone(tmp_path: Path) -> None:
    data, _ = partial_paths(tmp_path / "out.txt")
    data.write_text("mine")
    with pytest.raises(UsageError, match="cannot be resumed"):
        attempt(tmp_path / "out.txt")
    assert data.read_text() == "mine"
    data.unlink()
    (tmp_path / "mine").write_text("mine")
    data.symlink_to(tmp_path / "mine")
    with pytest.raises((UsageError, InputError)):
        attempt(tmp_path / "out.txt")
    assert (tmp_path / "mine").read_text() == "mine"


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with partial_file(target, JOB) as file:
        file.add(1, ANSWERS[0])
        with pytest.raises(MtkitError, match="another process is writing it"):
            attempt(target)
        for answer in ANSWERS[1:]:
            file.add(1, answer)
    assert target.read_bytes() == WHOLE


@pytest.mark.parametrize("lines", [10**9, 5, 1, 0, -1, "3", 3.0, True, None])
def test_a_number_of_lines_that_cannot_be_is_refused(lines: Any, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt):
        attempt(target, 3)
    _, state = partial_paths(target)
    values = json.loads(state.read_bytes())
    del values["digest"]
    state.write_bytes(manifest_bytes(values | {"lines": lines}))
    with pytest.raises(InputError, match=r"is damaged|says|It is damaged"):
        attempt(target)
    assert not target.exists()


def test_answers_of_several_lines_and_a_last_one_without_its_end(tmp_path: Path) -> None:
    target, job = tmp_path / "out.txt", {**JOB, "--n-best": 2}
    for answer, before in ((b"a\nb\n", 0), (b"c\nd", 1)):
        with contextlib.suppress(KeyboardInterrupt), partial_file(target, job) as file:
            assert file.lines == before
            file.add(1, answer)
            raise KeyboardInterrupt
    with partial_file(target, job) as file:
        assert file.lines == 2
    assert target.read_bytes() == b"a\nb\nc\nd"
