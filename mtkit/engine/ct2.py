"""The engine that runs an export in CTranslate2. Never imports torch.

It searches like the native engine: the end of sentence counts in a hypothesis's length, special pieces are
never generated, and a sentence is done when beam size hypotheses have finished. One thing differs:
CTranslate2 removes the special pieces before the softmax, which raises scores a little.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from math import nan
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from mtkit.cores import num_cores
from mtkit.decode.hypothesis import Demand, Hypothesis, longest_output
from mtkit.engine.interface import Feature
from mtkit.engine.threads import Layout, cpu_flags, layouts, machine_key, recall, remember
from mtkit.errors import UsageError
from mtkit.runs.exports import MODEL, OWN_CONFIG, VOCABULARIES, own_files
from mtkit.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

LIMIT_STEP = 64
"""Sentences whose longest outputs round up to the same multiple of this are decoded together."""
BATCH_TOKENS, GPU_BATCH_TOKENS = 512, 16_384
"""Source tokens of a batch that a core decodes fastest, half as many for beam search; and those for a GPU."""
AVX512 = frozenset(f"avx512{part}" for part in ("f", "bw", "cd", "dq", "vl", "_vnni"))
"""Flags of processors on which AVX-512 is usable by CTranslate2 and does not lower the clock rate."""
MEASURED = 128
"""Sentences that each layout decodes when layouts are compared."""
HANDLED = {"beam_size", "length_penalty", "max_len_ratio", "batch_tokens", "tags", "target_tag"}


def refusals(options: DecodeConfig, features: Collection[Feature], aligns: bool) -> list[str]:
    """See `Engine.refusals`; `aligns` as in `CTranslate2Engine`."""
    lacking = {"target prefixes", "terms"} | (set() if aligns else {"alignments"})
    changed = options.changed().items()
    return [
        *(f"decode.{name} = {value}" for name, value in changed if name not in HANDLED),
        *(feature for feature in features if feature in lacking),
    ]


def most_tokens(device: str, options: DecodeConfig, searched: bool = True) -> int:
    """The maximum batch size in source tokens.

    Args:
        device: cpu or cuda.
        options: if `batch_tokens` is set there, for the whole beam, it can only make batches smaller.
        searched: with the beam of the options; else every source has one hypothesis.
    """
    beam_size = options.beam_size if searched else 1
    on_cpu = BATCH_TOKENS if beam_size == 1 else BATCH_TOKENS // 2
    usual = GPU_BATCH_TOKENS if device == "cuda" else on_cpu
    return usual if options.batch_tokens is None else max(1, min(usual, options.batch_tokens // beam_size))


def compute_type(device: str, supported: Collection[str]) -> str:
    """The number type to compute in: float16 on a GPU that has it, else that of the export.

    Args:
        device: cpu or cuda.
        supported: the types that the device supports.
    """
    return "float16" if device == "cuda" and "float16" in supported else "default"


class CTranslate2Engine:
    """An `Engine` that runs an export.

    Args:
        model: the files of CTranslate2 by name, already checked, or a folder that this process has written.
        tokenizer: of the export.
        max_positions: length of the longest sequence in tokens.
        device: cpu or cuda.
        aligns: whether the model names its aligning layer, as exports of older versions do not.
        layout: numbers of workers and threads. By default the fastest one on this machine, which the first
            large `decode` call measures while it works.
        cores: to be shared by workers and threads; None for all that this process may use.
    """

    def __init__(
        self,
        model: Mapping[str, bytes] | Path,
        tokenizer: Tokenizer,
        max_positions: int,
        device: str = "cpu",
        aligns: bool = True,
        layout: Layout | None = None,
        cores: int | None = None,
    ) -> None:
        self._files = own_files(model) if isinstance(model, Path) else model
        self._device = device
        self._aligns = aligns
        self._src_pieces, self._tgt_pieces = _pieces(self._files)
        self._ids = {piece: number for number, piece in enumerate(self._tgt_pieces)}
        self._max_positions = max_positions
        self._settling = Lock()
        cores = cores or num_cores()
        self._key = "" if layout or device == "cuda" else machine_key(_digest(self._files), cores)
        known = layout or (recall(self._key, cores) if self._key else Layout(1, 1))
        self._candidates = [known] if known else layouts(cores)
        self._layout = self._candidates[0]
        self._translator = self._open(self._layout)

    @property
    def at_once(self) -> int:
        """See `Engine`. Cores that have finished one call can begin the next one."""
        return 2

    @property
    def lengths_at_once(self) -> int:
        """See `Engine`. A batch holds sources of one length, and each worker decodes one batch."""
        return self._layout.workers

    @property
    def name(self) -> str:
        """See `Engine`."""
        return f"CTranslate2, {self._translator.compute_type} on {self._device}, {self._layout}"

    def keep_layout(self) -> None:
        """Keeps the layout it has, so that calls need not wait for a measurement, as in a server."""
        self._candidates, self._files = [self._layout], {}

    def refusals(self, options: DecodeConfig, features: Collection[Feature] = ()) -> list[str]:
        """See `Engine`."""
        return refusals(options, features, self._aligns)

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """See `Engine`. Leaves out `token_scores`, and without scores all hypotheses but the best.

        Greedy search without scores is faster because it does not compute the probabilities of all tokens.

        Raises:
            UsageError: a translation has constraints, which only the native engine supports.
        """
        if any(demand.prefix or demand.terms or demand.banned for demand in demands or ()):
            raise UsageError(
                "engine ctranslate2: does not support prefixes and terms.", "Use --engine native."
            )
        if len(self._candidates) > 1:
            with self._settling:  # no other call may run during the measurement
                if len(src_ids) >= len(self._candidates) * MEASURED and len(self._candidates) > 1:
                    return self._decode_and_measure(src_ids, options, scores)
                return self._decode(src_ids, options, scores)
        return self._decode(src_ids, options, scores)

    def _decode_and_measure(
        self, src_ids: Sequence[Sequence[int]], options: DecodeConfig, scores: bool
    ) -> list[list[Hypothesis]]:
        """Distributes the sources among all layouts, and keeps the fastest layout."""
        hyps: list[list[Hypothesis]] = [[]] * len(src_ids)
        order = sorted(range(len(src_ids)), key=lambda i: len(src_ids[i]))
        times = []
        for number, layout in enumerate(self._candidates):
            self._translator = self._open(layout)
            own = order[number :: len(self._candidates)]
            self._decode([src_ids[own[0]]], options, scores)  # warms up
            begin = time.monotonic()
            for i, found in zip(own, self._decode([src_ids[i] for i in own], options, scores), strict=True):
                hyps[i] = found
            times.append((time.monotonic() - begin, number))
        self._layout = self._candidates[min(times)[1]]
        self._candidates = [self._layout]
        self._translator = self._open(self._layout)
        remember(self._key, self._layout)
        return hyps

    def _open(self, layout: Layout) -> Any:
        extension = load_extension()
        supported = extension.get_supported_compute_types(self._device)
        translator = extension.Translator(
            "export",  # only a name, because `files` is given
            self._device,
            compute_type=compute_type(self._device, supported),
            inter_threads=layout.workers,
            intra_threads=layout.threads,
            max_queued_batches=-1,
            files=self._files,
        )
        if len(self._candidates) == 1:
            self._files = {}  # no other layout will be tried
        return translator

    def _decode(
        self, src_ids: Sequence[Sequence[int]], options: DecodeConfig, scores: bool
    ) -> list[list[Hypothesis]]:
        limits = [self._limit(len(ids), options) for ids in src_ids]
        # CTranslate2 has one length limit per call. Here it depends only on a sentence's own length, rounded
        # up, so that other sentences do not affect the result. Outputs beyond the exact limit are searched
        # again alone.
        longest = self._longest(options)
        steps = [min(-(-limit // LIMIT_STEP) * LIMIT_STEP, longest) for limit in limits]
        # A batch holds sources of one length: padding would change the order of sums, hence the rounding of
        # int8 activations, and a translation would depend on the sentences beside it.
        order = sorted(range(len(src_ids)), key=lambda i: -len(src_ids[i]))
        jobs: list[tuple[int, Any]] = []
        for _, group in groupby(order, key=lambda i: len(src_ids[i])):
            chosen = list(group)
            jobs += self._submit(chosen, src_ids, steps[chosen[0]], options, scores)
        before = len(_start(options))
        hyps = {i: self._hypotheses(job.result(), before, steps[i]) for i, job in jobs}
        long = [i for i, own in hyps.items() if any(len(hyp.ids) > limits[i] for hyp in own)]
        if options.beam_size == 1 and not scores:  # greedy: the shorter output is a prefix of the longer one
            hyps |= {i: [replace(hyp, ids=hyp.ids[: limits[i]]) for hyp in hyps[i]] for i in long}
        else:
            again = [pair for i in long for pair in self._submit([i], src_ids, limits[i], options, scores)]
            hyps |= {i: self._hypotheses(job.result(), before, limits[i]) for i, job in again}
        return [hyps[i] for i in range(len(src_ids))]

    def score(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[Hypothesis]:
        """See `Engine`."""
        start = _start(options)
        scored = self._translator.score_batch(
            [[self._src_pieces[number] for number in ids] for ids in src_ids],
            [[*start, *(self._tgt_pieces[number] for number in ids)] for ids in tgt_ids],
            max_batch_size=most_tokens(self._device, options, searched=False),
            batch_type="tokens",
            max_input_length=0,
        )
        return [
            Hypothesis(
                tuple(ids),
                sum(found.log_probs[len(start) :]) / len(found.log_probs) ** options.length_penalty,
                tuple(found.log_probs[len(start) :]),
            )
            for ids, found in zip(tgt_ids, scored, strict=True)
        ]

    @property
    def aligns(self) -> bool:
        """See `Engine`."""
        return self._aligns

    def align(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[list[tuple[int, int]]]:
        """See `Engine`. Decodes greedily with the whole target as prefix; one length is decoded together."""
        if not self._aligns:
            raise UsageError(
                "engine ctranslate2: this export does not support alignments.",
                "Recreate it with mtkit export, or use --engine native.",
            )
        links: list[list[tuple[int, int]]] = [[] for _ in src_ids]
        jobs: list[tuple[int, Any]] = []
        start = _start(options)
        order = sorted((i for i, ids in enumerate(tgt_ids) if ids), key=lambda i: -len(tgt_ids[i]))
        for length, group in groupby(order, key=lambda i: len(tgt_ids[i])):
            chosen = list(group)
            found = self._translator.translate_batch(
                [[self._src_pieces[number] for number in src_ids[i]] for i in chosen],
                [[*start, *(self._tgt_pieces[number] for number in tgt_ids[i])] for i in chosen],
                asynchronous=True,
                max_batch_size=most_tokens(self._device, options, searched=False),
                batch_type="tokens",
                beam_size=1,
                max_input_length=0,
                max_decoding_length=len(start) + length,
                return_attention=True,
            )
            jobs += zip(chosen, found, strict=True)
        for i, job in jobs:
            for tgt, weights in enumerate(job.result().attention[0][len(start) :]):
                most = max(weights)
                if most >= 1 - sum(weights):  # the rest is the attention to the end of the source
                    links[i].append((weights.index(most), tgt))
        return links

    def _limit(self, src_len: int, options: DecodeConfig) -> int:
        return min(longest_output(src_len, options), self._longest(options))

    def _longest(self, options: DecodeConfig) -> int:
        """The most tokens for which there are positions, beside the start."""
        return self._max_positions - 1 - len(_start(options))

    def _submit(
        self,
        chosen: list[int],
        src_ids: Sequence[Sequence[int]],
        limit: int,
        options: DecodeConfig,
        scores: bool,
    ) -> list[tuple[int, Any]]:
        """Starts decoding, and returns a future for each sentence."""
        start = _start(options)
        jobs = self._translator.translate_batch(
            [[self._src_pieces[number] for number in src_ids[i]] for i in chosen],
            [start] * len(chosen) if start else None,
            asynchronous=True,
            max_batch_size=most_tokens(self._device, options),
            batch_type="tokens",
            beam_size=options.beam_size,
            num_hypotheses=options.beam_size if scores else 1,
            length_penalty=options.length_penalty,
            max_input_length=0,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            repetition_penalty=options.repetition_penalty,
            max_decoding_length=len(start) + limit + 1,  # including the end of sentence
            min_decoding_length=options.min_len,
            return_scores=scores or options.beam_size > 1,
            return_end_token=True,
            disable_unk=True,
            suppress_sequences=[[self._tgt_pieces[number]] for number in (Tokenizer.PAD, Tokenizer.BOS)],
        )
        return list(zip(chosen, jobs, strict=True))

    def _hypotheses(self, result: Any, before: int, limit: int) -> list[Hypothesis]:
        hyps = []
        for number, pieces in enumerate(result.hypotheses):
            ids = [self._ids[piece] for piece in pieces[before:]]
            if ids and ids[-1] == Tokenizer.EOS:
                ids.pop()
            hyps.append(Hypothesis(tuple(ids[:limit]), result.scores[number] if result.scores else nan, ()))
        return hyps


def load_extension() -> Any:
    """The compiled part of CTranslate2.

    The package around it imports asyncio, which takes a quarter of the time to the first translation and is
    not needed here. That package is not loaded, but can still be imported later.
    """
    if "ctranslate2" in sys.modules or "ctranslate2._ext" in sys.modules:
        return importlib.import_module("ctranslate2._ext")
    if set(cpu_flags()) >= AVX512:  # CTranslate2 never chooses AVX-512 by itself
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")
    spec = importlib.util.find_spec("ctranslate2")
    if spec is None or sys.platform == "win32":  # on Windows the package also locates its libraries
        return importlib.import_module("ctranslate2")
    sys.modules["ctranslate2"] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module("ctranslate2._ext")
    finally:
        del sys.modules["ctranslate2"]


def _pieces(files: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    """The pieces of both vocabularies, by id."""
    shared, *two = VOCABULARIES
    src, tgt = (json.loads(files[name]) for name in ([shared] * 2 if shared in files else two))
    return src, tgt


def _start(options: DecodeConfig) -> list[str]:
    """The pieces that the decoder reads after its start; CTranslate2 gives them the score 0, too."""
    return [] if options.target_tag is None else [f"<{options.target_tag}>"]


def num_gpus() -> int:
    """The number of CUDA devices that CTranslate2 finds."""
    return int(load_extension().get_cuda_device_count())


def _digest(files: Mapping[str, bytes]) -> str:
    """A text that is equal for equal models."""
    return f"{len(files[MODEL])} {files[OWN_CONFIG].decode()}"
