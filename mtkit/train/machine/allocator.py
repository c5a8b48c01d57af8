"""What training on a CPU asks of the allocators beneath torch."""

from __future__ import annotations

import ctypes
import os
import sys

from mtkit.model.tricks import tricks

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LARGEST_KEPT = 32 * 2**20
"""glibc's own upper bound of the second."""
_KERNELS = "64"
"""About as many as one step needs."""


def keep_blocks() -> None:
    """Makes freed memory stay with the process, and compiled kernels of old shapes go.

    A step allocates the same few hundred blocks of some MiB as the one before. glibc gives such blocks back
    to the system, which clears their pages for the next step anew. oneDNN compiles a kernel of half a MiB for
    each shape of a product and keeps 1,024 of them; the batches of an epoch have more shapes than that, so
    that nearly none is ever used again.

    To be called before the first product. Without effect where the C library is not glibc.
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
