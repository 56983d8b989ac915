"""The plan of a song: tempo, meter, key, and a chord and a section for each half bar.

A composition has a plan by construction; for a prompt a small rule planner invents one (see `plan_song`). Both reach the
model the same way: `speaker_of` packs a plan in the 512 floats of the speaker slot, `frame_controls` spreads it over the
latents. src/lib/families/ace-step-v1/planner.ts computes the same numbers.

Speaker layout (all zeros = nothing known):
  [0] 1 = valid   [1] bpm   [2] beats a bar   [3] key: 0 unknown, 1 + pitch class   [4] mode: 0 unknown, 1 major, 2 minor
  [5] 1 = chords and sections follow   [6] where the crop starts inside the song, seconds
  [16..263] chord code of half bar i: 0 none, 1 + root + 12 * quality   [264..511] section code of half bar i
"""

import math
from dataclasses import dataclass

import numpy as np

from features import LATENT_RATE
from model import PHASES, SPEAKER

HALF_BARS = 248
FIRST_CHORD, FIRST_SECTION = 16, 264
MODES = ("unknown", "major", "minor")
BEAT_MULTIPLES = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
BAR_MULTIPLES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)


@dataclass(frozen=True)
class Plan:
    bpm: float
    meter: int  # quarter-note beats a bar
    key: int | None  # pitch class, C = 0
    mode: str  # one of MODES
    chords: tuple[int, ...]  # code per half bar; empty = no plan of chords and sections
    sections: tuple[int, ...]  # code per half bar, as long as chords
    start: float = 0.0  # seconds


def plan_of(meta: dict, start: float = 0.0, chords: bool = True, key: bool = True) -> Plan:
    """The plan of a composition (`compose.compose`'s meta) for a crop that starts at `start` seconds."""
    return Plan(
        bpm=meta["bpm"],
        meter=meta["meter"],
        key=meta["keyi"] if key else None,
        mode=meta["mode"] if key else "unknown",
        chords=tuple(1 + root + 12 * quality for root, quality, _ in meta["chords"]) if chords else (),
        sections=tuple(s for s in meta["bar_sections"] for _ in (0, 1)) if chords else (),
        start=start,
    )


def speaker_of(plan: Plan) -> np.ndarray:
    """(512,) float32; a plan longer than HALF_BARS is cut here and lives on in `frame_controls`."""
    speaker = np.zeros(SPEAKER, np.float32)
    speaker[:3] = 1, plan.bpm, plan.meter
    speaker[3] = 0 if plan.key is None else 1 + plan.key
    speaker[4] = MODES.index(plan.mode)
    speaker[5] = bool(plan.chords)
    speaker[6] = plan.start
    for first, codes in ((FIRST_CHORD, plan.chords), (FIRST_SECTION, plan.sections)):
        speaker[first : first + min(len(codes), HALF_BARS)] = codes[:HALF_BARS]
    return speaker


def frame_controls(
    plan: Plan, latents: int, latent_rate: float = LATENT_RATE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """phase (T, 24) float32, chord (T,) and section (T,) int64 at the centre of each of T latents.

    phase: sines, then cosines, of 2 pi times BEAT_MULTIPLES of the beat and BAR_MULTIPLES of the bar. After the last half
    bar its chord and section go on.
    """
    seconds = (np.arange(latents, dtype=np.float64) + 0.5) / latent_rate + plan.start
    beat = seconds * plan.bpm / 60
    bar = beat / plan.meter
    turns = np.stack([m * beat for m in BEAT_MULTIPLES] + [m * bar for m in BAR_MULTIPLES], 1)
    angle = 2 * math.pi * turns
    phase = np.concatenate([np.sin(angle), np.cos(angle)], 1).astype(np.float32)
    assert phase.shape[1] == PHASES
    if not plan.chords:
        return phase, np.zeros(latents, np.int64), np.zeros(latents, np.int64)
    half_bar = np.minimum(np.floor(bar * 2).astype(np.int64), len(plan.chords) - 1)
    return phase, np.array(plan.chords, np.int64)[half_bar], np.array(plan.sections, np.int64)[half_bar]
