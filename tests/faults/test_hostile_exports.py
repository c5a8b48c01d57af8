"""Exports from strangers with hashes that are right: none reaches CTranslate2 but what the options imply."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mtkit.disk.manifest import MANIFEST, manifest_bytes
from mtkit.engine import ct2
from mtkit.errors import InputError
from mtkit.translate.open import open_translator
from tests.support.fakes import export_unchecked, make_tiny_run
from tests.support.faults.figures import trial

EXPORTS = "an export from a stranger reaches CTranslate2 only if it is what its options imply"
BIN, CONFIG, PIECES = "model.bin", "config.json", "shared_vocabulary.json"
TYPES = ("<f4", "<i1", "<i2", "<i4", "<f2", "<f2")
SIZES = (4, 1, 2, 4, 2, 2)


@dataclass
class Array:
    name: bytes
    shape: list[int]
    type: int
    data: bytes


@dataclass
class Bin:
    """model.bin, as the writer in CTranslate2's package lays it out, in parts that can be changed."""

    version: int = 6
    spec: bytes = b"TransformerSpec\0"
    revision: int = 7
    arrays: list[Array] = field(default_factory=list)
    aliases: list[tuple[bytes, bytes]] = field(default_factory=list)
    num_arrays: int = 0
    """More or fewer than there are."""

    @classmethod
    def read(cls, raw: bytes) -> Bin:
        place = 0

        def take(code: str) -> Any:
            nonlocal place
            found = struct.unpack_from(f"<{code}", raw, place)
            place += struct.calcsize(f"<{code}")
            return found if len(found) != 1 else found[0]

        def text() -> bytes:
            return bytes(take(f"{take('H')}s"))

        made = cls(take("I"), text(), take("I"))
        for _ in range(take("I")):
            name, rank = text(), take("B")
            shape = [take("I") for _ in range(rank)]
            made.arrays.append(Array(name, shape, take("B"), take(f"{take('I')}s")))
        made.aliases = [(text(), text()) for _ in range(take("I"))]
        assert place == len(raw)
        return made

    def written(self) -> bytes:
        def text(value: bytes) -> bytes:
            return struct.pack("<H", len(value)) + value

        parts = [struct.pack("<I", self.version), text(self.spec)]
        parts.append(struct.pack("<II", self.revision, len(self.arrays) + self.num_arrays))
        for array in self.arrays:
            head = struct.pack(f"<B{len(array.shape)}IB", len(array.shape), *array.shape, array.type)
            parts += [text(array.name), head, struct.pack("<I", len(array.data)), array.data]
        parts.append(struct.pack("<I", len(self.aliases)))
        parts += [text(name) for pair in self.aliases for name in pair]
        return b"".join(parts)

    @property
    def scalars(self) -> list[Array]:
        return [array for array in self.arrays if not array.shape]

    @property
    def weights(self) -> list[Array]:
        return [array for array in self.arrays if array.shape]


# ---------------------------------------------------------------- what is done to model.bin

Draw = random.Random


def _scalar(model: Bin, draw: Draw) -> None:
    array = draw.choice(model.scalars)
    before = array.data
    while array.data == before:
        array.data = draw.randbytes(len(before))


def _a_dimension(model: Bin, draw: Draw) -> None:
    """The numbers stay as they are."""
    array = draw.choice(model.weights)
    index = draw.randrange(len(array.shape))
    others = [0, 1, array.shape[index] - 1, array.shape[index] + 1, 2 * array.shape[index], (1 << 32) - 1]
    array.shape[index] = draw.choice([other for other in others if other != array.shape[index]])


def _another_size(model: Bin, draw: Draw) -> None:
    """Rows and numbers that fit each other, but no other array."""
    array = draw.choice(model.weights)
    row = len(array.data) // array.shape[0]
    rows = draw.choice(
        [0, 1, array.shape[0] // 2, array.shape[0] - 1, array.shape[0] + 1, 3 * array.shape[0]]
    )
    array.shape[0] = rows
    array.data = (array.data * 3)[: rows * row]


def _the_rank(model: Bin, draw: Draw) -> None:
    array = draw.choice(model.arrays)
    array.shape = draw.choice(
        [[*array.shape, 1], [1, *array.shape], [1] * 255, array.shape[1:] if array.shape else [1]]
    )


def _turned(model: Bin, draw: Draw) -> None:
    array = draw.choice([array for array in model.weights if len({*array.shape}) > 1])
    array.shape.reverse()


def _the_type(model: Bin, draw: Draw) -> None:
    """With as many bytes as it then needs, or those of before."""
    array = draw.choice(model.arrays)
    before = SIZES[array.type]
    array.type = draw.choice([number for number in (*range(6), 6, 255) if number != array.type])
    if array.type < 6 and draw.random() < 0.5:
        count = len(array.data) // before
        array.data = (array.data * 4)[: count * SIZES[array.type]]


def _cut(model: Bin, draw: Draw) -> None:
    array = draw.choice(model.arrays)
    array.data = array.data[: draw.randrange(len(array.data))]


def _grown(model: Bin, draw: Draw) -> None:
    draw.choice(model.arrays).data += bytes(draw.randint(1, 64))


def _dropped(model: Bin, draw: Draw) -> None:
    model.arrays.remove(draw.choice(model.arrays))


def _doubled(model: Bin, draw: Draw) -> None:
    model.arrays.insert(draw.randrange(len(model.arrays)), copy.deepcopy(draw.choice(model.arrays)))


def _renamed(model: Bin, draw: Draw) -> None:
    array = draw.choice(model.arrays)
    array.name = draw.choice(
        [b"", b"\0", array.name[:-1], b"x" + array.name, array.name[:-2] + b"\xff\0", b"a" * 60_000 + b"\0"]
    )


def _exchanged(model: Bin, draw: Draw) -> None:
    """Two that differ change their names."""
    first = draw.choice(model.arrays)
    others = [a for a in model.arrays if (a.shape, a.type) != (first.shape, first.type)]
    second = draw.choice(others)
    first.name, second.name = second.name, first.name


def _added(model: Bin, draw: Draw) -> None:
    """What CTranslate2 knows, but not of this model."""
    layer = b"decoder/layer_0/self_attention/"
    known = [
        (layer + b"queries_scale\0", 0), (layer + b"head_dim\0", 3), (layer + b"sliding_window\0", 3),
        (layer + b"num_heads_kv\0", 3), (layer + b"rotary_dim\0", 3), (b"decoder/scale_outputs\0", 1),
        (b"decoder/final_logit_softcapping\0", 0), (b"decoder/layer_1/ffn/linear_0/weight\0", 1),
        (b"encoder/layer_1/self_attention/linear_0/weight\0", 1), (b"encoder/layernorm_embedding/gamma\0", 0),
        (layer + b"relative_position_keys\0", 0), (layer + b"linear_0/weight_zero\0", 0),
        (b"decoder/project_in/weight\0", 0), (b"unknown\0", 0),
    ]  # fmt: skip
    name, kind = draw.choice(known)
    shape: list[int] = draw.choice([[], [16], [1, 16]])
    count = 16 if shape else 1
    model.arrays.insert(
        draw.randrange(len(model.arrays)), Array(name, shape, kind, bytes(count * SIZES[kind]))
    )


def _aliases(model: Bin, draw: Draw) -> None:
    names = [array.name for array in model.arrays]
    own = draw.randrange(len(model.aliases))
    name, target = model.aliases[own]
    other = draw.choice([n for n in names if n != target])
    match draw.randrange(7):
        case 0:
            del model.aliases[own]
        case 1:
            model.aliases.append((name, target))
        case 2:
            model.aliases[own] = (name, other)
        case 3:
            model.aliases[own] = (name, name)
        case 4:
            model.aliases.append((other, target))
        case 5:
            model.aliases.append((b"unknown\0", target))
        case 6:  # an array of another use, whose numbers CTranslate2 may put into another order
            array = draw.choice(model.arrays)
            others = [a for a in model.arrays if (a.shape, a.type) != (array.shape, array.type)]
            model.arrays.remove(array)
            model.aliases.append((array.name, draw.choice(others).name))


def _head(model: Bin, draw: Draw) -> None:
    match draw.randrange(4):
        case 0:
            model.version = draw.choice([0, 1, 4, 5, 7, 1 << 31])
        case 1:
            model.spec = draw.choice(
                [b"", b"\0", b"TransformerDecoderModelSpec\0", b"WhisperSpec\0", b"x" * 65_535]
            )
        case 2:
            model.revision = draw.choice([0, 1, 6, 8, (1 << 32) - 1])
        case 3:
            model.num_arrays = draw.choice([-len(model.arrays), -1, 1, 1 << 31])


BIN_CHANGES: list[Callable[[Bin, Draw], None]] = [
    _scalar, _scalar, _scalar, _a_dimension, _another_size, _another_size, _the_rank, _turned, _the_type,
    _cut, _grown, _dropped, _doubled, _renamed, _exchanged, _added, _aliases, _aliases, _head,
]  # fmt: skip


def _bytes_of_bin(raw: bytes, draw: Draw) -> bytes:
    """Cut, grown, or a bit changed that belongs to no weight."""
    match draw.randrange(4):
        case 0:
            return raw[: draw.choice([0, 1, 5, draw.randrange(len(raw))])]
        case 1:
            return raw + draw.randbytes(draw.randint(1, 9))
        case _:
            model = Bin.read(raw)
            for array in model.weights:  # what has other bytes with other weights is no weight
                array.data = bytes(255 - byte for byte in array.data)
            other = model.written()
            place = draw.choice([i for i in range(0, len(raw), 1) if raw[i] == other[i]])
            return raw[:place] + bytes([raw[place] ^ 1 << draw.randrange(8)]) + raw[place + 1 :]


# ---------------------------------------------------------------- what is done to texts

DEEP: list[Any] = []
JUNK: list[Any] = [
    None, True, -1, 0, 10**400, 1e308, "", "x", "../../x", "\0", "a" * 9999, [], ["x"], [[]], {},
    {"": []}, [None],
]  # fmt: skip


for _ in range(700):
    DEEP = [DEEP]
JUNK.append(DEEP)


def _deep(draw: Draw) -> bytes:
    depth = draw.choice([50, 900, 990, 100_000])
    opening, closing = draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return opening * depth + b"1" + closing * depth


def _text(raw: bytes, draw: Draw) -> bytes:
    """Some JSON, or none, in place of other."""
    value = json.loads(raw)
    if draw.random() < 0.25:
        return draw.choice(
            [b"", b"{", b"\xff", b"null", b"[]", b"{}", b"NaN", raw[:-5], raw + raw, _deep(draw)]
        )
    keys = range(len(value)) if isinstance(value, list) else [*value]
    key = draw.choice(keys)
    match draw.randrange(4):
        case 0:
            del value[key]
        case 1:
            value[key] = draw.choice([junk for junk in JUNK if junk != value[key]])
        case 2 if isinstance(value, list):
            value.insert(key, draw.choice(["x", value[0], *JUNK]))
        case 3 if isinstance(value, list):
            value = dict(enumerate(value)) if draw.random() < 0.5 else value * 2
        case _ if isinstance(value, dict):
            value |= {draw.choice(["add_source_bos", "decoder_start_token", "x"]): draw.choice(JUNK)}
        case _:
            value.reverse()
    return json.dumps(value, indent=2).encode()


MODEL_CHANGES: dict[str, list[Any]] = {
    "d_model": [8, 18, 32, 16384, 10**9], "d_ff": [16, 64, 65536], "num_heads": [1, 2, 8, 0, 3],
    "num_kv_heads": [1, 2],
    "num_encoder_layers": [2, 100, 0], "num_decoder_layers": [2, 100], "norm": ["post", "both"],
    "norm_type": ["rmsnorm"], "activation": ["gelu", "swiglu"], "positions": ["rope", "alibi"],
    "bias": ["none", "feed_forward"],
}  # fmt: skip


def _manifest(manifest: dict[str, Any], draw: Draw) -> None:
    match draw.randrange(4):
        case 0:
            key, values = draw.choice([*MODEL_CHANGES.items()])
            manifest["model"] = manifest["model"] | {key: draw.choice(values)}
        case 1:
            key = draw.choice(["decode", "text", "model"])
            manifest[key] = draw.choice(
                [
                    [],
                    None,
                    7,
                    "x",
                    {"unknown": 1},
                    {draw.choice([*manifest[key]]): [[{}]]},
                    {"a": "a" * 99_999},
                ]
            )
        case 2:
            key = draw.choice(
                [
                    *("max_positions", "src_lang", "tgt_lang", "tags", "source", "quantization", "tokenizer"),
                    "training",
                ]
            )
            manifest[key] = draw.choice([junk for junk in JUNK if junk not in ([], manifest[key])])
        case 3:
            key = draw.choice(
                ["source", "quantization", "max_positions", "src_lang", "tags", "decode", "text", "files"]
            )
            del manifest[key]


# ---------------------------------------------------------------- the trials


def mutate(folder: Path, draw: Draw) -> str:
    """Changes an export, then makes its manifest honest; says what was changed."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    del manifest["digest"]
    what = draw.choices(
        ["model.bin", "bytes", "config.json", "vocabulary", "manifest", "names"], [10, 3, 3, 3, 4, 1]
    )[0]
    raw = (folder / BIN).read_bytes()
    if what == "model.bin":
        model = Bin.read(raw)
        change = draw.choice(BIN_CHANGES)
        change(model, draw)
        (folder / BIN).write_bytes(model.written())
        what = change.__name__
    elif what == "bytes":
        (folder / BIN).write_bytes(_bytes_of_bin(raw, draw))
    elif what == "manifest":
        _manifest(manifest, draw)
    elif what == "names":
        name = draw.choice([BIN, CONFIG, PIECES, "tokenizer.model"])
        other = draw.choice(["source_vocabulary.json", "vmap.txt", "x"])
        (folder / name).rename(folder / other)
        manifest["files"][other] = manifest["files"].pop(name)
    else:
        name = CONFIG if what == "config.json" else PIECES
        (folder / name).write_bytes(_text((folder / name).read_bytes(), draw))
    for name, entry in manifest.get("files", {}).items():
        content = (folder / name).read_bytes()
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))
    return what


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its export; nobody may change it."""
    folder = tmp_path_factory.mktemp("hostile")
    make_tiny_run(folder)
    run = folder / "runs" / "tiny"
    export_unchecked(run / "model", run / "export" / "ctranslate2", "int8")
    return run


@pytest.fixture
def export(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "run")
    return tmp_path / "run" / "export" / "ctranslate2"


class ReachedError(AssertionError):
    """CTranslate2 was asked for."""


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached() -> None:
        raise ReachedError

    monkeypatch.setattr(ct2, "load_extension", reached)


def outcome(folder: Path) -> str:
    """What opening an export ends with: a refusal, the engine, or a bug."""
    try:
        open_translator(folder, device="cpu")
    except InputError as error:
        return "refused" if str(folder) in str(error) and len(str(error)) < 1000 else str(error)[:1000]
    except ReachedError:
        return "reached"
    except Exception as error:
        return f"bug: {error!r:.200}"
    return "opened"


@pytest.mark.usefixtures("no_engine")
def test_a_good_export_reaches_the_engine(export: Path) -> None:
    """And so do other weights: the sensitivity of the test beside this one."""
    assert outcome(export) == "reached"
    model = Bin.read((export / BIN).read_bytes())
    assert model.written() == (export / BIN).read_bytes()
    for array in model.weights:
        array.data = bytes(255 - byte for byte in array.data)
    (export / BIN).write_bytes(model.written())
    mend(export)
    assert outcome(export) == "reached"


def mend(folder: Path, change: Callable[[dict[str, Any]], object] = lambda manifest: None) -> None:
    """An honest manifest of a changed folder."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    del manifest["digest"]
    change(manifest)
    for name, entry in manifest["files"].items():
        content = (folder / name).read_bytes()
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


def mutations(export: Path, seeds: range) -> Iterator[tuple[int, str]]:
    files = {path.name: path.read_bytes() for path in export.iterdir()}
    for seed in seeds:
        shutil.rmtree(export)
        export.mkdir()
        for name, content in files.items():
            (export / name).write_bytes(content)
        what = mutate(export, random.Random(seed))
        changed = {path.name: path.read_bytes() for path in export.iterdir()} != files
        trial(
            EXPORTS, struck=changed, kept=(ended := outcome(export)) == "refused", detail=(seed, what, ended)
        )
        yield seed, what


@pytest.mark.usefixtures("no_engine")
def test_200_mutations_of_an_export_are_refused(export: Path) -> None:
    assert len({what for _, what in mutations(export, range(200))}) > 15


@pytest.mark.slow
@pytest.mark.usefixtures("no_engine")
def test_2000_mutations_of_an_export_are_refused(export: Path) -> None:
    assert len({what for _, what in mutations(export, range(1_000, 3_000))}) >= 20


# ---------------------------------------------------------------- single cases


def set_scalar(export: Path, name: str, code: str, value: int) -> None:
    model = Bin.read((export / BIN).read_bytes())
    [array] = [array for array in model.arrays if array.name == name.encode() + b"\0"]
    assert len(array.data) == struct.calcsize(code)
    array.data = struct.pack(code, value)
    (export / BIN).write_bytes(model.written())
    mend(export)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("decoder/alignment_layer", value) for value in (127, -100, 1000, 3, -32768)),
        ("encoder/num_heads", 0),
        ("decoder/num_heads", 0),
    ],
)
@pytest.mark.usefixtures("no_engine")
def test_numbers_that_ended_the_process_are_named(export: Path, name: str, value: int) -> None:
    set_scalar(export, name, "<h", value)
    with pytest.raises(InputError, match=rf"model\.bin: {name} is {value}, expected (-1|0|4)\."):
        open_translator(export, device="cpu")


@pytest.mark.usefixtures("no_engine")
def test_a_run_with_a_good_model_does_not_hide_a_bad_export(export: Path) -> None:
    set_scalar(export, "decoder/alignment_layer", "<h", 127)
    with pytest.raises(InputError, match="alignment_layer"):
        open_translator(export.parents[1] / "model", device="cpu")


@pytest.mark.usefixtures("no_engine")
def test_a_vocabulary_longer_than_the_embeddings_is_refused(export: Path) -> None:
    pieces = json.loads((export / PIECES).read_text("utf-8"))
    (export / PIECES).write_text(json.dumps([*pieces, "more"], indent=2), "utf-8")
    mend(export)
    with pytest.raises(InputError, match=PIECES):
        open_translator(export, device="cpu")


def translated(export: Path) -> list[Any]:
    return list(open_translator(export, device="cpu").translate(["the cat sat"]))


def test_a_file_that_no_manifest_lists_is_not_seen(export: Path) -> None:
    """CTranslate2 would read it, were it given the folder."""
    (export / "vmap.txt").write_bytes(b"\xff" * 999)
    assert translated(export)


def test_what_was_compared_is_what_ctranslate2_gets(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are exchanged for a pipe, and for rubbish, when all has been read."""
    expected = translated(export)
    create = ct2.CTranslate2Engine.__init__

    def exchange(*args: Any, **options: Any) -> None:
        for name in (BIN, CONFIG, PIECES):
            (export / name).unlink()
        os.mkfifo(export / BIN)
        (export / CONFIG).write_bytes(b"{")
        create(*args, **options)

    monkeypatch.setattr(ct2.CTranslate2Engine, "__init__", exchange)
    assert translated(export) == expected
    assert (export / BIN).is_fifo()


def test_an_export_whose_manifest_says_nothing_of_the_model_is_read_by_its_config(export: Path) -> None:
    """As earlier versions wrote them."""
    mend(export, lambda manifest: manifest.pop("model"))
    assert translated(export)
    set_scalar(export, "decoder/alignment_layer", "<h", 127)
    with pytest.raises(InputError, match="alignment_layer"):
        open_translator(export, device="cpu")
