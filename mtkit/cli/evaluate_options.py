"""The options of `mtkit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.cli.choices import DEVICE_HELP, DEVICES, ENGINE_HELP, ENGINES, THREADS_HELP
from mtkit.config.fixed import FORMS, METRIC_NAMES, MODEL_METRIC_NAMES

Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="PATH",
        help="Run folder, model folder or config file of another model to score on the test sets; "
        "repeatable. Default: the model of the run. Without CONFIG, the test sets are those of its own "
        "config.",
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        metavar="best|last|STEP", help="Score this checkpoint of the run instead of its final model."
    ),
]
Memory = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE|train",
        help="Translate with a translation memory, as mtkit translate does: files, or the training pairs of "
        "the run. These scores are not kept in the run folder. Repeatable.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="|".join((*METRIC_NAMES, *MODEL_METRIC_NAMES)),
        help="Metrics to compute, separated by commas. Default: evaluate.metrics of the config.",
    ),
]
MetricCommands = Annotated[
    list[str] | None,
    typer.Option(
        "--metric-command",
        metavar="NAME[:lower]=COMMAND",
        help="Score also with a program, which gets a JSON object per translation and prints a number for "
        "each; with :lower, lower is better; repeatable.",
    ),
]
MetricTimeout = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Longest time of a --metric-command per test set.")
]
Form = Annotated[
    str,
    typer.Option(
        metavar="|".join(FORMS),
        help="Form of the texts for BLEU: as they are, or as papers on Multi30k score (lower case, Moses "
        "tokens). Default: evaluate.form of the config, else raw.",
    ),
]
Tests = Annotated[
    list[str] | None,
    typer.Option(
        "--test", metavar="NAME", help="Test set to score; repeatable. Default: all test sets of the config."
    ),
]
Hyps = Annotated[
    list[str] | None,
    typer.Option(
        "--hyp",
        metavar="[NAME=]FILE",
        help="File of translations to score, beside the models or, with --ref, instead of a run; repeatable. "
        "{test} in its path stands for the name of the test set.",
    ),
]
Refs = Annotated[
    list[Path] | None,
    typer.Option(
        "--ref",
        metavar="FILE",
        help="File of reference translations for --hyp. Repeat it for several references per line.",
    ),
]
Src = Annotated[
    Path | None, typer.Option("--src", metavar="FILE", help="File of the source texts for --hyp and --ref.")
]
TgtLang = Annotated[
    str,
    typer.Option(
        metavar="CODE", help="Language of --hyp, such as fr. BLEU is tokenized to suit it, zh by character."
    ),
]
FailUnder = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=VALUE",
        help="Exit with code 4 if a test set scores worse than this; repeatable, and separated by commas.",
    ),
]
Segments = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write each translation with its source, references and sentence scores: JSON lines if the name "
        "ends in .jsonl, else a table with tabs.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write the results to this HTML page too.", show_default=False
    ),
]
Documents = Annotated[
    Path | None,
    typer.Option(
        "--documents",
        metavar="FILE",
        help="File with the document of each line, to score each document alone, too.",
    ),
]
Confidence = Annotated[
    bool, typer.Option("--confidence", help="Show the 95 % confidence interval of each score, by bootstrap.")
]
ConfidenceN = Annotated[
    int, typer.Option(min=2, metavar="N", help="Resamples of the test set for --confidence.")
]
Baseline = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Compare every other system with this one, by paired bootstrap and by paired approximate "
        "randomization. NAME is its name in the table.",
    ),
]
PairedBs = Annotated[
    bool, typer.Option("--paired-bs", help="For --baseline, only paired bootstrap resampling.")
]
PairedAr = Annotated[
    bool, typer.Option("--paired-ar", help="For --baseline, only paired approximate randomization.")
]
PairedBsN = Annotated[int, typer.Option(min=1, metavar="N", help="Resamples of the paired bootstrap.")]
PairedArN = Annotated[int, typer.Option(min=1, metavar="N", help="Trials of the approximate randomization.")]
RegressBy = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="POINTS",
        help="Exit with code 4 if a score is worse by more than this than the one that the run folder keeps, "
        "which then stays.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the scores as JSON instead of a table.")]
Device = Annotated[str, typer.Option(metavar=DEVICES, help=DEVICE_HELP)]
Engine = Annotated[str, typer.Option(metavar=ENGINES, help=ENGINE_HELP)]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help=THREADS_HELP, show_default=False)]
