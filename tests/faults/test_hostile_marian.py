"""Files of Marian that are damaged or hostile: one error, no code run, bounded memory, no run folder."""

from __future__ import annotations

import copy
import io
import os
import pickle
import random
import resource
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtkit.convert.import_run import ImportRequest, import_model
from mtkit.convert.marian_file import read_marian_file
from mtkit.errors import InputError
from mtkit.model.checkpoint import load_model
from mtkit.model.shortlist import shortlist_from
from tests.support.marian import rounded, weights, write_marian, write_shortlist

BIN, NPZ, YML = "model.enfr.bin", "model.npz", "special:model.yml"


class Bait:
    """Unpickling it makes a folder."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made")
    write_marian(path / "bin", "intgemm8")
    write_marian(path / "npz", "npz")
    return path


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made / "bin", tmp_path / "bin"))


def refused(folder: Path, match: str) -> None:
    before = sorted(folder.parent.iterdir())
    with pytest.raises(InputError, match=match):
        import_model(ImportRequest(folder, folder.parent / "run", "en", "fr"), lambda _: None)
    assert sorted(folder.parent.iterdir()) == before


def overwrite(path: Path, at: int, content: bytes) -> None:
    whole = bytearray(path.read_bytes())
    whole[at : at + len(content)] = content
    path.write_bytes(whole)


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.3, 0.999])
def test_a_file_that_is_cut_off(folder: Path, share: float) -> None:
    content = (folder / BIN).read_bytes()
    (folder / BIN).write_bytes(content[: max(17, int(len(content) * share))])
    refused(folder, "is not a valid file of Marian")


@pytest.mark.parametrize(
    ("at", "number"),
    [
        (8, 9_999),
        (16, 1 << 62),
        (16, 513),
        (24, 0x4102),
        (24, 0x14101),
        (32, 1 << 61),
        (32, 5),
        (40, 1 << 63),
    ],
    ids=["count", "name", "long name", "intgemm16", "intgemm8ssse3", "shape", "dims", "data"],
)
def test_a_head_with_a_hostile_number(folder: Path, at: int, number: int) -> None:
    """Count of arrays; length of name, type, dimensions and length of data of the first one."""
    overwrite(folder / BIN, at, struct.pack("<Q", number))
    refused(folder, "is not a valid file of Marian")


@pytest.mark.parametrize("shape", [(1 << 30, 1 << 30), (-1, 16), (-128, -16), (0, 0), (64, 32)], ids=str)
def test_a_hostile_shape(folder: Path, shape: tuple[int, int]) -> None:
    content = (folder / BIN).read_bytes()
    at = content.index(struct.pack("<2i", 128, 16))
    overwrite(folder / BIN, at, struct.pack("<2i", *shape))
    refused(folder, "Marian|Wemb")


@pytest.mark.parametrize("multiplier", [0.0, -1.0, float("nan"), float("inf"), 1e-45])
def test_a_multiplier_that_gives_no_numbers(folder: Path, multiplier: float) -> None:
    content = (folder / BIN).read_bytes()
    table, _ = rounded(weights(128, "rnn", shared=True))["Wemb"]
    end = content.index(table.tobytes()) + table.size
    overwrite(folder / BIN, end, struct.pack("<f", multiplier))
    refused(folder, "multiplier|infinity|NaN")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("type: transformer", "type: amun", "type"),
        ("dim-emb: 16", "dim-emb: 32", "is"),
        ("dim-emb: 16", "dim-emb: -1", "dim-emb"),
        ("dim-emb: 16", "dim-emb: 1e9", "dim-emb"),
        ("enc-depth: 2", "enc-depth: 99999999", "no model that mtkit can build"),
        ("enc-depth: 2", "enc-depth: 1", "unknown"),
        ("enc-depth: 2", "enc-depth: 3", "missing"),
        ("transformer-heads: 4", "transformer-heads: 3", "no model that mtkit can build"),
        ("activation: relu", "activation: tanh", "activation"),
        ("autoreg: rnn", "autoreg: average-attention", "autoreg"),
        ("dec-cell: ssru", "dec-cell: gru", "dec-cell"),
        ("postprocess: dan", "postprocess: dn", "postprocess"),
        ('preprocess: ""', "preprocess: n", "preprocess"),
        ("type: transformer", "type: !!python/object/apply:os.mkdir [ran]", "special:model.yml"),
        ("type: transformer", "a: &a [x, x]\nb: *a\ntype: transformer", "special:model.yml"),
        ("type: transformer", "type: transformer\ntype: transformer", "special:model.yml"),
        ("type: transformer", "- no", "special:model.yml"),
    ],
)
def test_options_that_mtkit_does_not_have(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, match: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(made / "npz", tmp_path / "npz"))
    arrays = dict(np.load(folder / NPZ))
    text = arrays[YML].tobytes().decode().replace("autoreg: rnn", "autoreg: rnn")
    assert old in text
    arrays[YML] = np.frombuffer(text.replace(old, new).encode(), "i1")
    np.savez(folder / NPZ, **arrays)
    refused(folder, match)


def test_archives_that_numpy_would_load_but_marian_does_not_write(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(made / "npz", tmp_path / "npz"))
    arrays = dict(np.load(folder / NPZ))
    name = "decoder_ff_logit_out_b"
    np.savez_compressed(folder / NPZ, **arrays)
    refused(folder, "compressed")
    for changed, match in (
        (np.array([Bait()], dtype=object), "type"),
        (arrays[name].astype("f8"), "type"),
        (np.asfortranarray(arrays["Wemb"]), "order"),
        (np.full_like(arrays[name], np.nan), "NaN"),
    ):
        np.savez(folder / NPZ, **arrays | {name: changed})
        refused(folder, match)
    np.savez(folder / NPZ, **{key: value for key, value in arrays.items() if key != YML})
    refused(folder, "has no special:model.yml")


def test_entries_that_share_their_bytes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small archive that would become large: every entry of the directory points to the same array."""
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(made / "npz", tmp_path / "npz"))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("a.npy", bytes(1 << 20))
        for number in range(50):
            again = copy.copy(archive.getinfo("a.npy"))
            again.filename = f"{number}.npy"
            archive.filelist.append(again)
    (folder / NPZ).write_bytes(written.getvalue())
    refused(folder, "overlap")
    (folder / NPZ).write_bytes(pickle.dumps(Bait()))
    refused(folder, "no known model")


def test_folders_without_what_is_needed(made: Path, folder: Path) -> None:
    shutil.copy(made / "npz" / NPZ, folder)
    refused(folder, "has several models")
    (folder / NPZ).unlink()
    (spm,) = folder.glob("*.spm")
    content = spm.read_bytes()
    (folder / "other.spm").write_bytes(content)
    refused(folder, "has 2 SentencePiece models")
    (folder / "other.spm").unlink()
    spm.write_bytes(content.replace(b"</s>", b"</x>"))
    refused(folder, "has no piece </s>")
    spm.write_bytes(content[:99])
    refused(folder, "spm")
    spm.unlink()
    refused(folder, "has 0 SentencePiece models")


@pytest.mark.parametrize(
    ("at", "number"),
    [
        (16, 1 << 20),
        (32, 0),
        (32, 1 << 60),
        (40, 5),
        (40, 1 << 62),
        (48, 7),
        (64, 1 << 40),
        (56, (1 << 64) - 1),
    ],
    ids=["first", "no offsets", "offsets", "few ids", "ids", "begin", "place", "negative"],
)
def test_a_shortlist_with_a_hostile_number(folder: Path, at: int, number: int) -> None:
    path = write_shortlist(folder, 6, [[5] for _ in range(128)])
    overwrite(path, at, struct.pack("<Q", number))
    refused(folder, r"lex.*(sizes contradict|does not fit)")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("▁x: 99999999", "not below the size"),
        ("▁x: 5", "two pieces have one id"),
        ("</s>: 90", "is there twice"),
        ("▁x", "not a piece with its id"),
        ("? [▁x]: 128", "not a piece with its id"),
        ('"▁x: 90', "not a piece with its id"),
        ("*a : 128", "not a piece with its id"),
    ],
)
def test_a_table_of_ids_with_a_hostile_line(tmp_path: Path, line: str, match: str) -> None:
    folder = tmp_path / "opus"
    write_marian(folder, "npz", "self-attention", "swish", opus=True)
    (path,) = folder.glob("*.vocab.yml")
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    refused(folder, match)


def test_a_table_of_ids_without_what_is_needed(tmp_path: Path) -> None:
    folder = tmp_path / "opus"
    write_marian(folder, "npz", "self-attention", "swish", opus=True)
    (path,) = folder.glob("*.vocab.yml")
    content = path.read_text("utf-8")
    path.write_text(content.replace("</s>", "</x>"), "utf-8")
    refused(folder, "has no piece </s>")
    path.write_text(content.replace("<unk>", "<x>"), "utf-8")
    refused(folder, "a special piece is missing")
    path.write_text(content, "utf-8")
    shutil.copy(path, folder / "other.vocab.yml")
    refused(folder, "has several vocabularies")


def test_a_shortlist_of_another_model(folder: Path) -> None:
    path = write_shortlist(folder, 6, [[5] for _ in range(20)])
    refused(folder, "does not fit")
    write_shortlist(folder, 6, [[500] for _ in range(128)])
    refused(folder, "does not fit")
    path.write_bytes(path.read_bytes()[:30])
    refused(folder, "sizes contradict")
    shutil.copy(path, folder / "lex2.bin")
    refused(folder, "has several shortlists")


def test_a_stored_shortlist_that_does_not_fit_the_model(folder: Path) -> None:
    write_shortlist(folder, 6, [[5] for _ in range(128)])
    run = folder.parent / "run"
    import_model(ImportRequest(folder, run, "en", "fr"), lambda _: None)
    own = load_model(run / "model")
    assert own.shortlist is not None
    sizes = own.tokenizer.src.size, own.tokenizer.tgt.size
    good = own.shortlist.tensors()
    shortlist_from(run, good, *sizes)
    for changed in (
        {"ids": good["ids"].long()},
        {"ids": good["ids"] - 50},
        {"ids": good["ids"] + 500},
        {"always": good["always"][None]},
        {"offsets": good["offsets"].flip(0)},
        {"offsets": good["offsets"][:-1]},
        {"other": good["ids"]},
    ):
        with pytest.raises(InputError, match=r"shortlist|does not fit"):
            shortlist_from(run, good | changed, *sizes)


def test_random_damage_never_takes_much_memory_or_another_way_out(folder: Path) -> None:
    """The heads, where it counts, with random bytes; the file has 50 kB."""
    draw, content = random.Random(3), (folder / BIN).read_bytes()
    path, outcomes = folder / "damaged.bin", {True: 0, False: 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(len(content) // 4)] = draw.choice([0, 1, 4, 127, 255, draw.randrange(256)])
        path.write_bytes(damaged)
        try:
            read_marian_file(path)
        except InputError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert min(outcomes.values()) > 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
