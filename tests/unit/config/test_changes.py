"""What may change between two parts of one training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.changes import CLASSES, INHERITED, check, class_of, compare
from mtkit.config.option_types import inside, is_options, option_paths
from mtkit.config.schema import Config
from mtkit.errors import UsageError

BASE: dict[str, Any] = {
    "run": "/r",
    "data": {
        "src_lang": "en",
        "tgt_lang": "fr",
        "train": [{"reader": "phrasebook"}],
        "valid": {"reader": "phrasebook", "split": "valid"},
    },
}


def make(**sections: Any) -> Config:
    return Config.model_validate_json(json.dumps(BASE | sections))


def kind_of(path: str) -> Any:
    kind: Any = Config
    for step in path.split("."):
        kind = inside(kind, step)
    return kind


OPTIONS = [path for path in option_paths() if not is_options(kind_of(path))]


@pytest.mark.parametrize("key", OPTIONS)
def test_every_option_has_a_class(key: str) -> None:
    assert class_of(key) is not None, (
        f"{key} is in no class. What happens if it is changed between two parts of one training? "
        f'Add to CLASSES in mtkit/config/changes.py a line "{key}": (CLASS, MEANING). CLASS is "free" if the '
        'weights do not depend on it, "declared" if they do but training can go on, "impossible" if it '
        "cannot; MEANING says in a few words what a change means."
    )


@pytest.mark.parametrize("key", [*CLASSES, *INHERITED])
def test_every_class_is_of_an_option(key: str) -> None:
    assert key in set(option_paths()), f"{key} is no option: remove it from mtkit/config/changes.py."


def test_nothing_changed() -> None:
    assert compare(make(), make()) == []
    assert check([], (), "r") == []


def test_free_changes_are_told() -> None:
    changes = compare(make(), make(train={"max_steps": 500, "log_every": 7}))
    assert [str(change) for change in changes] == [
        "train.max_steps: 100000 → 500: training ends at another step; a learning rate that depends on the "
        "budget changes from here on",
        "train.log_every: 50 → 7: only how often or where something is written changes",
    ]
    assert check(changes, (), "r") == [f"changed: {change}" for change in changes]


def test_declared_changes_need_to_be_declared() -> None:
    changes = compare(make(), make(train={"optimizer": {"lr": 0.5}}, model={"dropout": 0.3}))
    with pytest.raises(UsageError) as caught:
        check(changes, ("model.dropout",), "r, step 9")
    assert str(caught.value) == (
        "r, step 9: train.optimizer.lr: 0.001 → 0.5: earlier steps were trained differently. "
        "To resume anyway, give --allow-change train.optimizer.lr."
    )
    for allowed in (("model.dropout", "train.optimizer.lr"), ("model", "train")):
        assert len(check(changes, allowed, "r")) == 2
    with pytest.raises(UsageError):
        check(changes, ("model.drop", "train.optimizer.l"), "r")


def test_impossible_changes_cannot_be_declared() -> None:
    changes = compare(make(), make(model={"d_model": 256, "num_heads": 4}, seed=2))
    with pytest.raises(UsageError) as caught:
        check(changes, ("model", "seed"), "r")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["seed", "model.d_model", "model.num_heads"]
    assert all("Choose another `run`" in line for line in lines)


def test_a_moved_run_goes_on() -> None:
    changes = compare(make(), make(run=str(Path("/elsewhere"))))
    assert [change.kind for change in changes] == ["free"]


def data_with(*train: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**BASE["data"], "train": list(train), **more}


PLAIN = {"reader": "plain", "src": "/t.en", "tgt": "/t.fr"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            data_with({"reader": "phrasebook", "pairs": 300}),
            data_with({"reader": "phrasebook", "pairs": 400}),
            ["data.train.0.pairs: 300 → 400"],
        ),
        (
            data_with(PLAIN),
            data_with(PLAIN, {"reader": "tsv", "path": "/new.tsv"}),
            ["data.train: with {reader: tsv, path: /new.tsv, src_column: 1, tgt_column: 2, on_error: stop}"],
        ),
        (
            data_with(PLAIN),
            data_with({"reader": "tmx", "path": "/m.tmx"}),
            ["data.train: without {reader: plain, src: /t.en, tgt: /t.fr}, with {reader: tmx, path: /m.tmx}"],
        ),
        (
            data_with(PLAIN),
            data_with(PLAIN, test={"one": PLAIN}),
            ["data.test.one: none → {reader: plain, src: /t.en, tgt: /t.fr}"],
        ),
    ],
    ids=["an option of a corpus", "one more corpus", "another corpus", "a test set"],
)
def test_lists_of_corpora_are_shown_as_in_a_config(
    before: dict[str, Any], after: dict[str, Any], told: list[str]
) -> None:
    assert [change.values for change in compare(make(data=before), make(data=after))] == told
