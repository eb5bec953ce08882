"""Keeps the memory that a step frees for the next one, instead of giving it to the kernel."""

import ctypes
import sys

# Parameters of mallopt(3), from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
GIGABYTE = 2**30


def keep_freed_memory() -> bool:
    """Tells the C library's allocator to keep what is freed; call it before JAX first allocates.

    On CPU a training step frees and asks for hundreds of megabytes. By default glibc returns large
    blocks to the kernel, which then zeroes every page again at the next step. One arena, since the
    worker threads would otherwise each keep memory of their own.

    Returns:
        Whether the allocator took all settings; False where it is not glibc's.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (M_MMAP_MAX, 0),
        (M_TRIM_THRESHOLD, 2 * GIGABYTE - 1),
        (M_TOP_PAD, GIGABYTE // 4),
        (M_ARENA_MAX, 1),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)
