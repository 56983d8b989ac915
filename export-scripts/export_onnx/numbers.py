"""Number formats of the weight files. The browser's converter writes the same bytes, so every rounding is spelled out.

Rules that both sides keep: float64 expressions in the written order, sums from left to right, floor(x + 0.5) instead of
round(), float16 to nearest even and saturating at 65504, the first of equal maxima.
"""

import numpy as np

BLOCK = 32  # weights that share a scale
NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
SIZE = {"f32": 4, "f16": 2, "bf16": 2}


def to_f16(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -65504, 65504).astype(np.float16)


def to_bf16(x: np.ndarray) -> np.ndarray:
    """float32 -> bfloat16 bits as uint16; exact for values that came from bfloat16."""
    u = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


CAST = {"f32": lambda x: np.ascontiguousarray(x, np.float32), "f16": to_f16, "bf16": to_bf16}


def quantize(w: np.ndarray, bits: int, block: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """w (N, K) float32 -> codes (N, ceil(K / block), block * bits / 8) uint8, scales (N, ceil(K / block)) float16.

    Symmetric: value = (code - 2^(bits-1)) * scale, and the value of largest magnitude in a block becomes exactly
    -2^(bits-1) * scale. 4-bit codes lie two in a byte, the first in the low half. A last block that is not full is
    padded with the code of zero.
    """
    n, k = w.shape
    blocks = -(-k // block)
    padded = np.zeros((n, blocks * block), np.float32)
    padded[:, :k] = w
    values = padded.reshape(n, blocks, block)
    at = np.argmax(np.abs(values), axis=-1)[..., None]
    zero = 1 << (bits - 1)
    scales = to_f16((np.take_along_axis(values, at, -1)[..., 0].astype(np.float64) / -zero).astype(np.float32))
    s = scales.astype(np.float64)
    inverse = np.divide(1.0, s, out=np.zeros_like(s), where=s != 0)
    codes = np.clip(np.floor(values.astype(np.float64) * inverse[..., None] + (zero + 0.5)), 0, 2 * zero - 1).astype(
        np.uint8
    )
    if bits == 4:
        codes = codes[..., 0::2] | (codes[..., 1::2] << 4)
    return codes, scales


def dequantize(codes: np.ndarray, scales: np.ndarray, bits: int, k: int) -> np.ndarray:
    """The float32 (N, k) matrix that a runtime computes with."""
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], -1).reshape(*scales.shape, -1)
    values = (codes.astype(np.float32) - (1 << (bits - 1))) * scales[..., None].astype(np.float32)
    return values.reshape(scales.shape[0], -1)[:, :k]
