"""Sums gradients over the ranks while the last backward pass of an update is still running."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 1 << 23
"""Numbers that are summed at once: 32 MiB of fp32."""


class GradientSum:
    """Sums the gradients of all ranks in buckets, each as soon as it is complete.

    All ranks send the buckets in the same order. A parameter without a gradient counts as 0.

    Args:
        parameters: the trained parameters, about in the order in which a backward pass reaches them.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._buckets = list(_in_buckets(parameters))
        self._missing: list[int] = []  # gradients of each bucket that this backward pass still computes
        self._sent: list[tuple[Tensor, dist.Work]] = []
        self._is_open = self._is_last = False
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                    partial(self._complete, number)
                )

    def begin(self) -> None:
        """Starts a sum; backward passes outside of one, which try whether memory suffices, send nothing."""
        self._is_open = True

    def before_backward(self, *, is_last: bool) -> None:
        """Call it before each backward pass: the last one completes the gradients.

        If it ran out of memory halfway and is repeated, buckets that were sent are not sent again.
        """
        self._is_last = self._is_open and is_last
        self._missing = [len(bucket) for bucket in self._buckets]

    def finish(self) -> None:
        """Sends what is left, waits, and replaces the gradients by their sums."""
        while len(self._sent) < len(self._buckets):
            self._send()
        for bucket, (flat, work) in zip(self._buckets, self._sent, strict=True):
            work.wait()
            sizes = [parameter.numel() for parameter in bucket]
            for parameter, part in zip(bucket, torch.split(flat, sizes), strict=True):
                parameter.grad = part.view_as(parameter)
        self._sent = []
        self._is_open = self._is_last = False

    def _complete(self, number: int, _: Tensor) -> None:
        """A gradient of bucket `number` is complete."""
        if not self._is_last:
            return
        self._missing[number] -= 1
        while len(self._sent) < len(self._buckets) and not self._missing[len(self._sent)]:
            self._send()

    def _send(self) -> None:
        """Sends the next bucket. Its gradients move into one tensor, so they are not held twice."""
        bucket = self._buckets[len(self._sent)]
        parts = [torch.zeros_like(each) if each.grad is None else each.grad for each in bucket]
        flat = torch.cat([part.flatten() for part in parts])
        for parameter in bucket:
            parameter.grad = None
        work = dist.all_reduce(flat, async_op=True)
        assert work is not None
        self._sent.append((flat, work))


def _in_buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        bucket.append(parameter)
        if sum(each.numel() for each in bucket) >= BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket
