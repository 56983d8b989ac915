"""Graph condition_encoder: speaker, text and lyrics -> the sequence that cross-attention reads."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...net import Net
from .transformer import ERG_LYRIC_LAYERS, Sizes


class LyricLayer(Net):
    """Pre-norm Transformer-XL layer: content and position scores, both with a learned bias on the query."""

    def __init__(self, s: Sizes, i: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        p, d = f"lyric_encoder.encoders.{i}.", s.lyric
        a, self.heads, self.erg = f"{p}self_attn.", s.lyric_heads, i in ERG_LYRIC_LAYERS
        self.linear("q", d, d, f"{a}linear_q")
        self.linear("kv", d, 2 * d, [f"{a}linear_k", f"{a}linear_v"])
        self.linear("out", d, d, f"{a}linear_out")
        self.linear("position", d, d, f"{a}linear_pos", bias=False)
        for name in "uv":
            self.weight(f"bias_{name}", (1, self.heads, 1, d // self.heads), f"{a}pos_bias_{name}", exact=True)
        self.norm_weights("norm1", d, f"{p}norm_mha")
        self.norm_weights("norm2", d, f"{p}norm_ff")
        self.linear("up", d, s.lyric_feed_forward, f"{p}feed_forward.w_1")
        self.linear("down", s.lyric_feed_forward, d, f"{p}feed_forward.w_2")

    def normed(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], getattr(self, f"{name}_w"), getattr(self, f"{name}_b"), 1e-5).to(
            self.dtype
        )

    def forward(self, x: Tensor, positions: Tensor, erg_scale: Tensor) -> Tensor:
        """x (1, M, D) float32, positions (1, 2M-1, D)."""
        n, length = self.heads, x.shape[1]
        split = lambda t, m=n: t.float().unflatten(-1, (m, -1)).transpose(1, 2)  # noqa: E731
        y = self.normed("norm1", x)
        q = split(self.apply_linear("q", y))
        if self.erg:
            q = q * erg_scale
        k, v = split(self.apply_linear("kv", y), 2 * n).split(n, 1)
        p = split(self.apply_linear("position", positions))
        # Relative shift: score (i, j) needs row M-1-i+j of p. Padding by one column and reading the rows M later does it.
        scores = F.pad((q + self.bias_v) @ p.transpose(2, 3), (1, 0)).flatten(2)
        scores = scores[:, :, length:].unflatten(2, (length, 2 * length - 1))[..., :length]
        scores = ((q + self.bias_u) @ k.transpose(2, 3) + scores) * q.shape[-1] ** -0.5
        attended = (torch.softmax(scores, -1) @ v).to(self.dtype).transpose(1, 2).flatten(2)
        x = x + self.apply_linear("out", attended).float()
        return x + self.apply_linear("down", F.silu(self.apply_linear("up", self.normed("norm2", x)))).float()


class ConditionEncoder(Net):
    """text (1, L, E), lyric_ids (1, M), rel_pos (1, 2M-1, lyric width), speaker (1, 512), erg_scale () ->
    condition (1, 1 + L + M, D), ordered speaker, text, lyrics. Empty lyrics: run with ids [0], drop the last row."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        s, e = Sizes.of(config), "lyric_encoder."
        d = s.lyric
        self.scale = d**0.5
        self.linear("speaker", s.speaker, s.width, "speaker_embedder")
        self.linear("text", s.text, s.width, "genre_embedder")
        self.linear("lyric", d, s.width, "lyric_proj")
        self.weight("embedding", (s.vocabulary, d), "lyric_embs.weight")
        self.linear("embed", d, d, f"{e}embed.out.0")
        self.norm_weights("norm_in", d, f"{e}embed.out.1")
        self.norm_weights("norm_out", d, f"{e}after_norm")
        self.layers = nn.ModuleList(LyricLayer(s, i, dtype) for i in range(s.lyric_layers))

    def forward(self, text: Tensor, lyric_ids: Tensor, rel_pos: Tensor, speaker: Tensor, erg_scale: Tensor) -> Tensor:
        half = self.dtype
        x = self.apply_linear("embed", F.embedding(lyric_ids, self.embedding)).float()
        x = F.layer_norm(x, x.shape[-1:], self.norm_in_w, self.norm_in_b, 1e-5) * self.scale
        for layer in self.layers:
            x = layer(x, rel_pos.to(half), erg_scale)
        x = F.layer_norm(x, x.shape[-1:], self.norm_out_w, self.norm_out_b, 1e-5).to(half)
        speaker = self.apply_linear("speaker", speaker.to(half)).unsqueeze(1)
        return torch.cat([speaker, self.apply_linear("text", text.to(half)), self.apply_linear("lyric", x)], 1).float()
