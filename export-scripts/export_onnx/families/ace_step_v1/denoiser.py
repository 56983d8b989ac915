"""Graph denoiser: one step of the diffusion transformer, without the keys and values of the condition."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...net import Net
from .layers import linear_attention, rms_norm, rope, swap_index
from .transformer import ERG_BLOCKS, Sizes

GROUPS = 32  # of the GroupNorm in the patch embedding


class Block(Net):
    """Linear self-attention, softmax cross-attention and a gated convolution, on tokens x (1, W, D) in float32."""

    def __init__(self, s: Sizes, i: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.s, d, p = s, s.width, f"transformer_blocks.{i}."
        self.linear("qkv", d, 3 * d, [f"{p}attn.to_{x}" for x in "qkv"])
        self.linear("out", d, d, f"{p}attn.to_out.0")
        self.linear("cross_q", d, d, f"{p}cross_attn.to_q")
        self.linear("cross_out", d, d, f"{p}cross_attn.to_out.0")
        self.linear("up", d, 2 * s.feed_forward, f"{p}ff.inverted_conv.conv")
        self.weight("depth_w", (2 * s.feed_forward, 1, 3), f"{p}ff.depth_conv.conv.weight")
        self.weight("depth_b", (2 * s.feed_forward,), f"{p}ff.depth_conv.conv.bias")
        self.linear("down", s.feed_forward, d, f"{p}ff.point_conv.conv", bias=False)

    def forward(
        self, x: Tensor, modulation: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor,
        cross_cos: Tensor, cross_sin: Tensor, swap: Tensor,
    ) -> Tensor:  # fmt: skip
        """modulation (1, 6, D) with 1 added to the scales; k (1, H, d, L) times d^-1/2 and v (1, H, L, d) of cross_kv."""
        s, half = self.s, self.dtype
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.split(1, 1)
        heads = lambda y, n: y.unflatten(-1, (n, s.head)).transpose(1, 2)  # noqa: E731

        n = (rms_norm(x) * scale1 + shift1).to(half)
        qk, value = self.apply_linear("qkv", n).split([2 * s.width, s.width], -1)
        qk = F.relu(rope(heads(qk, 2 * s.heads).float(), cos, sin, swap))
        q, key = qk.split(s.heads, 1)
        y = linear_attention(q, key, heads(value, s.heads)).to(half).transpose(1, 2).flatten(2)
        x = x + self.apply_linear("out", y).float() * gate1

        # Cross-attention reads x itself: no norm, no modulation, no gate (SPEC 1.3).
        q = rope(heads(self.apply_linear("cross_q", x.to(half)), s.heads).float(), cross_cos, cross_sin, swap)
        y = (torch.softmax(q @ k, -1) @ v).to(half).transpose(1, 2).flatten(2)
        x = x + self.apply_linear("cross_out", y).float()

        n = (rms_norm(x) * scale2 + shift2).to(half)
        up = F.silu(self.apply_linear("up", n)).transpose(1, 2)
        a, gate = F.conv1d(up, self.depth_w, self.depth_b, padding=1, groups=2 * s.feed_forward).split(
            s.feed_forward, 1
        )
        return x + self.apply_linear("down", (a * F.silu(gate)).transpose(1, 2)).float() * gate2


class Denoiser(Net):
    """latents (1, C, R, T), time_features (1, 256), k (layers, H, d, L), v (layers, H, L, d), rope_cos and rope_sin
    (T, d), erg_scale () -> velocity (1, C, R, T). One token is one latent frame."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        s = self.s = Sizes.of(config)
        d, patch = s.width, s.channels * s.rows
        self.linear("time1", 256, d, "timestep_embedder.linear_1")
        self.linear("time2", d, d, "timestep_embedder.linear_2")
        # In two halves (attention, feed-forward): whole and in float32 it would not fit the 128 MiB that some adapters bind.
        for half in range(2):
            self.linear(f"modulation{half}", d, 3 * d, "t_block.1", rows=(3 * d * half, 3 * d * (half + 1)))
        p = "proj_in.early_conv_layers."
        self.weight("patch_w", (s.early, patch, 1), f"{p}0.weight", exact=True)
        self.weight("patch_b", (s.early,), f"{p}0.bias", exact=True)
        self.norm_weights("group", s.early, f"{p}1")
        self.linear("proj", s.early, d, f"{p}2")
        blocks = [f"transformer_blocks.{i}.scale_shift_table" for i in range(s.layers)]
        self.weight("tables", (s.layers, 6, d), blocks, exact=True)
        self.weight("final_table", (1, 2, d), "final_layer.scale_shift_table", exact=True)
        self.linear("final", d, patch, "final_layer.linear")
        self.blocks = nn.ModuleList(Block(s, i, dtype) for i in range(s.layers))
        # (shift, scale, gate) twice: the 1 of 1 + scale.
        self.register_buffer("plus_one", torch.tensor([0.0, 1, 0, 0, 1, 0]).view(1, 6, 1), persistent=False)
        self.register_buffer("final_plus_one", torch.tensor([0.0, 1]).view(1, 2, 1), persistent=False)
        self.register_buffer("swap", swap_index(s.head), persistent=False)

    def forward(
        self,
        latents: Tensor,
        time_features: Tensor,
        k: Tensor,
        v: Tensor,
        rope_cos: Tensor,
        rope_sin: Tensor,
        erg_scale: Tensor,
    ) -> Tensor:
        s, half = self.s, self.dtype
        embedded = self.apply_linear("time2", F.silu(self.apply_linear("time1", time_features.to(half))))
        time = F.silu(embedded)
        time = torch.cat([self.apply_linear("modulation0", time), self.apply_linear("modulation1", time)], -1)
        modulation = self.tables + (time.float().view(1, 6, s.width) + self.plus_one)

        x = F.conv1d(latents.flatten(1, 2), self.patch_w, self.patch_b)
        # GroupNorm: its statistics run over the whole song, so the network cannot be cut along time.
        x = F.instance_norm(x.reshape(1, GROUPS, -1), eps=1e-6).reshape(1, s.early, -1)
        x = self.apply_linear("proj", (x.transpose(1, 2) * self.group_w + self.group_b).to(half)).float()

        weak_cos, weak_sin = rope_cos * erg_scale, rope_sin * erg_scale
        for i, block in enumerate(self.blocks):
            cos, sin = (weak_cos, weak_sin) if i in ERG_BLOCKS else (rope_cos, rope_sin)
            x = block(x, modulation[i : i + 1], k[i : i + 1], v[i : i + 1], rope_cos, rope_sin, cos, sin, self.swap)

        # The last layer is modulated by the embedding itself, not by t_block's output (SPEC 7).
        shift, scale = (embedded.float().unsqueeze(1) + (self.final_table + self.final_plus_one)).split(1, 1)
        y = self.apply_linear("final", (rms_norm(x) * scale + shift).to(half)).float()
        return y.unflatten(-1, (s.rows, s.channels)).permute(0, 3, 2, 1)  # a token is ordered row, channel
