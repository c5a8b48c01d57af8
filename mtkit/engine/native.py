"""The engine that runs the model in PyTorch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import assert_never

import torch

from mtkit.config.decode import DecodeConfig
from mtkit.cores import num_cores
from mtkit.decode.alignment import Links, align
from mtkit.decode.forced import score_targets
from mtkit.decode.generate import batch_tokens, generate
from mtkit.decode.hypothesis import Demand, Hypothesis, Inspected
from mtkit.decode.inspection import inspect
from mtkit.decode.scorer import EnsembleScorer, ModelScorer
from mtkit.engine.interface import Feature, Precision
from mtkit.errors import UsageError
from mtkit.model.shortlist import Shortlist
from mtkit.model.transformer import Transformer
from mtkit.text.tokenizer import Tokenizer


class NativeEngine:
    """An `Engine` that runs a model in PyTorch.

    It moves the model to `device`, and does not change whether it is in training mode.

    Args:
        model: the model; during training, the one being trained.
        device: the device to compute on.
        precision: type of matrix products; auto is bf16 on a GPU that supports it, else fp32.
        others: further models of an ensemble, whose probabilities are averaged.
        shortlist: of the pieces that translations consist of; all by default.
        tokenizer: of the model, which `decode.target_tag` needs.
    """

    def __init__(
        self,
        model: Transformer,
        device: torch.device | str,
        precision: Precision = "auto",
        others: Sequence[Transformer] = (),
        shortlist: Shortlist | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.others = [other.to(self.device).eval() for other in others]
        self.dtype = inference_dtype(precision, self.device)
        self.shortlist = shortlist
        self.tokenizer = tokenizer
        self._lock = Lock()

    @property
    def name(self) -> str:
        """See `Engine`."""
        return f"PyTorch, {str(self.dtype).removeprefix('torch.')} on {self.device}"

    @property
    def at_once(self) -> int:
        """See `Engine`."""
        return 1

    @property
    def lengths_at_once(self) -> int:
        """See `Engine`."""
        return 0

    def refusals(self, options: DecodeConfig, features: Collection[Feature] = ()) -> list[str]:
        """See `Engine`. It supports everything."""
        return []

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """See `Engine`."""
        start = self._start(options)
        with self._inference():
            if self.others:
                ensemble = EnsembleScorer((self.model, *self.others))
                return generate(ensemble, src_ids, options, self.device, demands, self.shortlist, start)
            one = ModelScorer(self.model)
            return generate(one, src_ids, options, self.device, demands, self.shortlist, start)

    def score(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
    ) -> list[Hypothesis]:
        """See `Engine`."""
        with self._inference():
            models, start = (self.model, *self.others), self._start(options)
            return score_targets(models, src_ids, tgt_ids, options, self.device, start)

    @property
    def aligns(self) -> bool:
        """See `Engine`."""
        return True

    def align(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
    ) -> list[Links]:
        """See `Engine`. An ensemble uses the attention of its first model."""
        with self._inference():
            tokens, start = batch_tokens(options, self.device), self._start(options)
            return align(self.model, src_ids, tgt_ids, tokens, self.device, start)

    def inspect(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        num_likely: int,
    ) -> list[Inspected]:
        """See `Inspecting`. Of an ensemble it asks the first model."""
        with self._inference():
            tokens, start = batch_tokens(options, self.device), self._start(options)
            return inspect(self.model, src_ids, tgt_ids, num_likely, tokens, self.device, start)

    def _start(self, options: DecodeConfig) -> list[int]:
        """The ids that the decoder reads after BOS.

        Raises:
            UsageError: the model does not know the tag.
        """
        if options.target_tag is None:
            return []
        assert self.tokenizer is not None
        return self.tokenizer.target_tag_ids([options.target_tag])

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """Within the block there are no dropout, no gradients and no other threads.

        Two threads would gain nothing, and would share the model's mode, its hooks and the memory.
        """
        with self._lock:
            training = self.model.training
            self.model.eval()
            try:
                with torch.inference_mode(), autocast(self.dtype, self.device):
                    yield
            finally:
                self.model.train(training)


def limit_threads(wanted: int | None = None) -> None:
    """Lets torch compute with `wanted` threads; by default with as many as usual, but not more than cores."""
    usual = torch.get_num_threads()
    number = wanted or min(usual, num_cores())
    if number != usual:
        torch.set_num_threads(number)


def choose_device(name: str) -> torch.device:
    """The device called `name`; auto is cuda if available, else cpu.

    On a GPU, attention is then never computed by cuDNN: it builds a plan for each new shape, which takes some
    30 ms, and almost every decoding step has a new shape.

    Raises:
        UsageError: the device is unknown or not available.
    """
    available = torch.cuda.is_available()
    try:
        device = torch.device(name if name != "auto" else "cuda" if available else "cpu")
    except RuntimeError:
        raise UsageError(f"device {name}: unknown.", "Use auto, cpu or cuda.") from None
    if device.type == "cuda":
        if not available:
            raise UsageError(f"device {name}: torch finds no CUDA device.", "Use cpu or auto.")
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Within the block torch computes matrix products in `dtype`."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def inference_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of matrix products; auto is bf16 on a GPU that supports it without emulation, else fp32."""
    match precision:
        case "fp32":
            return torch.float32
        case "bf16":
            return torch.bfloat16
        case "fp16":
            return torch.float16
        case "auto":
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if fast else torch.float32
        case _:
            assert_never(precision)
