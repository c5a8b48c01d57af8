"""Prepared data are the same bytes wherever they are made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.corpora import REPOSITORY

CONFIG = """
run: {run}
data:
  root: corpora
  src_lang: en
  tgt_lang: tr
  num_workers: {workers}
  train:
    - {{reader: plain, src: "news-*.en", tgt: "news-*.tr"}}
    - {{reader: tsv, path: more.tsv}}
  valid: {{reader: cut, pairs: 10}}
  test: {{one: {{reader: tsv, path: test.tsv}}}}
tokenizer: {{vocab_size: 150}}
"""


def write_corpora(folder: Path, *, backwards: bool) -> None:
    """Files that are the same, made in another order, so that a folder may list them otherwise."""
    folder.mkdir(parents=True)
    files: dict[str, str] = {}
    for part in "abc":
        numbers = [n + 1000 * ord(part) for n in range(40)]
        files[f"news-{part}.en"] = "".join(f"The İstanbul ferry number {n} is late today.\n" for n in numbers)
        files[f"news-{part}.tr"] = "".join(f"{n} numaralı IŞIK vapuru bugün gecikti.\n" for n in numbers)
    files["more.tsv"] = "".join(f"A straße with {n} houses\t{n} evli bir sokak\n" for n in range(60))
    files["test.tsv"] = "a STRASSE with 7 houses\t7 evli bir sokak\n"
    for name in sorted(files, reverse=backwards):
        (folder / name).write_text(files[name], encoding="utf-8", newline="\n")


def prepared(folder: Path, workers: int, environment: dict[str, str], cwd: Path) -> dict[str, Any]:
    """The hash of each file, and what decides the fingerprint."""
    folder.mkdir()
    write_corpora(folder / "corpora", backwards=workers > 1)
    path = folder / "my.yaml"
    path.write_text(CONFIG.format(run=folder / "run", workers=workers), encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TZ"))}
    command = [sys.executable, "-m", "mtkit", "prepare", str(path)]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    manifest = json.loads((folder / "run" / "data" / "manifest.json").read_bytes())
    inputs = [entry["sha256"] for entry in manifest.pop("inputs")]
    return {**manifest, "inputs": inputs}


def test_locale_hash_seed_folder_clock_and_cores_change_no_byte(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    one = prepared(tmp_path / "one", 1, {"LC_ALL": "C", "PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}, tmp_path)
    two = prepared(
        tmp_path / "two",
        3,
        {"LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "2", "TZ": "America/Lima", "PYTHONUTF8": "1"},
        elsewhere,
    )
    assert one["files"]
    # Reports name the files' places; all else must be equal, and they too but for these.
    named = {"report.html", "report.json", "rejected.tsv.gz"}
    assert {name for name in one["files"] if one["files"][name] != two["files"].get(name)} <= named
    assert one["fingerprint"] == two["fingerprint"]
    assert one["ledger"]["rows"][0]["read"] == two["ledger"]["rows"][0]["read"] == 120
    reports = []
    for name in ("one", "two"):
        data = tmp_path / name / "run" / "data"
        reports.append([(data / file).read_bytes() for file in ("report.html", "report.json")])
    here, there = (str(tmp_path / name).encode() for name in ("one", "two"))
    assert [report.replace(here, there) for report in reports[0]] == reports[1]
