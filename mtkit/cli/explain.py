"""Shows why a model translates a sentence as it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.choices import DEVICE_HELP, DEVICES, MODEL_HELP, THREADS_HELP
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.data.prepare.shard_texts import TrainingText
    from mtkit.evaluate.explanation import Explainer, Explanation
    from mtkit.runs.find import Found
    from mtkit.translate.translator import Translator


def explain(
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="Sentence to translate; several words are joined by spaces."),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", metavar="PATH", help=MODEL_HELP, show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Explain this translation instead of the model's own.",
            show_default=False,
        ),
    ] = None,
    others: Annotated[
        int, typer.Option(min=0, metavar="N", help="Other probable tokens to show for each token.")
    ] = 3,
    pairs: Annotated[int, typer.Option(min=0, metavar="N", help="Nearest training pairs to show.")] = 3,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write the explanation to this HTML page.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Draw the attention to this .png, .svg or .pdf file, which requires matplotlib.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the explanation as JSON.")] = False,
    device: Annotated[str, typer.Option(metavar=DEVICES, help=DEVICE_HELP)] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help=THREADS_HELP, show_default=False)
    ] = None,
) -> None:
    """Show why a model translates a sentence as it does.

    For each token its probability and what else was probable, the source words at which the model looked,
    words without a counterpart, the translation without each word of the source, and the training pairs that
    are most like the sentence.

    \b
    Examples:
      mtkit explain "Two dogs run in the park."
      mtkit explain "Two dogs run in the park." --target "Deux chats courent dans le parc."
      mtkit explain "Two dogs run in the park." --html why.html -o attention.svg
    """
    from mtkit.runs.exports import is_export
    from mtkit.runs.find import find_model, read_model
    from mtkit.text.picture import picture_format
    from mtkit.translate.open import open_translator

    line = _one_line(" ".join(text), "TEXT")
    given = None if target is None else _one_line(target, "--target")
    if output is not None:
        picture_format(output)
    for path in (html, output):
        if path is not None and path.is_dir():
            raise UsageError(f"{path}: is a folder, expected a file.", "Name a file.")
    found = find_model(model)
    if is_export(found.folder):
        raise UsageError(
            f"{found}: is an export, which gives neither attention nor other probable tokens.",
            "Name the run or model folder that it was made from.",
        )
    console.say(f"model: {found}")
    translator = read_model(
        found.run, lambda folder: open_translator(folder, device=device, engine="native", threads=threads)
    )
    explainer = _explainer(translator, found, others, pairs)
    with console.working("explaining"):
        explanations = explainer.explain(line, given)
    _write_files(str(found), explanations, html, output)
    _print(str(found), explanations, as_json)


def _one_line(text: str, name: str) -> str:
    if not text.strip():
        raise UsageError(f"{name}: is empty.", "Give a sentence, in quotes.")
    if "\n" in text.strip():
        raise UsageError(f"{name}: has several lines.", "Give one line at a time.")
    return text.strip()


def _explainer(translator: Translator, found: Found, others: int, pairs: int) -> Explainer:
    from mtkit.evaluate.explanation import Explainer
    from mtkit.translate.request import Request

    training = _training_text(found, translator) if pairs else None
    return Explainer(translator, training, Request(guard=True), others + 1, pairs)


def _training_text(found: Found, translator: Translator) -> TrainingText | None:
    """The training pairs of the model's run; None if they are not there, or were prepared anew since."""
    from mtkit.data.prepare.shard_texts import open_training_text
    from mtkit.runs.find import config_of

    training = open_training_text(found.run, config_of(found.folder))
    if training and training.tokenizer.fingerprint == translator.tokenizer.fingerprint:
        return training
    return None


def _write_files(model: str, explanations: list[Explanation], html: Path | None, output: Path | None) -> None:
    from mtkit.cli.arguments import shown

    if html is not None:
        from mtkit.disk.output import output_file
        from mtkit.evaluate.explain_page import explain_page

        with output_file(html) as file:
            file.write(explain_page(model, explanations).encode())
        console.say(f"page: {shown(html)}")
    if output is not None:
        from mtkit.evaluate.alignment_drawing import attention_figure
        from mtkit.text.picture import save_figure

        save_figure(output, lambda: attention_figure(explanations))
        console.say(f"picture: {shown(output)}")


def _print(model: str, explanations: list[Explanation], as_json: bool) -> None:
    if as_json:
        import json

        from mtkit.evaluate.explanation import explanations_json

        console.out_lines(json.dumps(explanations_json(model, explanations), ensure_ascii=False, indent=1))
        return
    from mtkit.cli.explain_view import show_explanation

    for number, each in enumerate(explanations):
        if number:
            console.out("")
        show_explanation(each)
