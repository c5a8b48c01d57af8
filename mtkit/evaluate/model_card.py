"""The model card: `README.md` in a run folder, in the format of the Hugging Face Hub. Does not use torch.

It is for publication, so it has no paths and no sentences of the data. A file that the user wrote or changed
is left as it is: the last line of a card has the digest of the rest.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mtkit.config.card import CardConfig
from mtkit.config.schema import Config
from mtkit.config.sources import HeldOutSource, HuggingFaceSource
from mtkit.disk.files import write_text
from mtkit.disk.marks import read_mark
from mtkit.disk.reading import read_ordinary
from mtkit.errors import MtkitError
from mtkit.evaluate.run_facts import RunFacts, SetFacts, StoredScore, read_facts
from mtkit.metrics.surface import title_of
from mtkit.runs.layout import CARD, MODEL, claim_in, inside
from mtkit.text.visible import visible

logger = logging.getLogger(__name__)

_SEAL = "<!-- Written by mtkit, which replaces this file until somebody edits it. sha256 {} -->\n"
_SEALED = re.compile(re.escape(_SEAL).replace(r"\{\}", "([0-9a-f]{64})"))
_TYPES = {"bleu": "sacrebleu"}
"""Ids of metrics on the Hub that are not mtkit's names."""
_MOST_TEXT = 200


def write_card(run: Path, options: CardConfig | None = None) -> bool:
    """Writes the card of the finished model of a run; returns whether there is a new one.

    Nothing is written without a finished model. A file of that name that mtkit did not write, or that was
    changed, stays, with a warning.

    Args:
        run: the run folder.
        options: what the user says of the model; None for what its config said when it was trained.
    """
    if not (run / MODEL / "config.yaml").is_file():
        return False
    path = inside(run, CARD)
    if os.path.lexists(path) and not _is_ours(run):
        logger.warning("%s: was not written by mtkit or was edited, so it is left as it is.", path)
        return False
    facts = read_facts(run, details=False)
    if facts.config is None:
        return False
    claim_in(run, CARD)
    config = facts.config.model_copy(update={"card": options}) if options else facts.config
    write_text(path, sealed(card(facts, config)))
    return True


def sealed(text: str) -> str:
    """A card with the line by which mtkit knows it again."""
    return text + _SEAL.format(hashlib.sha256(text.encode()).hexdigest())


def _is_ours(run: Path) -> bool:
    """Whether mtkit wrote the card of a run, and nobody has changed it."""
    mark = read_mark(run)
    if mark is None or CARD not in mark.names:
        return False
    try:
        text = read_ordinary(inside(run, CARD)).decode()
    except (OSError, MtkitError, UnicodeDecodeError):
        return False
    body, _, last = text.removesuffix("\n").rpartition("\n")
    found = _SEALED.fullmatch(f"{last}\n")
    return found is not None and hashlib.sha256(f"{body}\n".encode()).hexdigest() == found[1]


def card(facts: RunFacts, config: Config) -> str:
    """The card of a finished model: YAML for the Hub, then Markdown for people."""
    front = yaml.safe_dump(_front(facts, config), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{front}---\n\n" + "\n\n".join(_body(facts, config)) + "\n\n"


# ---------------------------------------------------------------- for the Hub


def _front(facts: RunFacts, config: Config) -> dict[str, Any]:
    tests = [test for test in facts.tests if test.model == MODEL]
    metrics = dict.fromkeys(_type(score) for test in tests for score in test.scores)
    hub = [
        source.name for source in config.data.train if isinstance(source, HuggingFaceSource) and source.name
    ]
    front: dict[str, Any] = {
        "language": list(dict.fromkeys((config.data.src_lang, config.data.tgt_lang))),
        "license": config.card.license,
        "library_name": "mtkit",
        "pipeline_tag": "translation",
        "tags": ["translation", "mtkit"],
        "datasets": list(dict.fromkeys([*hub, *config.card.datasets])),
        "metrics": list(metrics),
    }
    results = [_result(test, config) for test in tests]
    if results:
        front["model-index"] = [{"name": _cut(facts.run.name), "results": results}]
    return {key: value for key, value in front.items() if value}


def _type(score: StoredScore) -> str:
    return _TYPES.get(score.metric, score.metric)


def _result(test: SetFacts, config: Config) -> dict[str, Any]:
    """The scores of a test set as the Hub expects them."""
    data = config.data
    source: HeldOutSource | None = data.test.get(test.test)
    hub = source.name if isinstance(source, HuggingFaceSource) else None
    return {
        "task": {"type": "translation", "name": f"Translation {data.src_lang}-{data.tgt_lang}"},
        "dataset": {"type": hub or _cut(test.test), "name": _cut(test.test)},
        "metrics": [
            {
                "type": _type(score),
                "name": title_of(score.metric, score.form),
                "value": round(score.value, 2),
                "args": {"signature": score.signature},
            }
            for score in test.scores
        ],
    }


# ---------------------------------------------------------------- for people


def _body(facts: RunFacts, config: Config) -> list[str]:
    data = config.data
    tags = " With a tag for the target language before each source." if data.target_tags else ""
    trained = ", ".join(
        f"{name.removesuffix(' that trained')} {version}"
        for name, version in facts.environment.items()
        if name.endswith(" that trained")
    )
    prints = [f"- fingerprint of the {name}: `{value}`" for name, value in facts.fingerprints.items()]
    return [
        f"# {plain(facts.run.name)}",
        f"A model that translates from `{data.src_lang}` to `{data.tgt_lang}`, trained with mtkit: preset "
        f"{config.model.preset}, d_model {config.model.d_model}.{tags}",
        "## Use",
        "    mtkit translate -m FOLDER < input.txt > output.txt",
        "## Licence",
        f"{plain(config.card.license)}. The licences of the training data may restrict what is allowed."
        if config.card.license
        else "No licence was named. Set `card.license` in the config.",
        "## Scores",
        *_scores(facts),
        "## Training data",
        *_data(facts),
        "## Reproduction",
        "\n".join([f"- seed: {config.seed}", *([f"- versions: {trained}"] if trained else []), *prints]),
    ]


def _scores(facts: RunFacts) -> list[str]:
    rows = [
        (test.test, f"{test.num_pairs:,}", title_of(score.metric, score.form), _told(score), score.signature)
        for test in facts.tests
        if test.model == MODEL
        for score in test.scores
    ]
    if not rows:
        return ["Not measured. `mtkit evaluate` adds them."]
    parts = [_table(("test set", "pairs", "metric", "score", "signature"), rows)]
    leaked = [f"{plain(test.test)} {test.leaked:,}" for test in facts.tests if test.leaked]
    if leaked:
        told = ", ".join(dict.fromkeys(leaked))
        parts.append(f"Sentences that the training data repeat make the scores too high: {told}.")
    return parts


def _told(score: StoredScore) -> str:
    return f"{score.value:.2f}" if score.margin is None else f"{score.value:.2f} ± {score.margin:.2f}"


def _data(facts: RunFacts) -> list[str]:
    """What was read and dropped of each corpus, by name."""
    if facts.data is None:
        return ["Not known any more."]
    rows = []
    for row in facts.data["ledger"]["rows"]:
        name = PurePosixPath(str(row["source"])).name
        rows.append((name, f"{int(row['read']):,}", f"{int(row['kept']):,}"))
    return [_table(("corpus", "pairs read", "pairs kept"), rows)]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(plain, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cut(text: str) -> str:
    return visible(text[:_MOST_TEXT])


def plain(text: str) -> str:
    """Text that Markdown shows as it is, cut if it is very long."""
    return re.sub(r"([\\`*_{}\[\]<>|#&!~])", r"\\\1", _cut(text))
