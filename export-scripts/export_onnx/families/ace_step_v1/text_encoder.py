"""Graph text_encoder: the encoder of UMT5-base."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...net import Net
from .layers import rms_norm

UNUSED = ("encoder.embed_tokens.weight",)  # a tied copy of shared.weight, in some files
ERG_BLOCKS = (8, 9)
MAX_BINDING = 128 << 20  # bytes an adapter binds for certain; the embedding of 256384 words is cut to fit in float32


class Layer(Net):
    """Each UMT5 layer has relative position biases of its own; scores are not divided by the root of the head size."""

    def __init__(self, config: dict[str, Any], i: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        p, d, ff = f"encoder.block.{i}.layer.", config["d_model"], config["d_ff"]
        inner = config["num_heads"] * config["d_kv"]
        self.heads, self.erg = config["num_heads"], i in ERG_BLOCKS
        a, m = f"{p}0.SelfAttention.", f"{p}1.DenseReluDense."
        self.linear("qkv", d, 3 * inner, [f"{a}{x}" for x in "qkv"], bias=False)
        self.linear("out", inner, d, f"{a}o", bias=False)
        buckets = config["relative_attention_num_buckets"]
        self.weight("bias", (buckets, self.heads), f"{a}relative_attention_bias.weight", exact=True)
        self.norm_weights("norm1", d, f"{p}0.layer_norm", bias=False)
        self.norm_weights("norm2", d, f"{p}1.layer_norm", bias=False)
        self.linear("up", d, 2 * ff, [f"{m}wi_0", f"{m}wi_1"], bias=False)
        self.linear("down", ff, d, f"{m}wo", bias=False, exact=True)  # where T5 overflows in float16

    def forward(self, x: Tensor, rel_bucket: Tensor, erg_scale: Tensor) -> Tensor:
        half, n = self.dtype, self.heads
        qkv = self.apply_linear("qkv", rms_norm(x, self.norm1_w).to(half)).float()
        q, k, v = qkv.unflatten(-1, (3 * n, -1)).transpose(1, 2).split(n, 1)
        if self.erg:
            q = q * erg_scale
        bias = F.embedding(rel_bucket, self.bias).permute(2, 0, 1).unsqueeze(0)
        attended = (torch.softmax(q @ k.transpose(2, 3) + bias, -1) @ v).transpose(1, 2).flatten(2)
        x = x + self.apply_linear("out", attended.to(half)).float()
        gate, value = self.apply_linear("up", rms_norm(x, self.norm2_w).to(half)).float().chunk(2, -1)
        return x + self.apply_linear("down", F.gelu(gate, approximate="tanh") * value)


class TextEncoder(Net):
    """input_ids (1, L), rel_bucket (L, L) of `tables.relative_buckets`, erg_scale () -> text (1, L, E)."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        words, d = config["vocab_size"], config["d_model"]
        rows = -(-words // -(-words * d * 4 // MAX_BINDING))  # words a piece
        self.pieces = [(begin, min(begin + rows, words)) for begin in range(0, words, rows)]
        for i, piece in enumerate(self.pieces):
            self.weight(
                f"embedding{i}", (piece[1] - piece[0], d), "shared.weight", rows=piece if len(self.pieces) > 1 else None
            )
        self.layers = nn.ModuleList(Layer(config, i, dtype) for i in range(config["num_layers"]))
        self.norm_weights("norm", d, "encoder.final_layer_norm", bias=False)

    def embed(self, ids: Tensor) -> Tensor:
        if len(self.pieces) == 1:
            return F.embedding(ids, self.embedding0).float()
        total = None
        for i, (begin, end) in enumerate(self.pieces):
            inside = (ids >= begin) & (ids < end)
            rows = F.embedding(torch.where(inside, ids - begin, 0), getattr(self, f"embedding{i}"))
            rows = rows.float() * inside.unsqueeze(-1).float()
            total = rows if total is None else total + rows
        return total

    def forward(self, input_ids: Tensor, rel_bucket: Tensor, erg_scale: Tensor) -> Tensor:
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x, rel_bucket, erg_scale)
        return rms_norm(x, self.norm_w)
