"""Keeps a server process small: settings of the C library's allocator and of Python's garbage collector."""

import ctypes
import gc

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h of glibc
COLLECT_AFTER = 10_000  # objects allocated and not yet freed


def return_large_blocks() -> None:
    """Have glibc return freed blocks of over 1 MB to the system, and use two arenas at most.

    Hashing a password takes 19 MB, which each thread would keep otherwise.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries lack it, and do not need it
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
        mallopt(M_ARENA_MAX, 2)


def collect_less() -> None:
    """Have the garbage collector skip objects loaded at start, and run less often within one long list."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
