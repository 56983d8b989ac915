"""The denoising side of nano: text_encoder, condition_encoder, cross_kv and denoiser, one module a graph.

Each forward IS the graph: batch 1, float32 and int64, T latents and L words dynamic. Training runs the same modules on
batches; `mask` (1 = word, 0 = padding) exists for that alone and never reaches an export.

The denoiser predicts the velocity noise - data of a rectified flow x = (1 - sigma) * data + sigma * noise.
All trigonometry (time features, RoPE, beat phase) is computed by the host in float64 and comes in as an input.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec import CHANNELS, DIMENSIONS, ROWS

SPEAKER = 512
TIME_FEATURES = 256
PHASES = 24
CHORDS = 97  # 0 none, 1 + root + 12 * quality
SECTIONS = 8
FIRST_MOOD, MOOD_AXES = 7, 3  # of the speaker slot: energy, valence, space, -1 to 1
MOOD_GAIN = 4.0  # of its input: Adam moves all weights alike, and these came last
KEYS = 13 * 3  # (0 unknown, 1 + pitch class) x (unknown, major, minor)
MAX_WORDS = 32
NULL_WORD = 1  # the prompt that stands for no prompt; 0 is padding


@dataclass(frozen=True)
class Config:
    words: int
    width: int = 256
    layers: int = 8
    heads: int = 8
    text_layers: int = 2
    text_heads: int = 4
    feed_forward: int = 640
    rope_theta: float = 10000.0

    @property
    def head(self) -> int:
        return self.width // self.heads


def rope_tables(length: int, head: int, theta: float, first: int = 0) -> tuple[Tensor, Tensor]:
    """cos and sin (length, head) of positions first.., the half-concatenated table on adjacent pairs of ACE-Step v1.

    sin carries the sign of the rotation: minus on even columns, plus on odd ones.
    """
    frequency = theta ** (-np.arange(0, head, 2, dtype=np.float64) / head)
    angle = np.arange(first, first + length, dtype=np.float64)[:, None] * np.concatenate([frequency, frequency])
    sign = np.tile([-1.0, 1.0], head // 2)
    return torch.from_numpy(np.cos(angle).astype(np.float32)), torch.from_numpy(
        (np.sin(angle) * sign).astype(np.float32)
    )


def time_features(sigma: np.ndarray | Tensor) -> Tensor:
    """sigma (B,) -> (B, TIME_FEATURES): cosines, then sines, of the timestep 1000 * sigma."""
    half = TIME_FEATURES // 2
    frequency = np.exp(-math.log(10000) * np.arange(half) / half)
    angle = 1000 * np.asarray(sigma, np.float64)[:, None] * frequency
    return torch.from_numpy(np.concatenate([np.cos(angle), np.sin(angle)], 1).astype(np.float32))


def layer_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def swap_pairs(x: Tensor) -> Tensor:
    """Exchanges neighbours along the last axis: (0, 1, 2, 3) -> (1, 0, 3, 2)."""
    return x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)


class TextLayer(nn.Module):
    """Pre-norm transformer layer with softmax attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = scores + (mask[:, None, None] - 1) * 1e4
        x = x + self.out((torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class TextEncoder(nn.Module):
    """Graph text_encoder: input_ids (1, L) int64, L <= MAX_WORDS -> text (1, L, width)."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c.words, c.width)
        self.position = nn.Parameter(torch.randn(MAX_WORDS, c.width) * 0.02)
        self.layers = nn.ModuleList(TextLayer(c.width, c.text_heads) for _ in range(c.text_layers))
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, input_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.embedding(input_ids) + self.position[: input_ids.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        return x


class ConditionEncoder(nn.Module):
    """Graph condition_encoder: text (1, L, width), speaker (1, 512) -> condition (1, L + 1, width).

    The last row stands for the key, speaker[3] (0 unknown, 1 + pitch class) and speaker[4] (0 unknown, 1 major, 2 minor),
    and for the mood, speaker[7..9].
    """

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.key = nn.Embedding(KEYS, c.width)
        self.mood = nn.Linear(MOOD_AXES, c.width, bias=False)
        self.norm = nn.LayerNorm(c.width)
        nn.init.normal_(self.key.weight, std=0.5)
        nn.init.zeros_(self.mood.weight)

    def forward(self, text: Tensor, speaker: Tensor) -> Tensor:
        key = self.key((speaker[:, 3:4] * 3 + speaker[:, 4:5]).long())
        mood = self.mood(speaker[:, None, FIRST_MOOD : FIRST_MOOD + MOOD_AXES] * MOOD_GAIN)
        return self.norm(torch.cat([text, key + mood], 1))


class CrossKV(nn.Module):
    """Graph cross_kv: everything that a song's conditions give to each step, computed once.

    condition (1, N, width), frame_phase (1, T, 24), frame_chord and frame_section (1, T) int64 ->
    k (layers, heads, head, N) with head^-1/2 folded in, v (layers, heads, N, head), pooled (1, width), frames (1, T, width).
    Batched with mask (B, N): k (layers, B, heads, head, N) and v (layers, B, heads, N, head).
    """

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.k = nn.ModuleList(nn.Linear(c.width, c.width) for _ in range(c.layers))
        self.v = nn.ModuleList(nn.Linear(c.width, c.width) for _ in range(c.layers))
        self.pool = nn.Linear(2 * c.width, c.width)
        self.phase = nn.Linear(PHASES, c.width, bias=False)
        self.chord = nn.Embedding(CHORDS, c.width)
        self.section = nn.Embedding(SECTIONS, c.width)
        nn.init.normal_(self.chord.weight, std=0.2)
        nn.init.normal_(self.section.weight, std=0.1)

    def forward(
        self,
        condition: Tensor,
        frame_phase: Tensor,
        frame_chord: Tensor,
        frame_section: Tensor,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        def heads(x: Tensor) -> Tensor:
            return x.unflatten(-1, (self.c.heads, self.c.head)).transpose(1, 2)

        k = [(heads(project(condition)) * self.c.head**-0.5).transpose(-1, -2) for project in self.k]
        v = [heads(project(condition)) for project in self.v]
        if mask is None:
            mean, k, v = condition.mean(1), torch.cat(k), torch.cat(v)
        else:
            mean = (condition * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            k, v = torch.stack(k), torch.stack(v)
        pooled = self.pool(torch.cat([mean, condition[:, -1]], -1))
        frames = self.phase(frame_phase) + self.chord(frame_chord) + self.section(frame_section)
        return k, v, pooled, frames


class Block(nn.Module):
    """ReLU linear self-attention, softmax cross-attention and a gated depthwise-convolution feed-forward."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        d, f = c.width, c.feed_forward
        self.c = c
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.q_norm, self.k_norm = nn.Parameter(torch.ones(c.head)), nn.Parameter(torch.ones(c.head))
        self.out = nn.Linear(d, d)
        self.cross_norm = nn.LayerNorm(d)
        self.cross_q, self.cross_out = nn.Linear(d, d), nn.Linear(d, d)
        self.up = nn.Linear(d, 2 * f)
        self.depthwise = nn.Conv1d(2 * f, 2 * f, 3, padding=1, groups=2 * f)
        self.down = nn.Linear(f, d)
        self.table = nn.Parameter(torch.randn(6, d) / d**0.5)

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.c.heads, self.c.head)).transpose(1, 2)

    def forward(
        self, x: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, modulation: Tensor, cos: Tensor, sin: Tensor
    ) -> Tensor:
        """x (B, T, d); k (B, H, head, N), v (B, H, N, head); bias (B, 1, 1, N) or None; modulation (B, 6, d)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.table).unsqueeze(2).unbind(1)

        q, key, value = self.qkv(layer_norm(x) * (1 + scale1) + shift1).chunk(3, -1)
        q, key = (
            F.relu(h * cos + swap_pairs(h) * sin)
            for h in (rms_norm(self.heads(q), self.q_norm), rms_norm(self.heads(key), self.k_norm))
        )
        value = self.heads(value)
        # Means, not sums, over T: the magnitudes do not depend on the length of the song. The floor keeps an
        # all-zero query at 0 and, unlike an addition, survives the exporter's optimiser and half precision.
        context = key.transpose(-1, -2) @ value / x.shape[1]
        weight = q @ key.mean(2, keepdim=True).transpose(-1, -2)
        x = x + gate1 * self.out((q @ context / weight.clamp(min=1e-4)).transpose(1, 2).flatten(2))

        scores = self.heads(self.cross_q(self.cross_norm(x))) @ k
        scores = scores if bias is None else scores + bias
        x = x + self.cross_out((torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2))

        h = self.up(layer_norm(x) * (1 + scale2) + shift2)
        a, gate = self.depthwise(h.transpose(1, 2)).transpose(1, 2).chunk(2, -1)
        return x + gate2 * self.down(a * F.silu(gate))


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * weight


class Denoiser(nn.Module):
    """Graph denoiser: latents (1, CHANNELS, ROWS, T), sigma (1,), time_features (1, 256), k, v, pooled, frames of cross_kv,
    rope_cos and rope_sin (T, head) -> velocity as the latents.

    Preconditioned in closed form, per latent dimension of standard deviation s: with D = (1-sigma)^2 s^2 + sigma^2 the
    best linear velocity is x (sigma - (1-sigma) s^2) / D and what it leaves has the standard deviation s / sqrt(D). The
    network sees x / sqrt(D), which has unit variance at every sigma, and predicts the remainder in units of its
    deviation. The noise of all dimensions therefore need not pass through a residual stream of width 256.
    """

    def __init__(self, c: Config) -> None:
        super().__init__()
        d = c.width
        self.std = nn.Parameter(torch.ones(DIMENSIONS), requires_grad=False)
        self.input = nn.Linear(DIMENSIONS, d)
        self.time1, self.time2 = nn.Linear(TIME_FEATURES, d), nn.Linear(d, d)
        self.modulation = nn.Linear(d, 6 * d)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.final_modulation = nn.Linear(d, 2 * d)
        self.output = nn.Linear(d, DIMENSIONS)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        latents: Tensor,
        sigma: Tensor,
        time_features: Tensor,
        k: Tensor,
        v: Tensor,
        pooled: Tensor,
        frames: Tensor,
        rope_cos: Tensor,
        rope_sin: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Batched: k and v as `CrossKV` gives them for a batch, bias (B, 1, 1, N) added to the cross-attention scores."""
        x = latents.flatten(1, 2).transpose(1, 2)
        sigma = sigma[:, None, None]
        variance = self.std * self.std
        total = (1 - sigma) ** 2 * variance + sigma**2
        norm = torch.rsqrt(total)

        h = self.input(x * norm) + frames
        e = F.silu(self.time2(F.silu(self.time1(time_features))) + pooled)
        modulation = self.modulation(e).unflatten(-1, (6, -1))
        for i, block in enumerate(self.blocks):
            layer = slice(i, i + 1) if k.dim() == 4 else i
            h = block(h, k[layer], v[layer], bias, modulation, rope_cos, rope_sin)
        shift, scale = self.final_modulation(e)[:, None].chunk(2, -1)
        residual = self.output(layer_norm(h) * (1 + scale) + shift)

        velocity = x * ((sigma - (1 - sigma) * variance) / total) + residual * (self.std * norm)
        return velocity.transpose(1, 2).unflatten(1, (CHANNELS, ROWS))


class Nano(nn.Module):
    """The four graphs as training sees them: one batched call from words and controls to a velocity."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.config = c
        self.text_encoder, self.condition_encoder = TextEncoder(c), ConditionEncoder(c)
        self.cross_kv, self.denoiser = CrossKV(c), Denoiser(c)

    def condition(
        self, words: Tensor, speaker: Tensor, phase: Tensor, chord: Tensor, section: Tensor
    ) -> dict[str, Tensor]:
        """words (B, L) int64 padded with 0, speaker (B, 512), phase (B, T, 24), chord and section (B, T) int64."""
        mask = (words != 0).float()
        text = self.text_encoder(words, mask)
        mask = F.pad(mask, (0, 1), value=1.0)
        k, v, pooled, frames = self.cross_kv(self.condition_encoder(text, speaker), phase, chord, section, mask)
        return {"k": k, "v": v, "pooled": pooled, "frames": frames, "bias": (mask[:, None, None] - 1) * 1e4}

    def forward(self, latents: Tensor, sigma: Tensor, condition: dict[str, Tensor], first: int = 0) -> Tensor:
        """latents (B, CHANNELS, ROWS, T) and sigma (B,) -> velocity; `first` is the RoPE position of the first latent."""
        cos, sin = rope_tables(latents.shape[-1], self.config.head, self.config.rope_theta, first)
        device = latents.device
        features = time_features(sigma.cpu()).to(device)
        return self.denoiser(latents, sigma, features, rope_cos=cos.to(device), rope_sin=sin.to(device), **condition)

    def describe(self) -> dict[str, float]:
        return asdict(self.config)
