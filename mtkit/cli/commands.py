"""The table of commands, as typer sees it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

import mtkit
from mtkit.cli import (
    config,
    console,
    data,
    evaluate,
    export,
    init,
    plot,
    prepare,
    score,
    tokenize,
    train,
    translate,
)
from mtkit.cli.arguments import GroupedCommand
from mtkit.cli.failures import report

EPILOG = """\b
Exit codes:
  0    done
  1    failed while running
  2    wrong usage or config
  3    unusable input: data, model or checkpoint
  4    a quality gate was missed
  70   a bug in mtkit
  75   stopped after saving; run the same command to resume
  130  interrupted by Ctrl-C
"""

app = typer.Typer(
    name="mtkit",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.out(f"mtkit {mtkit.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only results and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
) -> None:
    """Train and run your own translation models.

    \b
    Example:
      mtkit init                  write mtkit.yaml, a config that works as it is
      mtkit prepare               clean and tokenize the training data
      mtkit train                 train a model, or resume training
      mtkit evaluate              score the test sets
      echo "A sentence." | mtkit translate
    """
    console.set_up(quiet=quiet, debug=debug)


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with its failures reported and turned into exit codes."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()
        except (typer.Exit, typer.BadParameter):
            raise
        except (Exception, KeyboardInterrupt) as error:
            sys.exit(report(error))

    return run


_COMMANDS: tuple[Callable[..., None], ...] = (
    prepare.prepare,
    train.train,
    evaluate.evaluate,
    translate.translate,
    score.score,
    plot.plot,
    export.export,
    tokenize.tokenize,
    tokenize.detokenize,
    init.init,
)


class _TranslateCommand(GroupedCommand):
    """Its search flags are described by the options of `decode`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        translate.describe_search(self.params)
        super().format_options(ctx, formatter)


for _command in _COMMANDS:
    _kind = _TranslateCommand if _command is translate.translate else GroupedCommand
    app.command(cls=_kind)(_guarded(_command))

_config_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show and check configs; print the schema and the presets.",
)
_CONFIG_COMMANDS: tuple[Callable[..., None], ...] = (config.show, config.check, config.schema, config.presets)
for _command in _CONFIG_COMMANDS:
    _config_app.command()(_guarded(_command))
app.add_typer(_config_app, name="config")

_data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check prepared data.")
_data_app.command()(_guarded(data.verify))
_data_app.callback()(lambda: None)  # else its only command would be the group itself
app.add_typer(_data_app, name="data")
