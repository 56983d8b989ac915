"""Measures of one clip: what is asked of it, and what it sounds like. A wave is (2, N) float32 at 44.1 kHz.

genre, genre 3, instruments  a classifier that heard only training clips: right, right among 3, recall
tempo        the beat found in the flux of the mel is within 4 % of the asked one, or 1/3, 1/2, 2/3, 3/2, 2, 3 of it
key 1, key 3 the asked key is first, or among the first three, when scales are laid over the clip's chroma
chord        share of the chroma of each moment that lies on the notes of the asked chord
silent, clipped  the clip has a silent second; a run of samples at full scale
level        RMS, dB;  dynamics  how far the level moves, dB between the quiet and the loud tenth of half seconds
onsets       mean rise of the mel between frames, nats;  flatness  geometric over arithmetic mean of the power, dB
lines        dB by which the strongest tenth of the bins from 250 to 3000 Hz rises over the middle one: what is blurred
             has no lines
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from codec import PATCH, to_patches
from compose import bar_seconds
from features import BANDS, FRAMES_PER_LATENT, HOP, SAMPLE_RATE, log_mel
from genres import GENRES, INSTRUMENTS, QUALITIES, QUALITY_NAMES, SCALES
from planner import chord_code

SECONDS = 12.0
CLASSIFIER = Path(__file__).parent / "classifier.safetensors"
GENRE_NAMES = tuple(GENRES)
INSTRUMENT_NAMES = (*sorted(INSTRUMENTS), "drums")
SILENT_RMS, CLIP_LEVEL, CLIP_RUN = 0.003, 0.999, 4
FRAME_RATE = SAMPLE_RATE / HOP


# ---- what was asked


def excerpt(meta: dict) -> tuple[int, int]:
    """First bar and number of bars of the 12 s in the middle of a composition."""
    bar = bar_seconds(meta)
    bars = math.ceil(SECONDS / bar)
    first = max(0, round((meta["dur"] - SECONDS) / 2 / bar))
    return max(0, min(first, len(meta["bar_sections"]) - bars)), bars


def asked_chords(meta: dict) -> list[tuple[int, int]]:
    """Chord codes of the excerpt, two a bar."""
    first, bars = excerpt(meta)
    codes = [chord_code(root, quality) for root, quality, _ in meta["chords"]]
    last = len(meta["bar_sections"])
    return [(codes[2 * bar], codes[2 * bar + 1]) for bar in range(first, min(last, first + bars))]


# ---- the classifier


GROOVE_BANDS, GROOVE_STEPS = 32, 48  # a bar in 48 steps holds sixteenths of any meter, and triplets


def groove_bands(mel: Tensor) -> Tensor:
    """(256, F) log-mel -> (32, F): neighbouring bands and both channels averaged."""
    return mel.view(2, GROOVE_BANDS, BANDS // GROOVE_BANDS, -1).mean((0, 2))


def groove(bands: Tensor, bar_frames: float, first: float = 0.0) -> Tensor:
    """(32, F) and a bar line at frame `first` -> (64, 48): mean bar of the levels and of their rises, near unit variance."""
    rises = F.pad((bands[:, 1:] - bands[:, :-1]).clamp(min=0), (1, 0))
    rows = torch.cat([(bands - bands.mean(1, keepdim=True)) / 1.5, rises * 3 - 0.5])
    bars = max(1, int((bands.shape[1] - first) / bar_frames))
    at = first + (torch.arange(bars)[:, None] + (torch.arange(GROOVE_STEPS) + 0.5) / GROOVE_STEPS) * bar_frames
    low = at.long().clamp(0, bands.shape[1] - 2)
    share = (at - low).clamp(0, 1)
    return (rows[:, low] * (1 - share) + rows[:, low + 1] * share).mean(1)


class Classifier(nn.Module):
    """Log-mel of both channels and its mean bar -> genre and instrument logits.

    One half hears texture and movement: a frozen projection on the first components of mel patches, whitened, then
    convolutions that look at about four seconds, pooled over the clip. The other hears where in the bar things happen:
    the mean bar, 32 bands in 48 steps, through circular convolutions. Shuffled music has the texture but no bar.
    """

    COMPONENTS, WIDTH, EMBEDDING = 96, 96, 48

    def __init__(self) -> None:
        super().__init__()
        c, w = self.COMPONENTS, self.WIDTH
        self.projection = nn.Parameter(torch.zeros(PATCH, c), requires_grad=False)
        self.offset = nn.Parameter(torch.zeros(c), requires_grad=False)
        self.layers = nn.Sequential(
            nn.Conv1d(c, w, 5, padding=2), nn.GroupNorm(8, w), nn.GELU(),
            nn.Conv1d(w, w, 5, stride=2, padding=2), nn.GroupNorm(8, w), nn.GELU(),
            nn.Conv1d(w, w, 5, stride=2, padding=2), nn.GroupNorm(8, w), nn.GELU(), nn.Dropout(0.1),
        )  # fmt: skip
        self.bar = nn.Sequential(
            nn.Conv1d(2 * GROOVE_BANDS, 64, 5, padding=2, padding_mode="circular"), nn.GELU(),
            nn.Conv1d(64, 64, 5, stride=2, padding=2, padding_mode="circular"), nn.GELU(),
            nn.Conv1d(64, 32, 5, stride=2, padding=2, padding_mode="circular"), nn.GELU(), nn.Flatten(),
            nn.Linear(32 * GROOVE_STEPS // 4, 64), nn.Dropout(0.1),
        )  # fmt: skip
        self.join = nn.Linear(2 * w + 64, self.EMBEDDING)
        self.genre = nn.Linear(self.EMBEDDING, len(GENRE_NAMES))
        self.instruments = nn.Linear(self.EMBEDDING, len(INSTRUMENT_NAMES))

    def embed(self, components: Tensor, bars: Tensor) -> Tensor:
        """Whitened components (B, COMPONENTS, T) and mean bars (B, 64, 48) -> (B, EMBEDDING) in (-1, 1)."""
        h = self.layers(components)
        return torch.tanh(self.join(torch.cat([h.mean(2), h.std(2), self.bar(bars)], 1)))

    def hear(self, mel: Tensor, meta: dict) -> Tensor:
        """A clip that starts at a bar line, (256, F) -> (1, EMBEDDING)."""
        patches = to_patches(mel[:, : mel.shape[1] // FRAMES_PER_LATENT * FRAMES_PER_LATENT])
        components = (patches @ self.projection + self.offset).T
        return self.embed(components[None], groove(groove_bands(mel), bar_seconds(meta) * FRAME_RATE)[None])


def load_classifier() -> Classifier:
    classifier = Classifier()
    with safe_open(CLASSIFIER, "pt") as file:
        classifier.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    return classifier.eval()


def labels(meta: dict) -> tuple[int, Tensor]:
    present = torch.tensor([float(name in meta["inst"]) for name in INSTRUMENT_NAMES])
    return GENRE_NAMES.index(meta["genre"]), present


@torch.no_grad()
def classified(embedding: Tensor, meta: dict, classifier: Classifier) -> dict[str, float]:
    genre, present = labels(meta)
    order = classifier.genre(embedding)[0].argsort(descending=True)
    best = classifier.instruments(embedding)[0].topk(int(present.sum())).indices
    return {
        "genre": float(order[0].item() == genre),
        "genre 3": float(genre in order[:3]),
        "instruments": present[best].mean().item(),
    }


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two sets of embeddings (n, d) as Gaussians. Falls with n: compare equal counts only."""

    def root(matrix: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T

    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    half = root(cov_a)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ cov_b @ half), 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


# ---- tempo, key, chords


def beat_of(mel: Tensor) -> float:
    """bpm, 50 to 200, whose 1, 2 and 4 beats match the autocorrelation of the mel's rises best. mel (256, F)."""
    flux = (mel[:, 1:] - mel[:, :-1]).clamp(min=0).mean(0)
    flux = flux - flux.mean()
    n = len(flux)
    correlation = torch.fft.irfft(torch.fft.rfft(flux, 2 * n).abs() ** 2)[:n].numpy()
    candidates = np.arange(50, 200, 0.5)
    scores = sum(np.interp(60 / candidates * FRAME_RATE * beats, np.arange(n), correlation) for beats in (1, 2, 4))
    return float(candidates[np.argmax(scores)])


def tempo_hit(found: float, asked: float) -> bool:
    return any(abs(found * ratio / asked - 1) < 0.04 for ratio in (1, 2, 0.5, 3, 1 / 3, 1.5, 2 / 3))


CHROMA_FFT, CHROMA_HOP = 8192, 2048


def chroma(wave: Tensor) -> np.ndarray:
    """(2, N) -> (12, frames): magnitude of spectral peaks from 120 to 1600 Hz by pitch class; frame i is centred at i * CHROMA_HOP."""
    window = torch.hann_window(CHROMA_FFT)
    spectrum = torch.stft(wave.mean(0), CHROMA_FFT, CHROMA_HOP, CHROMA_FFT, window, return_complex=True).abs()
    peaks = torch.zeros_like(spectrum)
    inner = spectrum[1:-1]
    peaks[1:-1] = inner * ((inner > spectrum[:-2]) & (inner > spectrum[2:]))
    hz = torch.arange(CHROMA_FFT // 2 + 1) * SAMPLE_RATE / CHROMA_FFT
    pitch = torch.round(69 + 12 * torch.log2(hz.clamp(min=1) / 440)).long() % 12
    inside = (hz > 120) & (hz < 1600)
    return torch.zeros(12, spectrum.shape[1]).index_add_(0, pitch[inside], peaks[inside]).numpy()


def key_rank(chromagram: np.ndarray, meta: dict) -> int:
    """Place of the asked key among the twelve of its mode, 0 = first, by the share of its scale."""
    clip = chromagram.sum(1)
    scale = np.isin(np.arange(12), SCALES[meta["mode"]]).astype(float)
    shares = [(np.roll(scale, key) * clip).sum() for key in range(12)]
    return int(np.argsort(shares)[::-1].tolist().index(meta["keyi"]))


def chord_share(chromagram: np.ndarray, meta: dict, transpose: int = 0) -> float:
    """Share of the chroma on the notes of the asked chords, `transpose` semitones up."""
    codes = [code for bar in asked_chords(meta) for code in bar]
    on = total = 0.0
    for i in range(chromagram.shape[1]):
        half_bar = int(i * CHROMA_HOP / SAMPLE_RATE / bar_seconds(meta) * 2)
        code = codes[half_bar % len(codes)] - 1  # what is asked for goes on over the end of the excerpt
        root, quality = code % 12, QUALITY_NAMES[code // 12]
        notes = [(root + interval + transpose) % 12 for interval in QUALITIES[quality]]
        on += chromagram[notes, i].sum()
        total += chromagram[:, i].sum()
    return on / (total + 1e-9)


# ---- sound


def is_silent(wave: Tensor) -> bool:
    """Whether any whole second is."""
    seconds = wave[:, : wave.shape[1] // SAMPLE_RATE * SAMPLE_RATE].view(len(wave), -1, SAMPLE_RATE)
    return bool((seconds.square().mean((0, 2)).sqrt() < SILENT_RMS).any())


def is_clipped(wave: Tensor) -> bool:
    full = (wave.abs() >= CLIP_LEVEL).float()
    return bool(F.avg_pool1d(full[None], CLIP_RUN, 1).max() > 1 - 1e-6)


def decibels(power: Tensor) -> Tensor:
    return 10 * torch.log10(power + 1e-12)


def sound(wave: Tensor, mel: Tensor) -> dict[str, float]:
    """level, dynamics, onsets, flatness and lines."""
    half = SAMPLE_RATE // 2
    levels = decibels(wave[:, : wave.shape[1] // half * half].reshape(2, -1, half).square().mean((0, 2)))
    window = torch.hann_window(4096)
    power = torch.stft(wave.mean(0), 4096, 2048, 4096, window, return_complex=True).abs().square()
    hz = torch.arange(len(power)) * SAMPLE_RATE / 4096
    heard, tonal = power[(hz > 60) & (hz < 12000)], decibels(power[(hz > 250) & (hz < 3000)])
    flat = decibels(heard).mean(0) - decibels(heard.mean(0))
    return {
        "level": decibels(wave.square().mean()).item(),
        "dynamics": (levels.quantile(0.9) - levels.quantile(0.1)).item(),
        "onsets": (mel[:, 1:] - mel[:, :-1]).clamp(min=0).mean().item(),
        "flatness": flat.mean().item(),
        "lines": (tonal.quantile(0.9, 0) - tonal.median(0).values).mean().item(),
    }


class Heard(NamedTuple):
    """What is heard in a clip, before it is held against a task."""

    embedding: Tensor  # (1, EMBEDDING)
    bpm: float
    chromagram: np.ndarray
    sound: dict[str, float]


@torch.no_grad()
def hear(wave: Tensor, meta: dict, classifier: Classifier) -> Heard:
    """A clip that starts at a bar line of `meta`, which tells the length of a bar and no more."""
    mel = log_mel(wave[:, : wave.shape[1] // HOP * HOP]).flatten(0, 1)
    flags = {"silent": float(is_silent(wave)), "clipped": float(is_clipped(wave))}
    return Heard(classifier.hear(mel, meta), beat_of(mel), chroma(wave), flags | sound(wave, mel))


def judge(heard: Heard, meta: dict, classifier: Classifier) -> dict[str, float]:
    """All measures of a clip as an answer to a task."""
    rank = key_rank(heard.chromagram, meta)
    row = classified(heard.embedding, meta, classifier)
    row |= {"tempo": float(tempo_hit(heard.bpm, meta["bpm"])), "key 1": float(rank == 0), "key 3": float(rank < 3)}
    return row | {"chord": chord_share(heard.chromagram, meta)} | heard.sound


# ---- codec and vocoder


def spectral_distance(wave: Tensor, target: Tensor, below_hz: float = 15000.0) -> float:
    """Multi-resolution STFT distance of one channel (N,) each: spectral convergence plus L1 of log magnitudes."""
    total = 0.0
    for fft in (512, 1024, 2048):
        window = torch.hann_window(fft)
        a, b = (torch.stft(x, fft, fft // 4, fft, window, return_complex=True).abs() for x in (wave, target))
        a, b = (x[: int(below_hz * fft / SAMPLE_RATE)] for x in (a, b))
        total += ((a - b).norm() / b.norm() + (torch.log(a + 1e-3) - torch.log(b + 1e-3)).abs().mean()).item()
    return total / 3


def fidelity(wave: Tensor, target: Tensor) -> dict[str, float]:
    """How near a resynthesis is to its original: chroma correlation by frame and of the clip, STFT distance, mel, nats."""
    n = min(wave.shape[1], target.shape[1]) // HOP * HOP
    wave, target = wave[:, :n], target[:, :n]
    wave = wave * (target.square().mean() / wave.square().mean()).sqrt()
    a, b = chroma(wave), chroma(target)
    frames = [np.corrcoef(x, y)[0, 1] for x, y in zip(a.T, b.T, strict=True) if x.std() > 0 and y.std() > 0]
    mels = [log_mel(x) for x in (wave, target)]
    return {
        "frame chroma": float(np.mean(frames)),
        "clip chroma": float(np.corrcoef(a.sum(1), b.sum(1))[0, 1]),
        "STFT < 15 kHz": spectral_distance(wave[0], target[0]),
        "mel": (mels[0] - mels[1]).abs().mean().item(),
    }
