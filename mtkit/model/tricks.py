"""Optimisations of training, each with a switch to measure it and to test that training learns the same.

They are not options: only tests and `scripts/bench/train --without` turn one off.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tricks:
    """The optimisations that are in use.

    Attributes:
        chunked_loss: compute logits, loss and gradient for a limited number of rows at a time (`loss.py`).
        byte_masks: on a CPU, draw dropout masks with one random byte per element (`dropout.py`).
        attention_by_products: on a CPU in bf16, compute attention by products in fp32 (`attention.py`).
        few_shapes: on a CPU in bf16, round the tokens of batches without padding up, so that compiled kernels
            fit again (`train/machine/packed_batch.py`, `loss.py`).
        kept_blocks: on a CPU, keep freed memory for the next step, and few compiled kernels
            (`train/machine/allocator.py`).
    """

    chunked_loss: bool = True
    byte_masks: bool = True
    attention_by_products: bool = True
    few_shapes: bool = True
    kept_blocks: bool = True


tricks = Tricks()
