"""JSON objects, one per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mtkit.config.sources import JsonlSource
from mtkit.data.read.fields import Fields, RecordError
from mtkit.data.read.lines import expand, read_lines
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs


def read_jsonl(source: JsonlSource, src_lang: str, tgt_lang: str, repairs: Repairs) -> Iterator[Pair]:
    """The two fields of each line; blank lines are ignored.

    Raises:
        InputError: a line is not JSON or lacks a field, and bad lines are not skipped.
    """
    fields = Fields(
        source.src_field or f"translation.{src_lang}",
        source.tgt_field or f"translation.{tgt_lang}",
        source.score_field,
        source.on_error,
        repairs,
    )
    for path in expand(source.path):
        for number, line in enumerate(read_lines(path, repairs), start=1):
            if not line or line.isspace():
                continue
            if pair := fields.pair(parse_json(line), f"{path}:{number}"):
                yield pair


def parse_json(text: str) -> Any:
    """The value of a JSON text; a RecordError if it is not valid JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return RecordError(f"is not JSON: {error.msg} at column {error.colno}.")
    except (ValueError, RecursionError) as error:  # too many digits, or nested too deeply
        return RecordError(f"is not valid JSON: {error}.")
