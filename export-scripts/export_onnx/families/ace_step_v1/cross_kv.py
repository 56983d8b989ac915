"""Graph cross_kv: keys and values of the condition for all blocks, once per song and condition instead of every step."""

from typing import Any

import torch
from torch import Tensor

from ...net import Net
from .layers import rope, swap_index
from .transformer import Sizes


class CrossKV(Net):
    """condition (1, N, D), rope_cos and rope_sin (N, d) of positions 0.. -> k (layers, H, d, N) times d^-1/2 and
    v (layers, H, N, d). Masked tokens are left out of the condition; the batch is 1, so there are no other masks."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        s = self.s = Sizes.of(config)
        for i in range(s.layers):
            p = f"transformer_blocks.{i}.cross_attn."
            self.linear(f"kv{i}", s.width, 2 * s.width, [f"{p}to_k", f"{p}to_v"])
        self.register_buffer("swap", swap_index(s.head), persistent=False)

    def forward(self, condition: Tensor, rope_cos: Tensor, rope_sin: Tensor) -> tuple[Tensor, Tensor]:
        s, ks, vs = self.s, [], []
        condition = condition.to(self.dtype)
        cos, sin = rope_cos * s.head**-0.5, rope_sin * s.head**-0.5
        for i in range(s.layers):
            kv = self.apply_linear(f"kv{i}", condition).float().unflatten(-1, (2 * s.heads, s.head)).transpose(1, 2)
            k, v = kv.split(s.heads, 1)
            ks.append(rope(k, cos, sin, self.swap).transpose(2, 3))
            vs.append(v)
        return torch.cat(ks), torch.cat(vs)
