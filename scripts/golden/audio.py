"""Golden vectors of the sound modules, from torch:  .venv/bin/python scripts/golden/audio.py  (2 s)

Writes src/lib/audio/{mel,resample}.golden.json. Inputs are not stored: both sides make the same noise (signals.ts).
The definitions below are written down from the papers' and torch's documented formulas, dense and slow, so that they
share no shortcut with the TypeScript.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

OUT = Path(__file__).resolve().parents[2] / "src/lib/audio"


def noise(length: int, seed: int) -> torch.Tensor:
    """The generator of signals.ts: uniform in -1..1."""
    out = np.empty(length)
    for i in range(length):
        seed = (seed * 1664525 + 1013904223) % 2**32
        out[i] = seed / 2**31 - 1
    return torch.tensor(out, dtype=torch.float32)


def mel_matrix() -> torch.Tensor:
    """(128, 1025) Slaney bands, 40 to 16000 Hz, with Slaney's area normalisation."""
    log_step = math.log(6.4) / 27

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + math.log(hz / 1000) / log_step

    def to_hz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * math.exp(log_step * (mel - 15))

    edges = [to_hz(m) for m in np.linspace(to_mel(40), to_mel(16000), 130)]
    hz = np.linspace(0, 22050, 1025)
    rows = []
    for left, centre, right in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        triangle = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre))
        rows.append(np.maximum(0, triangle) * 2 / (right - left))
    return torch.tensor(np.array(rows))


def log_mel(wave: torch.Tensor) -> torch.Tensor:
    padded = F.pad(wave[None].double(), (768, 768), mode="reflect")
    window = torch.hann_window(2048).double()
    spectrum = torch.stft(padded, 2048, 512, 2048, window, center=False, return_complex=True)[0]
    magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-6)
    return torch.log((mel_matrix() @ magnitude).clamp(min=1e-5))


def resample(wave: torch.Tensor, rate_in: int, rate_out: int) -> torch.Tensor:
    """torchaudio's formula as one dense strided convolution (width 6, rolloff 0.99, Hann)."""
    divisor = math.gcd(rate_in, rate_out)
    o, n = rate_in // divisor, rate_out // divisor
    base = min(o, n) * 0.99
    width = math.ceil(6 * o / base)
    taps = torch.arange(-width, width + o, dtype=torch.float64)[None] / o
    t = ((-torch.arange(n)[:, None] / n + taps) * base).clamp(-6, 6)  # j / n in float32, as torchaudio has it
    kernel = torch.where(t == 0, 1.0, torch.sin(math.pi * t) / (math.pi * t))
    kernel = (kernel * torch.cos(math.pi * t / 12) ** 2 * base / o).float()
    padded = F.pad(wave[None, None], (width, width + o))
    out = F.conv1d(padded, kernel[:, None], stride=o)[0].T.reshape(-1)
    return out[: math.ceil(n * len(wave) / o)]


def listed(x: torch.Tensor, digits: int) -> list[float]:
    return [round(v, digits) for v in x.reshape(-1).tolist()]


def write(name: str, value: object) -> None:
    (OUT / f"{name}.golden.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


samples, seed = 3072, 11
fade_in = torch.arange(1, samples + 1) / samples
write(
    "mel",
    {
        "noise": {"samples": samples, "seed": seed, "logmel": listed(log_mel(noise(samples, seed) * fade_in), 6)},
        "silence": listed(log_mel(torch.zeros(1024)), 6),
    },
)
write(
    "resample",
    [
        {"from": a, "to": b, "samples": 300, "seed": s, "out": listed(resample(noise(300, s), a, b), 7)}
        for s, (a, b) in enumerate([(44100, 48000), (48000, 44100), (32000, 44100), (44100, 22050), (96000, 48000)])
    ],
)
