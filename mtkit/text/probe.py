"""Whether a subword model of unknown origin can be used: tried out in a process that may crash or hang."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys

import sentencepiece

from mtkit.disk.reading import user_cache
from mtkit.errors import InputError

MAX_BYTES = 1 << 26
SECONDS = 60

# SentencePiece is C++: what it was not made for may end the process, or read where it must not.
CODE = """
import sys
try:
    import resource
    bounds = {resource.RLIMIT_AS: 4 << 30, resource.RLIMIT_CPU: 60, resource.RLIMIT_CORE: 0}
    for limit, bound in bounds.items():
        resource.setrlimit(limit, (bound, bound))
except (ImportError, OSError, ValueError):
    pass  # not every system has these bounds
import sentencepiece
model = sentencepiece.SentencePieceProcessor(model_proto=sys.stdin.buffer.read())
ids = range(model.get_piece_size())
for start in range(0, len(ids), 10_000):
    model.decode(list(ids[start : start + 10_000]))
    [model.id_to_piece(i) for i in ids[start : start + 10_000]]
texts = ["", " a  b ", "\\0", "\\u4e2d\\u6587" * 99, "".join(map(chr, range(32, 0xD800, 7)))]
for row in model.encode(texts, num_threads=1):
    assert all(i in ids for i in row)
"""


@functools.lru_cache(maxsize=16)
def probe(model_bytes: bytes) -> None:
    """Nothing, if SentencePiece can load the model, encode, decode and spell each piece.

    A model that could is known by its sha256 in the user's cache, and is not tried again.

    Raises:
        InputError: it cannot, or it crashed, hung or took too much memory.
    """
    if len(model_bytes) > MAX_BYTES:
        raise InputError(f"tokenizer: {len(model_bytes):,} bytes, at most {MAX_BYTES:,} are read.")
    digest = hashlib.sha256(model_bytes).hexdigest()
    passed = user_cache() / "tokenizers" / f"{digest}-{sentencepiece.__version__}"
    if passed.exists():
        return
    import signal
    import subprocess

    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", CODE],
            input=model_bytes,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"tokenizer: SentencePiece did not end within {SECONDS} s.") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise InputError(f"tokenizer: SentencePiece crashes on it ({name}).", "Do not trust it.")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise InputError(f"tokenizer: this is not a usable SentencePiece model ({said[:200]}).")
    with contextlib.suppress(OSError):  # where nothing can be kept, it is tried again
        passed.parent.mkdir(parents=True, exist_ok=True)
        passed.touch()
