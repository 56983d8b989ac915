"""Deterministic noise that Python and TypeScript compute alike: mulberry32, read at any index."""

import numpy as np

_STEP = 0x6D2B79F5
_MASK = np.uint64(0xFFFFFFFF)


def uniforms(seed: int, count: int, first: int = 0) -> np.ndarray:
    """Outputs first..first+count-1 of the mulberry32 generator with this 32-bit seed: float64 in [0, 1).

    One output is t = seed + (i + 1) * 0x6D2B79F5; t = imul(t ^ t >>> 15, t | 1); t ^= t + imul(t ^ t >>> 7, t | 61);
    (t ^ t >>> 14) / 2^32, all in unsigned 32-bit arithmetic.
    """
    index = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    t = (np.uint64(seed & 0xFFFFFFFF) + index * np.uint64(_STEP)) & _MASK
    t = ((t ^ (t >> np.uint64(15))) * (t | np.uint64(1))) & _MASK
    t ^= (t + (((t ^ (t >> np.uint64(7))) * (t | np.uint64(61))) & _MASK)) & _MASK
    return (t ^ (t >> np.uint64(14))).astype(np.float64) / 2**32
