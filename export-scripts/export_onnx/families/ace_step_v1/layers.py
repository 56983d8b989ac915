"""Layers that several networks of ACE-Step v1 share."""

import torch
import torch.nn.functional as F
from torch import Tensor


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """ReLU'd q, k and v (..., W, d) -> (..., W, d) in float32: sums over W overflow float16.

    The reference adds 1e-15 to the denominator, which is 0 in float16 and which graph optimisers delete. A floor gives
    the same: a query of zeros has the numerator 0 and stays 0.
    """
    q, k, v = q.float(), k.float(), v.float()
    numerator = q @ (k.transpose(-1, -2) @ v)
    denominator = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
    return numerator / denominator.clamp(min=1e-15)


def rms_norm(x: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], weight, eps)


def rope(x: Tensor, cos: Tensor, sin: Tensor, swap: Tensor) -> Tensor:
    """x (1, H, W, d) with tables (W, d) of `tables.rope`, whose sin carries the sign; swap = [1, 0, 3, 2, ...]."""
    return x * cos + x.index_select(-1, swap) * sin


def swap_index(d: int) -> Tensor:
    return torch.arange(d).view(-1, 2).flip(-1).reshape(-1)
