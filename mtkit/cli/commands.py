"""The table of commands, as typer sees it."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, cast, get_args

import typer
from typer import TyperException
from typer._click.exceptions import NoArgsIsHelpError
from typer.core import TyperGroup
from typer.main import get_command

import mtkit
from mtkit.cli import (
    backtranslate,
    compare,
    confidence,
    config,
    console,
    data,
    denoise,
    distill,
    doctor,
    evaluate,
    explain,
    export,
    import_,
    init,
    plot,
    prepare,
    score,
    serve,
    serve_keys,
    show,
    tokenize,
    train,
    translate,
)
from mtkit.cli import (
    report as run_report,
)
from mtkit.cli.arguments import COMPLETE, GroupedCommand
from mtkit.cli.failures import EXIT_CODES, report

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only results and errors.")]
EPILOG = "\n".join(("\b", "Exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())))
_WIDEST = 140


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


def for_typer(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each `Flag` as an option of typer."""
    signature = inspect.signature(command, eval_str=True)
    parameters = []
    for parameter in signature.parameters.values():
        kind, flag = get_args(parameter.annotation)
        option = typer.Option(
            *flag.names,
            help=flag.help,
            rich_help_panel=flag.panel,
            show_default=False,
            metavar=flag.metavar,
            min=flag.low,
        )
        parameters.append(parameter.replace(annotation=Annotated[kind, option]))

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        command(*args, **kwargs)

    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    return run


def _with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """The command with `--quiet` as an option of its own, so that it is accepted after its name too."""
    signature = inspect.signature(command, eval_str=True)
    if "quiet" in signature.parameters:
        return command

    @functools.wraps(command)
    def run(*args: Any, quiet: bool, **kwargs: Any) -> None:
        if quiet:
            console.set_up(quiet=True, debug=console.state.debug)
        command(*args, **kwargs)

    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Quiet)
    vars(run)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), option])
    return run


def _unless_below(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which does nothing where a command below it was called."""
    signature = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def run(context: typer.Context, **kwargs: Any) -> None:
        if context.invoked_subcommand is None:
            command(**kwargs)

    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    vars(run)["__signature__"] = signature.replace(parameters=[first, *signature.parameters.values()])
    return run


class _TranslateCommand(GroupedCommand):
    """Its search flags are described by the options of `decode`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        translate.describe_search(self.params)
        super().format_options(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Says how a text or a file is given that was typed as an argument."""
        ctx.allow_extra_args = True
        rest: list[str] = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            sys.exit(report(translate.no_argument(ctx.args)))
        return rest


def _group(text: str, *members: Callable[..., None]) -> typer.Typer:
    """Commands below a common name."""
    group = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=text)
    group.callback()(lambda: None)  # else its only command would be the group itself
    for member in members:
        group.command(cls=GroupedCommand)(_guarded(_with_quiet(member)))
    return group


class _GroupedGroup(TyperGroup):
    """A command that has commands below it; its help is like that of `GroupedCommand`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        GroupedCommand.format_options(cast(GroupedCommand, self), ctx, formatter)
        self.format_commands(ctx, formatter)


def _group_of(command: Callable[..., None], **groups: typer.Typer) -> typer.Typer:
    """A command with groups below it, which runs by itself without them."""
    group = typer.Typer(
        cls=_GroupedGroup,
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        help=command.__doc__,
    )
    group.callback()(_guarded(_unless_below(_with_quiet(command))))
    for name, below in groups.items():
        group.add_typer(below, name=name)
    return group


def help_command(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Command to explain. Default: mtkit itself."),
    ] = None,
) -> None:
    """Show the help of a command.

    \b
    Example:
      mtkit help config show
    """
    context.find_root().command.main([*(names or ()), "--help"], prog_name="mtkit")


_GROUPS: dict[str, dict[str, Callable[..., None] | typer.Typer]] = {
    "Build a model": {
        "init": init.init,
        "prepare": prepare.prepare,
        "train": train.train,
        "evaluate": evaluate.evaluate,
    },
    "Use a model": {
        "translate": translate.translate,
        "serve": _group_of(
            for_typer(serve.serve), keys=_group("Make keys for clients of a server.", serve_keys.add)
        ),
        "score": score.score,
        "confidence": _group(
            "Fit and check how certain a model's translations are.", confidence.fit, confidence.check
        ),
        "export": export.export,
        "import": import_.import_model,
        "tokenize": tokenize.tokenize,
        "detokenize": tokenize.detokenize,
    },
    "Make more data": {
        "backtranslate": backtranslate.backtranslate,
        "distill": distill.distill,
        "denoise": denoise.denoise,
    },
    "Look closer": {
        "show": show.show_run,
        "report": run_report.report,
        "compare": compare.compare,
        "explain": explain.explain,
        "plot": plot.plot,
        "config": _group(
            "Show and check configs; print the schema and the presets.",
            config.show,
            config.check,
            config.schema,
            config.presets,
        ),
        "data": _group("Check prepared data.", data.verify),
        "doctor": doctor.doctor,
        "help": help_command,
    },
}
_BY_NAME = ("Make more data", "Look closer")
"""Groups whose commands are only named on the first screen, because 24 lines fit a terminal."""
_TABLE = {name: command for group in _GROUPS.values() for name, command in group.items()}


class _Built(Mapping[str, Any]):
    """The commands of `_TABLE` as typer runs them, each built when it is first used."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(_TABLE)

    def __len__(self) -> int:
        return len(_TABLE)

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            found = _TABLE[name]
            if not isinstance(found, typer.Typer):
                kind, command = GroupedCommand, found
                if found is translate.translate:
                    kind, command = _TranslateCommand, for_typer(found)
                found = typer.Typer(add_completion=False, rich_markup_mode=None)
                found.command(name, cls=kind)(_guarded(_with_quiet(command)))
            built = get_command(found)
            if COMPLETE in os.environ:
                from mtkit.cli.completion import teach

                teach(built)
            self._built[name] = built
        return self._built[name]


class _Program(TyperGroup):
    """All commands. Building them would take 30 ms, so that their help is listed without."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": _Built()})

    def main(self, args: Sequence[str] | None = None, *_: Any, **settings: Any) -> Any:
        """Runs a command line; its mistakes are reported like all other errors."""
        if COMPLETE in os.environ:
            from mtkit.cli.completion import prepare_completion

            prepare_completion()
        try:
            code = super().main(args, **settings | {"standalone_mode": False})
        except NoArgsIsHelpError as error:
            console.out_lines(error.message)
            code = 0
        except TyperException as error:
            from mtkit.cli.usage import usage_error

            code = report(usage_error(error))
        sys.exit(code or 0)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*_TABLE]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes each command with the first line of its help."""
        width = max(map(len, _TABLE))
        for title, group in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{width}}", _summary(found)) for name, found in group.items()])


def _summary(command: Callable[..., None] | typer.Typer) -> str:
    text = command.info.help if isinstance(command, typer.Typer) else command.__doc__
    return str(text).partition("\n")[0]


app = typer.Typer(
    name="mtkit",
    cls=_Program,
    epilog=EPILOG,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.out(f"mtkit {mtkit.__version__}")
        raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is not None:
        from mtkit.cli.completion import script

        console.out_lines(script(shell))
        raise typer.Exit


def _install_completion(wanted: bool) -> None:
    if wanted:
        from mtkit.cli.completion import install

        console.say(f"Wrote {install()}. Completion starts in the next shell.")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    quiet: _Quiet = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            callback=_install_completion,
            help="Complete commands, options and files with Tab in your shell.",
        ),
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="bash|zsh|fish|powershell",
            callback=_show_completion,
            help="Print the completion script of a shell.",
        ),
    ] = None,
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
    if context.invoked_subcommand is None:
        _introduce()


def _introduce() -> None:
    """Prints the names of the commands and where to read more, on stdout."""
    console.out("mtkit: train and run your own translation models.")
    for title, group in _GROUPS.items():
        console.out("")
        if title in _BY_NAME:
            names = [name for name, command in group.items() if command != help_command]
            console.out_prose(f"{title}: {', '.join(names)}")
            continue
        console.out(f"{title}:")
        for name, command in group.items():
            console.out_prose(f"  {name:10}  {_summary(command)}", indent=14)
    console.out("")
    console.out_prose(
        "Start with `mtkit init`. `mtkit help COMMAND` explains a command, `mtkit --help` all options."
    )
