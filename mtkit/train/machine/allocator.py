"""Settings of the memory allocators that torch uses on a CPU."""

from __future__ import annotations

import ctypes
import os
import sys

from mtkit.model.tricks import tricks

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LARGEST_KEPT = 32 * 2**20
"""glibc's upper bound of M_MMAP_THRESHOLD."""
_KERNELS = "128"
"""Compiled kernels that are kept: those of a few steps."""


def keep_blocks() -> None:
    """Keeps freed memory in the process, and drops compiled kernels of old shapes.

    Every step allocates the same few hundred blocks of some MiB. By default glibc returns such blocks to the
    system, which has to clear their pages again for the next step. oneDNN compiles a kernel of half a MiB for
    each shape of a matrix product and keeps 1,024 of them, of which most are never used again.

    Call it before the first matrix product. It has no effect without glibc.
    """
    if not tricks.kept_blocks:
        return
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _KERNELS)
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, 2**30)
