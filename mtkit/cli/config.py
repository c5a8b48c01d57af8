"""Shows and checks configs; prints the schema and the presets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtkit.cli.arguments import ConfigArguments, read_arguments, shown, split_arguments
from mtkit.cli.console import out, out_lines, out_prose, table

if TYPE_CHECKING:
    from mtkit.config.schema import Config

COMMENT_COLUMN = 48


def show(arguments: ConfigArguments = None) -> None:
    """Print every option with its value and its origin.

    \b
    Example:
      mtkit config show mtkit.yaml model.preset=small
    """
    from mtkit.config.load import render

    loaded = read_arguments(arguments)
    lines = list(render(loaded.config))
    column = min(COMMENT_COLUMN, max(len(line) for line, _ in lines) + 2)
    for line, key in lines:
        out(f"{line:<{column - 2}}  # {loaded.origins[key]}" if key else line)


def check(arguments: ConfigArguments = None) -> None:
    """Check a config and print everything that is wrong with it.

    Also looks for its files, reads the first pair of each corpus, and checks that training can start here.

    \b
    Example:
      mtkit config check mtkit.yaml
    """
    from mtkit.config.refuse import refuse
    from mtkit.data.prepare.check_sources import faults_of_sources
    from mtkit.text.languages import warn_if_unknown
    from mtkit.train.requirements import faults_of_training

    paths, _ = split_arguments(arguments)
    loaded = read_arguments(arguments)
    config = loaded.config
    refuse(loaded, (*faults_of_sources(config), *faults_of_training(config)))
    warn_if_unknown(*(code for source in config.data.corpora for code in config.data.languages_of(source)))
    out_prose(f"{' + '.join(map(str, paths))}: ok: {summary(config)}")


def schema(
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the schema to this file instead of standard output.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of configs, for use in editors.

    \b
    Example:
      mtkit config schema --write schema.json
    """
    import json

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if write is None:
        out_lines(text)
    else:
        from mtkit.cli.streams import open_output

        with open_output(write) as file:
            file.write(f"{text}\n".encode())


def presets() -> None:
    """Print the model presets and their sizes.

    \b
    Example:
      mtkit config presets
    """
    from mtkit.config.model import PRESETS, ModelConfig, num_parameters

    rows = []
    for name in PRESETS:
        model = ModelConfig.model_validate({"preset": name})
        layers = f"{model.num_encoder_layers} + {model.num_decoder_layers}"
        sizes = (name, layers, model.d_model, model.d_ff, model.num_heads, model.norm, f"{model.dropout:.2f}")
        rows.append((*sizes, *(f"{num_parameters(model, n, n) / 1e6:.1f}" for n in (8_000, 32_000))))
    head = ("preset", "layers", "d_model", "d_ff", "heads", "norm", "dropout")
    table((*head, "8,000 pieces", "32,000 pieces"), rows, to_stdout=True)
    out_prose("The last columns are millions of parameters, with shared vocabularies of these sizes.")


def json_schema() -> dict[str, Any]:
    """Every option with its type, bounds, default and description."""
    from mtkit.config.schema import Config
    from mtkit.config.trees import INCLUDE

    dialect = "https://json-schema.org/draft/2020-12/schema"
    schema = Config.model_json_schema()
    for section in ("model", "train"):
        options = schema["properties"][section]
        schema["properties"][section] = {"anyOf": [options, {"const": "auto"}]}
    schema["properties"][INCLUDE] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "Files over which this one is merged, relative to its folder.",
    }
    return {"$schema": dialect, **schema, "title": "mtkit configuration"}


def _duration(seconds: float) -> str:
    if seconds < 120 and seconds % 60:
        return f"{seconds:g} seconds"
    return f"{seconds / 60:,.1f}".removesuffix(".0") + " minutes"


def summary(config: Config) -> str:
    """A one-line summary of the config."""
    data, model, limits = config.data, config.model, []
    if config.train.max_steps is not None:
        limits.append(f"{config.train.max_steps:,} steps")
    if config.train.max_epochs is not None:
        limits.append(f"{config.train.max_epochs:,} epochs")
    if config.train.max_time is not None:
        limits.append(_duration(config.train.max_time))
    if config.train.cooldown is not None:
        limits = [f"{_duration(config.train.cooldown)} of cooldown"]
    if config.train.cooldown_steps is not None:
        limits = [f"{config.train.cooldown_steps:,} steps of cooldown"]
    sizes = f" (d_model {model.d_model}, {model.num_encoder_layers} + {model.num_decoder_layers} layers)"
    return (
        f"{data.src_lang} → {data.tgt_lang}, {len(data.train)} training and {len(data.test)} test sets, "
        f"model {model.preset}{sizes * (model.preset != 'auto')}, "
        f"{'at most ' * bool(limits)}{' or '.join(limits) or 'no limit'}, run {shown(config.run)}"
    )
