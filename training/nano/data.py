"""Rendered clips on disk, and the batches that the denoiser trains on.

A data folder holds, per split, SEED.json (the composition), SEED.mel.npy ((256, 8T) float16 log-mel), for some clips
SEED.s16 (interleaved stereo, 44.1 kHz), and latents.pt: {seeds, lengths, latents (sum of lengths, 256) float16}.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from captions import caption, encode
from codec import CHANNELS, ROWS
from features import LATENT_RATE
from model import MAX_WORDS, NULL_WORD, PHASES, SPEAKER
from planner import frame_controls, plan_of, speaker_of

# How often a crop is trained without one of its conditions, or without any, as guidance's other branch is.
DROPS = {"all": 0.10, "chords": 0.30, "key": 0.15, "mood": 0.25}


@dataclass(frozen=True)
class Batch:
    """latents (B, CHANNELS, ROWS, T) and the arguments of `Nano.condition`."""

    latents: Tensor
    words: Tensor
    speaker: Tensor
    phase: Tensor
    chord: Tensor
    section: Tensor

    def to(self, device: str) -> "Batch":
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})

    def conditions(self) -> tuple[Tensor, ...]:
        return self.words, self.speaker, self.phase, self.chord, self.section


@dataclass(frozen=True)
class Clips:
    latents: list[Tensor]  # (T, 256) float16 each
    metas: list[dict]


def load_clips(folder: Path) -> Clips:
    stored = torch.load(folder / "latents.pt")
    metas = [json.loads((folder / f"{seed}.json").read_text()) for seed in stored["seeds"]]
    return Clips(list(stored["latents"].split(stored["lengths"])), metas)


# words, then the float and index arrays: speaker, phase, chord, section
Conditions = tuple[list[int], np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def conditions_of(meta: dict, start: float, latents: int, text: str, **known: bool) -> Conditions:
    """words, speaker, phase, chord, section of a crop; `known` goes to `plan_of`."""
    plan = plan_of(meta, start, **known)
    return encode(text), speaker_of(plan), *frame_controls(plan, latents)


def no_conditions(latents: int) -> Conditions:
    """The unconditional branch of guidance."""
    zeros = np.zeros(latents, np.int64)
    return [NULL_WORD], np.zeros(SPEAKER, np.float32), np.zeros((latents, PHASES), np.float32), zeros, zeros


def collate(latents: list[Tensor], conditions: list[tuple]) -> Batch:
    words, *controls = zip(*conditions, strict=True)
    padded = [list(ids) + [0] * (MAX_WORDS - len(ids)) for ids in words]
    stacked = torch.stack([x.float() for x in latents]).transpose(1, 2).unflatten(1, (CHANNELS, ROWS))
    return Batch(stacked, torch.tensor(padded), *(torch.from_numpy(np.stack(c)) for c in controls))


def training_batch(clips: Clips, count: int, length: int, rng: random.Random, drops: dict[str, float] = DROPS) -> Batch:
    """Random crops of `length` latents with random wordings, some of their conditions dropped."""
    latents, conditions = [], []
    while len(latents) < count:
        i = rng.randrange(len(clips.latents))
        room = len(clips.latents[i]) - length
        if room < 0:
            continue
        first = rng.randint(0, room)
        latents.append(clips.latents[i][first : first + length])
        dropped = {name: rng.random() < share for name, share in drops.items()}
        if dropped.pop("all", False):
            conditions.append(no_conditions(length))
            continue
        meta = clips.metas[i]
        known = {name: not without for name, without in dropped.items()}
        conditions.append(conditions_of(meta, first / LATENT_RATE, length, caption(meta, rng), **known))
    return collate(latents, conditions)


def held_out_batch(clips: Clips, count: int, length: int, **known: bool) -> Batch:
    """The first `count` clips from their beginning, in the plain wording, with all conditions but those in `known`."""
    chosen = list(zip(clips.latents, clips.metas, strict=True))[:count]
    conditions = [conditions_of(meta, 0.0, length, caption(meta), **known) for _, meta in chosen]
    return collate([z[:length] for z, _ in chosen], conditions)
