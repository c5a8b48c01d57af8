"""Cheaper ways to train the same model, each with a switch, so that it can be measured and proved harmless.

They are no options: nobody but tests and `scripts/bench/train --without` turns one off.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tricks:
    """Which of them are in use.

    Attributes:
        chunked_loss: cross-entropy that makes logits, loss and gradient of some rows at a time (`loss.py`).
        byte_masks: dropout masks of one random byte an element on a CPU (`dropout.py`).
        attention_by_products: attention in bf16 on a CPU as matrix products and a softmax (`attention.py`).
        kept_blocks: on a CPU, freed memory is kept for the next step, compiled kernels hardly
            (`train/allocator.py`).
    """

    chunked_loss: bool = True
    byte_masks: bool = True
    attention_by_products: bool = True
    kept_blocks: bool = True


tricks = Tricks()
