"""The options of `mtkit compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtkit.config.fixed import DIVISIONS, METRIC_NAMES

Systems = Annotated[
    list[Path],
    typer.Argument(
        metavar="SYSTEM",
        help="Run folders that were evaluated, or files of translations with --ref. The first is the "
        "baseline.",
        show_default=False,
    ),
]
Refs = Annotated[
    list[Path] | None,
    typer.Option(
        "--ref",
        metavar="FILE",
        help="File of reference translations for files. Repeat it for several references per line.",
    ),
]
Src = Annotated[
    Path | None,
    typer.Option(
        "--src", metavar="FILE", help="File of the source texts, which are shown.", show_default=False
    ),
]
TgtLang = Annotated[
    str,
    typer.Option(metavar="CODE", help="Language of the files, such as fr. Words are split to suit it."),
]
Tests = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        metavar="NAME",
        help="Test set of the runs to compare; repeatable. Default: all that they have in common.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        metavar="|".join(METRIC_NAMES),
        help="Metrics to compute, separated by commas. Default: bleu,chrf.",
    ),
]
Breakdown = Annotated[
    str,
    typer.Option(
        "--breakdown",
        metavar="|".join(("all", *DIVISIONS, "none")),
        help="Kinds of buckets to score separately, separated by commas; all that are possible; or none.",
    ),
]
Domains = Annotated[
    Path | None,
    typer.Option("--domains", metavar="FILE", help="File with the domain of each line.", show_default=False),
]
Documents = Annotated[
    Path | None,
    typer.Option(
        "--documents", metavar="FILE", help="File with the document of each line.", show_default=False
    ),
]
Show = Annotated[
    int,
    typer.Option(
        "--show",
        min=0,
        metavar="N",
        help="Lines and n-grams to show of those that lost, and of those that gained.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write the comparison to this HTML page too.", show_default=False
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the comparison as JSON, with all lines that changed.")
]
PairedAr = Annotated[
    bool, typer.Option("--paired-ar", help="Test by approximate randomisation. This is the default.")
]
PairedBs = Annotated[
    bool, typer.Option("--paired-bs", help="Test by bootstrap resampling instead, as many papers do.")
]
ArTrials = Annotated[
    int | None,
    typer.Option(
        "--paired-ar-n", min=1, metavar="N", help="Number of trials. Default: 10000.", show_default=False
    ),
]
BsTrials = Annotated[
    int | None,
    typer.Option(
        "--paired-bs-n",
        min=1,
        metavar="N",
        help="Number of resamples. Default: 1000.",
        show_default=False,
    ),
]
