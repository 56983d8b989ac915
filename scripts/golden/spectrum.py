"""Golden vectors of nano's mel inversion, from its training code (3 s):

    PYTHONPATH=training/nano .venv/bin/python scripts/golden/spectrum.py

Writes src/lib/families/ace-step-v1/spectrum.golden.safetensors: a log-mel of two channels and each stage's result.
Magnitudes are inverted in float64: neighbouring bins often agree to 7 digits, and in float32 it is chance which one is
a peak.
"""

import math
from pathlib import Path

import torch
import vocoder
from features import HOP, SAMPLE_RATE, istft, log_mel, stft
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "src/lib/families/ace-step-v1/spectrum.golden.safetensors"
FRAMES = 12
SHOWN = [0, 5, 11]  # frames whose magnitudes are stored


def music() -> torch.Tensor:
    """(2, FRAMES * HOP): a decaying chord that changes halfway, a little noise, the right channel shifted in pitch."""
    t = torch.arange(FRAMES * HOP, dtype=torch.float64) / SAMPLE_RATE
    generator = torch.Generator().manual_seed(1)
    channels = []
    for bend in (1.0, 1.01):
        wave = 0.003 * torch.randn(len(t), generator=generator, dtype=torch.float64)
        for start, chord in ((0.0, (110.0, 220.0, 277.2, 329.6)), (0.07, (98.0, 196.0, 246.9, 293.7))):
            since = (t - start).clamp(min=0)
            for hz in chord:
                for harmonic in range(1, 9):
                    tone = torch.sin(2 * math.pi * hz * bend * harmonic * since)
                    wave += 0.08 / harmonic * tone * torch.exp(-9 * since) * (t >= start)
        channels.append(wave)
    return torch.stack(channels).float()


mel = log_mel(music())
magnitude = vocoder.linear_magnitude(mel.double())
out = {"mel": mel, "magnitude": magnitude[:, :, SHOWN]}
for name, snap in (("tempered", vocoder.SNAP_BELOW_HZ), ("recorded", 0.0)):
    phase = vocoder.initial_phase(magnitude, snap)
    wave = vocoder.to_pcm_grid(vocoder.griffin_lim(magnitude.float(), phase.float()))
    out[f"{name}.first"] = wave
spectrum = stft(out["tempered.first"])
noisy = spectrum * (1 + 0.1 * torch.sin(torch.arange(FRAMES)))  # no longer any wave's spectrum
out |= {"wave": istft(noisy)}
save_file({name: x.float().contiguous() for name, x in out.items()}, str(OUT))
