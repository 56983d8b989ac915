"""Short-time Fourier transform, its inverse and the log-mel of ACE-Step v1.

Mel: 44.1 kHz, window = FFT = 2048 (periodic Hann), hop 512, reflect padding 768 on both sides and no centring, so that
N samples give N / 512 frames; magnitude sqrt(re^2 + im^2 + 1e-6); 128 Slaney bands from 40 to 16000 Hz with Slaney's
area normalisation; log(max(mel, 1e-5)). Values lie between about -11.5 and 3.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE = 44100
FFT = 2048
HOP = 512
BANDS = 128
MEL_MIN_HZ, MEL_MAX_HZ = 40.0, 16000.0
BINS = FFT // 2 + 1
FRAMES_PER_LATENT = 8
LATENT_RATE = SAMPLE_RATE / HOP / FRAMES_PER_LATENT  # 10.77 latents a second

# Slaney's scale: linear below 1 kHz (200/3 Hz per mel), logarithmic above (27 mels per factor of 6.4).
_LINEAR_HZ, _BREAK_HZ, _LOG_STEP = 200.0 / 3, 1000.0, math.log(6.4) / 27


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    log = _BREAK_HZ / _LINEAR_HZ + np.log(np.maximum(hz, 1e-9) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz >= _BREAK_HZ, log, hz / _LINEAR_HZ)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    edge = _BREAK_HZ / _LINEAR_HZ
    return np.where(mel >= edge, _BREAK_HZ * np.exp(_LOG_STEP * (mel - edge)), mel * _LINEAR_HZ)


def mel_filters() -> Tensor:
    """The (BANDS, BINS) matrix from magnitudes to mel bands."""
    low, high = _hz_to_mel(np.array(MEL_MIN_HZ)), _hz_to_mel(np.array(MEL_MAX_HZ))
    points = _mel_to_hz(np.linspace(low, high, BANDS + 2))
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    hz = np.linspace(0, SAMPLE_RATE / 2, BINS)[None]
    triangle = np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre))
    return torch.tensor(np.maximum(0, triangle) * 2 / (right - left), dtype=torch.float32)


MEL = mel_filters()


def stft(wave: Tensor, fft: int = FFT, hop: int = HOP) -> Tensor:
    """(C, N) wave, N a multiple of hop -> complex (C, fft/2+1, N/hop)."""
    left = (fft - hop) // 2
    padded = F.pad(wave[:, None], (left, fft - hop - left), mode="reflect")[:, 0]
    window = torch.hann_window(fft, device=wave.device)
    return torch.stft(padded, fft, hop, fft, window, center=False, return_complex=True)


def istft(spectrum: Tensor, fft: int = FFT, hop: int = HOP) -> Tensor:
    """Inverse of `stft` by windowed overlap-add: complex (C, fft/2+1, F) -> (C, F*hop)."""
    frames = spectrum.shape[-1]
    window = torch.hann_window(fft, device=spectrum.device)
    length = (frames - 1) * hop + fft

    def overlap_add(x: Tensor) -> Tensor:
        return F.fold(x, (1, length), (1, fft), stride=(1, hop))[:, 0, 0]

    wave = overlap_add(torch.fft.irfft(spectrum, fft, dim=1) * window[None, :, None])
    weight = overlap_add((window**2)[None, :, None].expand(1, fft, frames))
    left = (fft - hop) // 2
    keep = slice(left, left + frames * hop)
    return wave[:, keep] / weight[:, keep].clamp(min=1e-3)


def log_mel(wave: Tensor) -> Tensor:
    """(C, N) wave -> (C, BANDS, N/HOP) natural-log mel."""
    spectrum = stft(wave)
    magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-6)
    return torch.log((MEL.to(wave) @ magnitude).clamp(min=1e-5))
