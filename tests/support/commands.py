"""The command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.corpora import REPOSITORY

MTKIT = [sys.executable, "-W", "error", "-m", "mtkit"]


def mtkit(
    *args: str, cwd: Path, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """What one call gave; stdin is empty unless there is `stdin` or `input`."""
    if "input" not in options:
        options = {"stdin": subprocess.DEVNULL, **options}
    options = {"capture_output": True, "encoding": "utf-8", **options}
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "dumb"} | (env or {})
    return subprocess.run([*MTKIT, *args], cwd=cwd, env=environment, check=False, **options)
