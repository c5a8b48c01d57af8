"""Model folders from strangers cannot run code, leave their folder, or exhaust the machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mtkit.config.text import TextConfig
from mtkit.disk.manifest import MANIFEST, manifest_bytes, sha256
from mtkit.errors import InputError
from mtkit.text import probe as module
from mtkit.text.probe import probe
from tests.support.cases import mostly_slow
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

STRANGERS = "files from strangers cannot run code, leave their folder, or exhaust the machine"
WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.model", "config.yaml"
MEMORY = 3 << 30


class Canary:
    """Unpickling it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def block(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer with its length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def piece(text: bytes, score: float = 0.0, kind: int = 1) -> bytes:
    value = block(1, text) + varint(2 << 3 | 5) + struct.pack("<f", score) + varint(3 << 3) + varint(kind)
    return block(1, value)


def subwords(*pieces: bytes, charsmap: bytes = b"", kind: int = 1, byte_fallback: int = 0) -> bytes:
    """A SentencePiece model, written by hand."""
    special = piece(b"<pad>", 0, 3) + piece(b"<unk>", 0, 2) + piece(b"<s>", 0, 3) + piece(b"</s>", 0, 3)
    numbers = {3: kind, 35: byte_fallback, 40: 1, 41: 2, 42: 3, 43: 0}
    trainer = b"".join(varint(field << 3) + varint(value) for field, value in numbers.items())
    normalizer = block(1, b"identity") + (block(2, charsmap) if charsmap else b"")
    return special + b"".join(pieces) + block(2, trainer) + block(3, normalizer)


def tensors(folder: Path, **changes: Any) -> None:
    """The weights file with entries of its header changed, its bytes as they are."""
    raw = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    name = next(iter(header))
    header[name] |= changes
    text = json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def own(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """The weights with something changed, written by the library."""
    weights = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    change(weights)
    safetensors.torch.save_file(weights, folder / WEIGHTS)


def option(folder: Path, **values: object) -> None:
    """The config with options changed."""
    text = (folder / CONFIG).read_text("utf-8")
    for key, value in values.items():
        before = [line for line in text.split("\n") if line.strip().startswith(f"{key}:")]
        assert before, key
        indent = before[0][: len(before[0]) - len(before[0].lstrip())]
        text = text.replace(before[0], f"{indent}{key}: {value}")
    (folder / CONFIG).write_text(text, "utf-8")


def config(folder: Path, text: str) -> None:
    (folder / CONFIG).write_text(text, "utf-8")


def tokenizer(folder: Path, content: bytes) -> None:
    (folder / TOKENIZER).write_bytes(content)


def listed(folder: Path, name: str) -> None:
    """The manifest names one more file, rightly described."""
    path = folder / name
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["files"][name] = {"size": path.stat().st_size, "sha256": sha256(path)}
    del manifest["digest"]
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


def unlisted(folder: Path, name: str) -> None:
    """A file is there, but the manifest does not vouch for it."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    del manifest["files"][name], manifest["digest"]
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


def elsewhere(folder: Path, name: str) -> None:
    """A file of the folder becomes a link out of it."""
    outside = folder.parent / f"outside-{name}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)


def pipe(folder: Path, name: str) -> None:
    """A file of the folder becomes a pipe, of which nothing ever comes."""
    (folder / name).unlink()
    os.mkfifo(folder / name)


def torch_zip(folder: Path) -> None:
    torch.save({"weights": Canary(folder.parent / "canary")}, folder / WEIGHTS)


def numpy_zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / WEIGHTS, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Canary(folder.parent / "canary")))


FIRST = "encoder.0.attention_norm.weight"

# What is done to a folder that was good, and whether its author then makes an honest manifest of it.
HOSTILE: dict[str, tuple[Callable[[Path], object], bool]] = {
    "weights are a pickle": (
        lambda f: (f / WEIGHTS).write_bytes(pickle.dumps(Canary(f.parent / "canary"))),
        True,
    ),
    "weights are a torch file": (torch_zip, True),
    "weights are a zip with a pickle": (numpy_zip, True),
    "tokenizer is a pickle": (lambda f: tokenizer(f, pickle.dumps(Canary(f.parent / "canary"))), True),
    "config is a pickle": (
        lambda f: (f / CONFIG).write_bytes(pickle.dumps(Canary(f.parent / "canary"), protocol=0)),
        True,
    ),
    "config has a Python tag": (
        lambda f: config(f, f"!!python/object/apply:os.system ['touch {f.parent / 'canary'}']\n"),
        True,
    ),
    "config has a Python tag inside": (
        lambda f: option(f, seed=f"!!python/object/apply:os.system ['touch {f.parent / 'canary'}']"),
        True,
    ),
    "config is a bomb of aliases": (
        lambda f: config(f, "a: &a [1]\n" + "".join(f"b{n}: [*a, *a]\n" for n in range(99))),
        True,
    ),
    "config is nested without end": (lambda f: config(f, "[" * 100_000), True),
    "config is too long": (lambda f: config(f, "# " + "x" * 8_000_000), True),
    "config has a device as path": (lambda f: option(f, vocab_size="/dev/zero"), True),
    "a model as large as the machine": (lambda f: option(f, d_model=16384, d_ff=65536, num_heads=1), True),
    "a model as deep as allowed": (lambda f: option(f, num_encoder_layers=100, num_decoder_layers=100), True),
    "a depth that is not allowed": (lambda f: option(f, num_encoder_layers=10**9), True),
    "a width that is not allowed": (lambda f: option(f, d_model=10**12), True),
    "a beam that is not allowed": (lambda f: option(f, beam_size=10**9), True),
    "output without end": (lambda f: option(f, max_len_ratio="1.0e+15"), True),
    "batches without end": (lambda f: option(f, batch_tokens=10**15), True),
    "a header of 2^62 bytes": (lambda f: (f / WEIGHTS).write_bytes(struct.pack("<Q", 1 << 62) + b"{}"), True),
    "a tensor of 2^40 numbers": (lambda f: tensors(f, shape=[1 << 40]), True),
    "a tensor past the end": (lambda f: tensors(f, shape=[1 << 38], data_offsets=[0, 1 << 40]), True),
    "a tensor that overflows": (lambda f: tensors(f, shape=[1 << 63, 2, 1 << 63]), True),
    "a tensor of another type": (lambda f: tensors(f, dtype="I32"), True),
    "a tensor of an unknown type": (lambda f: tensors(f, dtype="PICKLE"), True),
    "a tensor below zero": (lambda f: tensors(f, shape=[-1], data_offsets=[0, -4]), True),
    "a header without JSON": (lambda f: (f / WEIGHTS).write_bytes(struct.pack("<Q", 8) + b"\xff" * 64), True),
    "a tensor is missing": (lambda f: own(f, lambda w: w.pop(min(w))), True),
    "a tensor too many": (lambda f: own(f, lambda w: w.update({"../../x": torch.zeros(1)})), True),
    "a tensor of another shape": (lambda f: own(f, lambda w: w.update({min(w): torch.zeros(7)})), True),
    "weights of NaN": (lambda f: own(f, lambda w: w[min(w)].fill_(float("nan"))), True),
    "tokenizer with NUL in a piece": (lambda f: tokenizer(f, subwords(piece(b"\0"))), True),
    "tokenizer with bytes that are no text": (lambda f: tokenizer(f, subwords(piece(b"\xff\xfe"))), True),
    "tokenizer with NaN as score": (lambda f: tokenizer(f, subwords(piece(b"a", float("nan")))), True),
    "tokenizer without its bytes": (lambda f: tokenizer(f, subwords(piece(b"a"), byte_fallback=1)), True),
    "tokenizer with a broken map": (lambda f: tokenizer(f, subwords(charsmap=b"\xff" * 64)), True),
    "tokenizer with a map past its end": (
        lambda f: tokenizer(f, subwords(charsmap=struct.pack("<I", 0x7FFFFFF0) + bytes(64))),
        True,
    ),
    "tokenizer with a vast piece": (lambda f: tokenizer(f, subwords(piece(b"a" * 9_000_000, 0, 4))), True),
    "tokenizer is a bomb": (lambda f: tokenizer(f, bytes(68_000_000)), True),
    "tokenizer is a link out of the folder": (lambda f: elsewhere(f, TOKENIZER), False),
    "weights are a link out of the folder": (lambda f: elsewhere(f, WEIGHTS), False),
    "manifest is a link out of the folder": (lambda f: elsewhere(f, MANIFEST), False),
    "manifest leads out of the folder": (lambda f: listed(f, "../tiny.yaml"), False),
    "manifest has an absolute name": (lambda f: listed(f, "/etc/hostname"), False),
    "manifest is nested without end": (lambda f: (f / MANIFEST).write_bytes(b"[" * 1_000_000), False),
    "manifest has a number without end": (
        lambda f: (f / MANIFEST).write_bytes(b'{"version": ' + b"9" * 99_999),
        False,
    ),
    "manifest does not know the weights": (lambda f: unlisted(f, WEIGHTS), False),
    "manifest does not know the config": (lambda f: unlisted(f, CONFIG), False),
    **{
        f"{name} is a pipe": (partial(pipe, name=name), False)
        for name in (WEIGHTS, TOKENIZER, CONFIG, MANIFEST)
    },
}


QUICK = {
    "weights are a torch file",
    "tokenizer is a pickle",
    "config has a Python tag",
    "config is nested without end",
    "a model as large as the machine",
    "a tensor past the end",
    "weights of NaN",
    "tokenizer with a map past its end",
    "weights are a link out of the folder",
    "manifest leads out of the folder",
    "manifest does not know the config",
    "config.yaml is a pipe",
}


def honest_manifest(folder: Path) -> None:
    """What a stranger's own mtkit would have written: nothing in it gives the content away."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    manifest["files"] = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
        for name in manifest["files"]
    }
    subword = sha256(folder / TOKENIZER)[:32]
    parts = [TextConfig().model_dump_json(), subword, subword]
    manifest["tokenizer"] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    del manifest["digest"]
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


def translate(server: ForkServer, folder: Path) -> tuple[int, str]:
    """Exit code and messages of a translation with the model in `folder`, in bounded memory."""
    (folder.parent / "in").write_text("the cat sat\n", "utf-8")
    child = server.mtkit(
        "translate",
        "-m",
        str(folder),
        "-i",
        "in",
        "-o",
        "out",
        log=folder.parent / "log",
        cwd=folder.parent,
        limit_memory={"size": MEMORY},
    )
    return child.wait(), child.said()


def test_the_model_is_good_before(server: ForkServer, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "m")
    honest_manifest(tmp_path / "m")
    code, said = translate(server, tmp_path / "m")
    assert (code, (tmp_path / "out").read_text("utf-8").count("\n")) == (0, 1), said


@pytest.mark.parametrize("name", mostly_slow([*HOSTILE], QUICK))
def test_hostile_models(name: str, server: ForkServer, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(model, folder)
    shutil.copy(model.parents[2] / "tiny.yaml", tmp_path)
    spoil, honest = HOSTILE[name]
    spoil(folder)
    if honest:
        honest_manifest(folder)
    code, said = translate(server, folder)
    lines = said.splitlines()
    trial(
        STRANGERS,
        struck=bool(lines),
        kept=code in (2, 3)
        and not (tmp_path / "canary").exists()
        and not (tmp_path / "out").exists()
        and "Traceback" not in said
        and all(str(folder) in line or line.startswith(("model: ", "tokenizer: ")) for line in lines),
        detail=(name, code, said[:2000]),
    )


def test_the_canary_would_sing(tmp_path: Path) -> None:
    """The proof of the proof: whoever unpickles these files runs their code."""
    (tmp_path / "m").mkdir()
    torch_zip(tmp_path / "m")
    torch.load(io.BytesIO((tmp_path / "m" / WEIGHTS).read_bytes()), weights_only=False)
    assert (tmp_path / "canary").exists()


def test_nothing_in_mtkit_unpickles() -> None:
    """numpy is told not to; what workers and ranks tell each other is no file."""
    root = Path(module.__file__).parents[1]
    # The ranks of one job, by the store that they share; the trainer and its own worker, by their pipe.
    own = [root / "train" / "machine" / "distributed.py", root / "data" / "feed" / "prefetch.py"]
    # Models of others, weights alone: torch refuses all else, as test_hostile_imports.py tries.
    foreign = root / "convert" / "foreign.py"
    loads = re.findall(r"torch\.load\(.*", foreign.read_text("utf-8"))
    assert len(loads) == 1
    assert "weights_only=True" in loads[0]
    own.append(foreign)
    assert all(path.is_file() for path in own)
    found = [
        f"{path}: {word}"
        for path in root.rglob("*.py")
        if path not in own
        for word in (
            "torch.load(",
            "torch.save(",
            "import pickle",
            "allow_pickle=True",
            "yaml.load(",
            "eval(",
            "exec(",
        )
        if word in path.read_text("utf-8").replace(".eval()", "")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("x = bytearray(8 << 30)", "MemoryError"),
        ("raise ValueError('odd')", "odd"),
    ],
)
def test_a_crash_of_the_probe_is_a_message(code: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = module.CODE.partition("import sentencepiece")[0]
    monkeypatch.setattr(module, "CODE", limits + code)
    with pytest.raises(InputError, match=said) as caught:
        probe(said.encode())
    trial(STRANGERS, struck=True, kept="\n" not in str(caught.value))


def test_a_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CODE", "import time; time.sleep(600)")
    monkeypatch.setattr(module, "SECONDS", 0.5)
    with pytest.raises(InputError, match=r"did not end within 0\.5 s"):
        probe(b"hangs")
    trial(STRANGERS, struck=True, kept=True)
