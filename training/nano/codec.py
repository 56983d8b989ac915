"""The codec: a band-weighted principal component analysis of mel patches, and a small network that sharpens its decoding.

A latent is one patch of 2 channels x 128 bands x 8 frames = 2048 log-mel values, projected on 256 components. Bands below
2 kHz count twice in the fit, because pitch lives there: held-out chroma correlation .78 against .69 of the unweighted fit
with 128 components. Half whitening (divide by the square root of the standard deviation) keeps the tail from drowning
without blowing it up; one global factor then gives the latents unit standard deviation. What the projection drops of a
patch can partly be told from the patch and its neighbours: `Refinement`, which train_decoder.py trains, adds that.

Latents are (1, CHANNELS, ROWS, T); component d lies at channel d // ROWS, row d % ROWS.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from features import BANDS, FRAMES_PER_LATENT

CHANNELS, ROWS = 16, 16
DIMENSIONS = CHANNELS * ROWS
PATCH = 2 * BANDS * FRAMES_PER_LATENT
LOW_BANDS, LOW_WEIGHT = 57, 2.0  # bands 0..56 lie below 2 kHz


def to_patches(mel: Tensor) -> Tensor:
    """(2, BANDS, 8T) or (2*BANDS, 8T) -> (T, PATCH), ordered channel, band, frame."""
    return mel.reshape(2 * BANDS, -1, FRAMES_PER_LATENT).permute(1, 0, 2).reshape(-1, PATCH)


def fit(mels: Iterable[Tensor]) -> tuple[dict[str, Tensor], dict[int, float]]:
    """Fits the codec on (2*BANDS, 8T) log-mels.

    Returns the weights of `DcaeEncoder` and `DcaeDecoder` under their graph's prefix, and the share of the weighted
    variance that the first n components explain, by n.
    """
    weight = torch.where(torch.arange(PATCH) // FRAMES_PER_LATENT % BANDS < LOW_BANDS, LOW_WEIGHT, 1.0).double()
    count, total, second = 0, torch.zeros(PATCH).double(), torch.zeros(PATCH, PATCH).double()
    for mel in mels:
        patches = to_patches(mel.float())
        count += len(patches)
        total += patches.sum(0)
        second += patches.T @ patches
    mean = total / count
    covariance = (second / count - mean[:, None] * mean) * (weight[:, None] * weight)
    variance, vectors = torch.linalg.eigh(covariance)
    variance, vectors = variance.flip(0).clamp(min=1e-9), vectors.flip(1)
    explained = {n: round((variance[:n].sum() / variance.sum()).item(), 4) for n in (32, 64, 128, 256, 512)}
    std, vectors = variance[:DIMENSIONS].sqrt(), vectors[:, :DIMENSIONS]
    scale = std**-0.5
    scale = scale / ((std * scale) ** 2).mean().sqrt()
    encode = weight[:, None] * vectors * scale
    weights = {
        "dcae_encoder.weight": encode,
        "dcae_encoder.bias": -(mean @ encode),
        "dcae_decoder.weight": (vectors / scale).T / weight,
        "dcae_decoder.bias": mean,
        **{f"dcae_decoder.refinement.{name}": w for name, w in Refinement().state_dict().items()},
    }
    return {name: w.float().contiguous() for name, w in weights.items()}, explained


class DcaeEncoder(nn.Module):
    """Graph dcae_encoder: mel (1, 2, 128, 8T) natural-log mel -> latents (1, CHANNELS, ROWS, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(PATCH, DIMENSIONS), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(DIMENSIONS), requires_grad=False)

    def forward(self, mel: Tensor) -> Tensor:
        batch = mel.shape[0]
        patches = mel.reshape(batch, 2 * BANDS, -1, FRAMES_PER_LATENT).permute(0, 2, 1, 3).reshape(batch, -1, PATCH)
        latents = patches @ self.weight + self.bias
        return latents.transpose(1, 2).reshape(batch, CHANNELS, ROWS, -1)


class Refinement(nn.Module):
    """Latents (B, DIMENSIONS, T) -> what to add to the patches (B, T, PATCH). Sees CONTEXT latents on either side."""

    WIDTH, LAYERS = 320, 4
    CONTEXT = LAYERS + 1

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Conv1d(DIMENSIONS, self.WIDTH, 3, padding=1)
        self.layers = nn.Sequential(*[RefinementLayer(self.WIDTH) for _ in range(self.LAYERS)])
        self.output = nn.Linear(self.WIDTH, PATCH)
        nn.init.zeros_(self.output.weight)  # at first the plain projection
        nn.init.zeros_(self.output.bias)

    def forward(self, latents: Tensor) -> Tensor:
        return self.output(self.layers(self.input(latents * 0.5)).transpose(1, 2))


class RefinementLayer(nn.Module):
    """ConvNeXt layer over latents."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(self.norm(self.depthwise(x).transpose(1, 2)))
        return x + self.down(F.gelu(h, approximate="tanh")).transpose(1, 2)


class DcaeDecoder(nn.Module):
    """Graph dcae_decoder: latents (1, CHANNELS, ROWS, T) -> mel (1, 2, 128, 8T)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(DIMENSIONS, PATCH), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(PATCH), requires_grad=False)
        self.refinement = Refinement()

    def forward(self, latents: Tensor) -> Tensor:
        batch = latents.shape[0]
        rows = latents.reshape(batch, DIMENSIONS, -1)
        patches = rows.transpose(1, 2) @ self.weight + self.bias + self.refinement(rows)
        mel = patches.reshape(batch, -1, 2 * BANDS, FRAMES_PER_LATENT).permute(0, 2, 1, 3)
        return mel.reshape(batch, 2, BANDS, -1)
