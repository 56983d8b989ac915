"""Write golden/vocoder.safetensors: each stage of the host's part of the vocoder on two channels of a short test signal.

    python golden.py

All float32. Test every stage from the stored result of the stage before: peaks and Griffin-Lim amplify rounding errors.
  mel (2, 128, F) -> magnitude (2, 1025, F): `linear_magnitude`;  lin = log(magnitude + 1e-5)
  magnitude -> phase (2, 1025, F), radians: `initial_phase` with snapping, seed 0
  magnitude, phase -> raw (2, 512 F): `griffin_lim`; first = raw on the 16-bit grid
  first -> re, im (2, 1025, F): `stft`, what the graph receives with mel and lin
  re * 1.25, im -> wave (2, 512 F): `istft` of a spectrum that is not consistent, as the graph's answer is not
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from features import FRAMES_PER_LATENT, HOP, SAMPLE_RATE, istft, log_mel, stft
from noise import uniforms
from vocoder import MAGNITUDE_FLOOR, griffin_lim, initial_phase, linear_magnitude, to_pcm_grid

FRAMES = FRAMES_PER_LATENT
CHORDS = ((220.0, 277.18, 329.63), (220.0, 261.63, 440.0))  # Hz, one a channel


def test_signal() -> torch.Tensor:
    """(2, FRAMES * HOP): three tones with four harmonics and a little noise in each channel."""
    n = FRAMES * HOP
    seconds = np.arange(n) / SAMPLE_RATE
    channels = []
    for i, chord in enumerate(CHORDS):
        tones = sum(np.sin(2 * np.pi * hz * k * seconds) / k for hz in chord for k in (1, 2, 3, 4))
        channels.append(0.1 * tones + 0.01 * (uniforms(i, n) - 0.5))
    return torch.from_numpy(np.stack(channels).astype(np.float32))


def vocoder_stages() -> dict[str, torch.Tensor]:
    mel = log_mel(test_signal())
    magnitude = linear_magnitude(mel)
    phase = initial_phase(magnitude)
    raw = griffin_lim(magnitude, phase)
    first = to_pcm_grid(raw)
    spectrum = stft(first)
    re, im = spectrum.real.contiguous(), spectrum.imag.contiguous()
    return {
        "mel": mel,
        "magnitude": magnitude,
        "lin": torch.log(magnitude + MAGNITUDE_FLOOR),
        "phase": phase,
        "raw": raw,
        "first": first,
        "re": re,
        "im": im,
        "wave": istft(torch.complex(re * 1.25, im)),
    }


def main() -> None:
    folder = Path(__file__).parent / "golden"
    folder.mkdir(exist_ok=True)
    save_file({name: x.contiguous() for name, x in vocoder_stages().items()}, folder / "vocoder.safetensors")


if __name__ == "__main__":
    main()
