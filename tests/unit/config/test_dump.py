"""What `dump_config` writes is read back to an equal configuration, whatever the values."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.decode import DecodeConfig
from mtkit.config.load import dump_config, load_config
from mtkit.config.schema import Config

names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=12)
awkward = st.sampled_from(
    ["no", "1e-4", "012", "null", "~", "a: b", "#x", "- a", "'", '"', "é\u2028\x85", "😀", " ", "=", "\n"]
)
paths = st.builds(lambda parts: "/x/" + "/".join(parts), st.lists(names | awkward, min_size=1, max_size=3))
positive = st.floats(min_value=1e-300, max_value=1e300)
sources: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"reader": st.just("plain"), "src": paths, "tgt": paths}),
    st.fixed_dictionaries({"reader": st.just("tsv"), "path": paths}, optional={"columns": st.integers(2, 9)}),
    st.fixed_dictionaries({"reader": st.just("phrasebook"), "pairs": st.integers(1, 10**30)}),
)
configs = st.fixed_dictionaries(
    {
        "run": paths,
        "seed": st.integers(0, 2**32 - 1),
        "data": st.fixed_dictionaries(
            {
                "src_lang": st.sampled_from(["en", "no", "zh-Hant"]),
                "tgt_lang": st.sampled_from(["fr", "yes", "on"]),
                "train": st.lists(sources, min_size=1, max_size=3),
                "valid": sources,
                "test": st.dictionaries(names | awkward, sources, max_size=3),
            },
            optional={
                "root": paths,
                "filters": st.sampled_from([[], [{"filter": "ratio", "max_ratio": 1.5}]]),
            },
        ),
        "model": st.fixed_dictionaries({"preset": st.sampled_from(["tiny", "small", "base", "big"])}),
        "train": st.fixed_dictionaries(
            {"optimizer": st.fixed_dictionaries({"lr": positive, "eps": positive})},
            optional={"max_time": positive, "patience": st.none(), "tensorboard": st.booleans()},
        ),
    }
)


@given(configs)
def test_round_trip(values: dict[str, Any]) -> None:
    config = Config.model_validate_json(json.dumps(values))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yaml")
        file.write_text(dump_config(config), encoding="utf-8", newline="\n")
        assert load_config([file]).config == config


@given(configs)
def test_every_yaml_tool_reads_the_same_texts(values: dict[str, Any]) -> None:
    config = Config.model_validate_json(json.dumps(values))
    found = yaml.safe_load(dump_config(config))
    assert found == config.model_dump(mode="json") | {"decode": config.decode.applicable()}


class OtherDefaults(DecodeConfig):
    """Search options of a version of mtkit in which defaults are different."""

    diversity_penalty: float = 10.0
    temperature: float = 0.7


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"method": "sample", "top_k": 9, "temperature": 0.7},
        {"method": "diverse_beam", "beam_size": 4, "diversity_groups": 2, "diversity_penalty": 10.0},
    ],
)
def test_what_is_stored_can_be_read_when_defaults_have_changed(
    chosen: dict[str, Any], tmp_path: Path
) -> None:
    book = {"reader": "phrasebook"}
    data = {"src_lang": "en", "tgt_lang": "fr", "train": [book], "valid": book}
    config = Config.model_validate_json(json.dumps({"run": str(tmp_path), "data": data}))
    old = config.model_copy(update={"decode": OtherDefaults.model_validate(chosen)})
    (tmp_path / "config.yaml").write_text(dump_config(old), "utf-8")
    assert load_config([tmp_path / "config.yaml"]).config.decode == DecodeConfig.model_validate(chosen)
    assert DecodeConfig.model_validate_json(json.dumps(old.decode.applicable())).changed() == chosen
