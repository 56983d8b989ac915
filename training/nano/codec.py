"""The codec: a band-weighted principal component analysis of mel patches, and a small network that sharpens its decoding.

A latent is one patch of 2 channels x 128 bands x 8 frames = 2048 log-mel values, projected on 384 components. Bands below
2 kHz count twice in the fit, because pitch lives there: held-out chroma correlation .78 against .69 of the unweighted fit
with 128 components. 384 components leave .134 nats of error where 256 leave .168. Half whitening (divide by the square root
of the standard deviation) keeps the tail from drowning without blowing it up; one global factor then gives the latents unit
standard deviation. What the projection drops of a patch can partly be told from the patch and its neighbours: `Refinement`,
which train_decoder.py trains, adds that.

Latents are (1, CHANNELS, ROWS, T); component d lies at channel d // ROWS, row d % ROWS.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from features import BANDS, FRAMES_PER_LATENT

CHANNELS, ROWS = 24, 16
DIMENSIONS = CHANNELS * ROWS
PATCH = 2 * BANDS * FRAMES_PER_LATENT
LOW_BANDS, LOW_WEIGHT = 57, 2.0  # bands 0..56 lie below 2 kHz


def to_patches(mel: Tensor) -> Tensor:
    """(2, BANDS, 8T) or (2*BANDS, 8T) -> (T, PATCH), ordered channel, band, frame."""
    return mel.reshape(2 * BANDS, -1, FRAMES_PER_LATENT).permute(1, 0, 2).reshape(-1, PATCH)


def fit(mels: Iterable[Tensor], kept: dict[str, Tensor] | None = None) -> tuple[dict[str, Tensor], dict[int, float]]:
    """Fits the codec on (2*BANDS, 8T) log-mels.

    `kept` are the weights of a codec of fewer components: they stay as they are, and those of what they leave are added,
    so that a denoiser of the smaller codec goes on in the larger one.
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
    encode, decode = torch.zeros(PATCH, 0).double(), torch.zeros(0, PATCH).double()
    if kept:
        encode, decode = kept["dcae_encoder.weight"].double(), kept["dcae_decoder.weight"].double()
        mean = kept["dcae_decoder.bias"].double()
    scale = (encode / weight[:, None]).norm(dim=0)
    basis = encode / weight[:, None] / scale
    rest = torch.eye(PATCH).double() - basis @ basis.T
    variance, vectors = torch.linalg.eigh(rest @ covariance @ rest)
    variance, vectors = variance.flip(0).clamp(min=1e-9), vectors.flip(1)
    before = ((basis.T @ covariance) * basis.T).sum(1)
    spread = torch.cat([before, variance]).cumsum(0) / covariance.trace()
    explained = {n: round(spread[n - 1].item(), 4) for n in (32, 64, 128, 256, 384, 512)}
    more = DIMENSIONS - encode.shape[1]
    std, vectors = variance[:more].sqrt(), vectors[:, :more]
    factor = (scale * before**0.25).median() if kept else std.mean() ** -0.5  # unit deviation of all latents together
    added = factor * std**-0.5
    encode = torch.cat([encode, weight[:, None] * vectors * added], 1)
    weights = {
        "dcae_encoder.weight": encode,
        "dcae_encoder.bias": -(mean @ encode),
        "dcae_decoder.weight": torch.cat([decode, (vectors / added).T / weight]),
        "dcae_decoder.bias": mean,
    }
    refinement = {f"dcae_decoder.refinement.{name}": w for name, w in Refinement().state_dict().items()}
    for name, fresh in refinement.items():
        older = (kept or {}).get(name)
        weights[name] = fresh if older is None else grown(older, fresh)
    return {name: w.float().contiguous() for name, w in weights.items()}, explained


def grown(older: Tensor, fresh: Tensor) -> Tensor:
    """A table in the shape of `fresh`: what `older` has, and 0 for the inputs and outputs that came later."""
    table = torch.zeros_like(fresh)
    table[tuple(slice(n) for n in older.shape)] = older.to(fresh)
    return table


def level_directions(decoder: dict[str, Tensor]) -> Tensor:
    """(FRAMES_PER_LATENT, DIMENSIONS), orthonormal: what in a latent moves the level of its mel frames.

    A frame's level is the mean of its log-mels, each band weighted by its mean energy in the training data: the level that is
    heard. Guidance leaves these directions alone (README.md, How it is sampled). `decoder` holds weights of `DcaeDecoder`
    under its graph's prefix.
    """
    rows = decoder["dcae_decoder.weight"].double().reshape(DIMENSIONS, 2 * BANDS, FRAMES_PER_LATENT)
    energy = torch.softmax(decoder["dcae_decoder.bias"].double().reshape(2 * BANDS, FRAMES_PER_LATENT), 0)
    return torch.linalg.qr(torch.einsum("dbf,bf->df", rows, energy)).Q.T.float().contiguous()


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
