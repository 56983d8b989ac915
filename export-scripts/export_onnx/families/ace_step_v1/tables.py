"""Tables that the host computes in float64 and feeds to the graphs: WGSL promises no precision for sin(1000)."""

import math

import numpy as np
import torch
from torch import Tensor


def rope(length: int, d: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos, sin (length, d). The reference's table is concatenated in halves but used on adjacent pairs, so the two of
    a pair turn by different angles (SPEC 1.3); trained that way, kept that way. sin carries the sign of its column."""
    frequency = theta ** (-np.arange(0, d, 2, dtype=np.float64) / d)
    angle = np.arange(length, dtype=np.float64)[:, None] * np.concatenate([frequency, frequency])
    sign = np.tile([-1.0, 1.0], d // 2)
    return torch.from_numpy(np.cos(angle).astype(np.float32)), torch.from_numpy(
        (np.sin(angle) * sign).astype(np.float32)
    )


def timestep_features(timesteps: np.ndarray | list[float], half: int = 128) -> Tensor:
    """(B,) timesteps of 0..1000 -> (B, 256): cosines, then sines."""
    frequency = np.exp(-math.log(10000) * np.arange(half) / half)
    angle = np.asarray(timesteps, np.float64)[:, None] * frequency
    return torch.from_numpy(np.concatenate([np.cos(angle), np.sin(angle)], 1).astype(np.float32))


def lyric_positions(length: int, width: int) -> Tensor:
    """(1, 2 * length - 1, width): row r stands for the relative position length - 1 - r."""
    position = (length - 1 - np.arange(2 * length - 1))[:, None]
    angle = position * np.exp(-np.arange(0, width, 2) * (math.log(10000.0) / width))
    table = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(1, 2 * length - 1, width)
    return torch.from_numpy(table.astype(np.float32))


def relative_buckets(length: int, buckets: int = 32, max_distance: int = 128) -> Tensor:
    """(length, length) int64: T5's bidirectional bucket of key minus query, with the float32 logarithm of the original."""
    offset = np.arange(length)[None] - np.arange(length)[:, None]
    half, distance = buckets // 2, np.abs(offset)
    exact = half // 2
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact)) / np.float32(
        np.log(max_distance / exact)
    )
    far = np.minimum(exact + (ratio * np.float32(half - exact)).astype(np.int64), half - 1)
    return torch.from_numpy((offset > 0) * half + np.where(distance < exact, distance, far))
