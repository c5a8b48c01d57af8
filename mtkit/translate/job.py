"""All that decides what a job writes, by which it is recognised when it is resumed. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mtkit
from mtkit.translate.input import Input
from mtkit.translate.request import Request

if TYPE_CHECKING:
    from mtkit.disk.partial import Job
    from mtkit.runs.find import Found
    from mtkit.translate.divided import FilePart
    from mtkit.translate.translator import Translator


def job(
    translator: Translator,
    input: Input,
    request: Request,
    models: Sequence[Found],
    glossary: Path | None = None,
    sources: Sequence[Path] = (),
    adapters: Sequence[tuple[Path, float]] = (),
    memory: Sequence[Path] = (),
    part: FilePart | None = None,
) -> Job:
    """All that decides what is written, for `partial_file`; or into the folder of several `sources`."""
    asked = asked_job(input, request, models, glossary, sources, adapters, memory)
    return {**asked, **({"--part": str(part)} if part else {}), **decisions(translator, request, models)}


def asked_job(
    input: Input,
    request: Request,
    models: Sequence[Found],
    glossary: Path | None = None,
    sources: Sequence[Path] = (),
    adapters: Sequence[tuple[Path, float]] = (),
    memory: Sequence[Path] = (),
) -> Job:
    """The part of a `job` that is known before the model is opened."""
    assert input.path is not None
    shown: dict[str, Any] = {
        "--format": input.kind,
        "--encoding": input.encoding,
        "--column": input.column,
        "--field": input.field,
        "--terms": input.terms,
        "--bilingual": input.is_bilingual,
        "--invalid": request.invalid,
        "--on-error": request.on_error,
        "--strict": request.strict,
        "--n-best": request.n_best,
        "--json": request.as_json,
        "--scores": request.scores,
        "--token-scores": request.token_scores,
        "--alignment": request.alignment,
        "--confidence": request.confidence,
        "--min-confidence": request.min_confidence,
        "--on-unsure": request.on_unsure,
        "--target-prefix": request.prefix,
        "--glossary": identity(glossary) if glossary else None,
        "--glossary-mode": request.glossary_mode,
        "--memory": list(map(identity, memory)),
        "--min-match": request.min_match,
        "--guard": request.guard,
    }
    return {
        "the input": [str(path) for path in sources] if sources else identity(input.path),
        "--adapter": [[str(path), weight] for path, weight in adapters],
        **shown,
        "the model": _identities(models),
        **{f"decode.{name}": value for name, value in request.search.items()},
    }


def decisions(translator: Translator, request: Request, models: Sequence[Found]) -> Job:
    """All that decides the translation of a text, as a part of a job."""
    options = json.loads(translator.search_options(request).model_dump_json())
    return {
        "mtkit": mtkit.__version__,
        "the model": _identities(models),
        "the engine": ", ".join(translator.engine.name.split(", ")[:2]),  # not how many threads it has
        **{f"decode.{name}": value for name, value in options.items()},
    }


def _identities(models: Sequence[Found]) -> str:
    from mtkit.disk.manifest import MANIFEST

    return ", ".join(identity(found.folder / MANIFEST) for found in models)


def identity(path: Path) -> str:
    """A file's name and the beginning of its hash, as a part of a job."""
    from mtkit.data.read.lines import digest

    return f"{path} {digest(path)[0][:16]}"
