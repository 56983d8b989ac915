"""Compose and render music: seed -> notes and a description -> sound. Deterministic by seed.

    python compose.py FIRST COUNT FOLDER [--soundfont FILE]      writes SEED.wav and SEED.json (data sets: prepare.py)

`compose` returns events (seconds, channel, note, velocity, length in seconds; channel 9 is the drums) and a meta:
  seed genre mood inst[] bpm meter ("4/4") key keyi mode dur, sections [name, first bar, bars][], bar_sections (section code a bar),
  chords ([root pitch class, quality, bass pitch class] a half bar; codes index genres.QUALITY_NAMES and genres.SECTIONS),
  and the mixer: progs (General MIDI program by channel), kit, pan, vol, rev.
"""

import argparse
import json
import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genres import (
    BASS_PATTERNS,
    BLUES,
    CABASA,
    CHORD_PATTERNS,
    CRASH,
    DRUM_PATTERNS,
    GENRES,
    HAT,
    HIGH_TOM,
    INSTRUMENTS,
    JAZZ,
    KEYS,
    KICK,
    LOW_TOM,
    MAJOR,
    MARACAS,
    MELODY_RHYTHMS,
    METERS,
    MID_TOM,
    MODES,
    MOOD_DECIDES,
    MOODS,
    OPEN_HAT,
    PEDAL_HAT,
    QUALITIES,
    QUALITY_NAMES,
    RIDE,
    SCALES,
    SECTIONS,
    SIX_BASS,
    SIX_CHORDS,
    SNARE,
    TAMBOURINE,
    TOM,
    VELOCITY,
    Degree,
    Genre,
)

SAMPLE_RATE = 44100
Chord = tuple[int, str]  # root pitch class, quality name
Event = tuple[float, int, int, int, float]
Section = tuple[str, int, int]  # name, first bar, bars

CHORDS_CHANNEL, BASS_CHANNEL, LAYER_CHANNEL, LEAD_CHANNEL, TIMPANI_CHANNEL, RISER_CHANNEL, DRUM_CHANNEL = (
    0,
    1,
    2,
    3,
    4,
    5,
    9,
)
REVERSE_CYMBAL = 119  # General MIDI program
QUIET_DRUMS = (HAT, PEDAL_HAT, OPEN_HAT, MARACAS, CABASA, TAMBOURINE)
INTRO_DRUMS = (HAT, OPEN_HAT, RIDE, TAMBOURINE, MARACAS, CABASA, PEDAL_HAT)
ENERGY = {"intro": 0.92, "verse": 0.95, "chorus": 1.06, "solo": 1.02, "bridge": 0.97, "outro": 0.93, "break": 0.91}
QUIET_SECTIONS = ("verse", "intro", "outro", "break")  # first chord, bass and drum pattern; the others take the second
LEAD_SHARE = {"intro": 0.25, "verse": 0.75, "chorus": 0.95, "bridge": 0.7, "outro": 0.5, "break": 0.5}
CHORD_CENTRES = {"power8": 48, "power16": 42, "gallop": 42, "powerhold": 45}  # middle note of the voicings
BODIES = (
    ("verse", "chorus", "break", "chorus"),
    ("verse", "chorus", "verse", "chorus"),
    ("verse", "verse", "chorus", "solo", "chorus"),
    ("chorus", "verse", "chorus", "break", "chorus"),
    ("verse", "chorus", "bridge", "chorus", "solo", "chorus"),
)
OUTRO_BARS = 2
OWN_MOOD = 0.65  # how often a song has one of its genre's usual moods
# Moods that any genre may have: all whose words are no genre's name.
FREE_MOODS = tuple(mood for mood in MOODS if mood not in ("funky", "swinging", "tribal", "groovy", "soulful"))


def song_form(rng: random.Random, bars: int) -> list[Section]:
    """Sections that fill `bars` bars: perhaps an intro, a repeating body, an outro of two bars."""
    unit = 4 if bars >= 13 else 2
    parts = [("intro", rng.choice([2, unit]))] if rng.random() < 0.75 else []
    body = rng.choice(BODIES)
    left = bars - OUTRO_BARS - sum(n for _, n in parts)
    i = 0
    while left > 0:
        name = body[i % len(body)]
        n = min(left, rng.choice([unit, unit, 2 * unit]) if name in ("verse", "chorus") else unit)
        parts.append((name, n))
        left -= n
        i += 1
    parts.append(("outro", OUTRO_BARS))
    sections, bar = [], 0
    for name, n in parts:
        sections.append((name, bar, n))
        bar += n
    return sections


def usable_progressions(genre: Genre, mode: str) -> list:
    """Progressions of the genre that suit the mode: the major ones sound wrong in minor, but for those that jazz shares."""
    fits = [p for p in genre.progressions if not (mode == "minor" and p in MAJOR and p not in JAZZ)]
    return fits or list(genre.progressions)


def bar_seconds(meta: dict) -> float:
    """Of a composition: 60 / bpm is a beat."""
    return METERS[meta["meter"]].beats * 60 / meta["bpm"]


def tempo_range(low: int, high: int, energy: float) -> tuple[int, int]:
    """The lower or upper half of a genre's tempi where a mood is calm or lively."""
    middle = (low + high) // 2
    if abs(energy) < MOOD_DECIDES:
        return low, high
    return (low, middle) if energy < 0 else (middle, high)


def tempi_in(bpm: tuple[int, int], meter: str) -> tuple[int, int]:
    """A genre's tempi in a meter: in 6/8 two thirds of the quarters, but from 44 to 132."""
    if meter != "6/8":
        return bpm
    return max(44, bpm[0] * 2 // 3), max(50, min(132, bpm[1] * 2 // 3))


def scales_of(scales: tuple[str, ...], valence: float) -> list[str]:
    """Those of a genre's scales that are major, or minor, where a mood is bright or dark and the genre has both."""
    mode = "major" if valence > 0 else "minor"
    fitting = [scale for scale in scales if MODES[scale] == mode]
    return fitting if fitting and abs(valence) >= MOOD_DECIDES else list(scales)


def in_bar(pattern: str, meter: str) -> str:
    """A pattern of four beats cut to three; others, which are of three beats or of a 6/8 bar, as they are."""
    three = {16: 12, 12: 9, 8: 6, 4: 3}
    return pattern[: three.get(len(pattern), len(pattern))] if meter == "3/4" else pattern


def scale_note(scale: tuple[int, ...], degree: int) -> int:
    """Semitones of a scale degree counted from 0, over any number of octaves."""
    return scale[degree % 7] + 12 * (degree // 7)


def chord_of(degree: int, key: int, scale: str, genre: Genre, sevenths: bool, harmonic: bool) -> Chord:
    """The chord on scale degree 1..7. `harmonic`: the fifth degree of a minor key is major."""
    notes = SCALES[scale]
    root, third, fifth, seventh = (scale_note(notes, degree - 1 + k) for k in (0, 2, 4, 6))
    pitch = (key + root) % 12
    if genre.progressions == BLUES:
        return pitch, "dom7"
    if scale == "minor" and degree == 5 and harmonic:
        return pitch, "dom7" if sevenths else "maj"
    quality = "dim" if fifth - root == 6 else "maj" if third - root == 4 else "min"
    if sevenths and quality != "dim":
        quality = "min7" if quality == "min" else {11: "maj7", 10: "dom7"}[seventh - root]
    return pitch, quality


@dataclass(frozen=True)
class Hit:
    """One stroke of a chord pattern."""

    index: int
    at_start: bool
    soft: bool
    root: int
    voicing: list[int]
    beats: float
    direction: int  # of arpeggios: 0 up, 1 down, 2 up and down

    @property
    def low(self) -> int:
        return 36 + (self.root - 36) % 12

    @property
    def power_root(self) -> int:
        return 40 + (self.root - 40) % 12


Stroke = list[tuple[float, int, float, float]]  # delay in beats, note, gain, beats


def play_block(hit: Hit) -> Stroke:
    return [(0, n, 1, hit.beats) for n in hit.voicing]


def play_octaves(hit: Hit) -> Stroke:
    n = hit.voicing[hit.index % len(hit.voicing)]
    return [(0, n, 1, hit.beats), (0, n + 12, 1, hit.beats)]


def play_strum(hit: Hit) -> Stroke:
    notes = [hit.low + 12 if hit.low < 40 else hit.low, *hit.voicing, hit.voicing[0] + 12]
    if hit.soft:
        notes = notes[::-1]
    return [(i * 0.014, n, 1, hit.beats) for i, n in enumerate(notes)]


def play_arpeggio(hit: Hit) -> Stroke:
    up = [*hit.voicing, hit.voicing[0] + 12]
    notes = (up, up[::-1], up + up[-2:0:-1])[hit.direction]
    return [(0, notes[hit.index % len(notes)], 1, hit.beats)]


def play_picking(hit: Hit) -> Stroke:
    notes = [hit.low + 12, *hit.voicing, hit.voicing[0] + 12]
    return [(0, notes[(0, 2, 1, 3, 2, 1, 3, 2)[hit.index % 8] % len(notes)], 1, hit.beats)]


def play_power(hit: Hit) -> Stroke:
    return [(0, n, 1.05, hit.beats) for n in (hit.power_root, hit.power_root + 7, 52 + (hit.root - 40) % 12)]


def play_waltz(hit: Hit) -> Stroke:
    return [(0, hit.low, 1.05, 1)] if hit.at_start else [(0, n, 0.85, hit.beats) for n in hit.voicing]


def play_boogie(hit: Hit) -> Stroke:
    upper = (7, 9, 10, 9)[(hit.index // 2) % 4]
    return [(0, n, 1, hit.beats) for n in (hit.power_root, hit.power_root + upper)]


PLAYERS: dict[str, Callable[[Hit], Stroke]] = {
    "block": play_block,
    "arpblock": play_octaves,
    "strum": play_strum,
    "arp": play_arpeggio,
    "pick": play_picking,
    "power": play_power,
    "waltz": play_waltz,
    "boogie": play_boogie,
}
THREE_BEAT_KINDS = ("waltz", "arp", "block", "pick")  # the others become a waltz in three


class Arranger:
    """Draws a song's choices in a fixed order, then writes its events bar by bar.

    The order of the random draws is part of the data set: changing it changes every clip.
    """

    def __init__(self, seed: int, seconds: float | None, genre: str | None, mood_name: str | None) -> None:
        rng = self.rng = random.Random(seed)
        drawn = rng.choice(list(GENRES))
        self.genre_name = genre or drawn
        g = self.genre = GENRES[self.genre_name]
        seconds = seconds or rng.uniform(28, 44)
        drawn = rng.choice(g.moods) if rng.random() < OWN_MOOD else rng.choice(FREE_MOODS)
        self.mood_name = mood_name or drawn
        mood = self.mood = MOODS[self.mood_name]
        self.signature = rng.choice(g.meters)
        self.meter = METERS[self.signature].quarters
        self.bpm = rng.randint(*tempo_range(*tempi_in(g.bpm, self.signature), mood.energy))
        self.key = rng.randrange(12)
        self.scale = rng.choice(scales_of(g.scales, mood.valence))
        self.mode = MODES[self.scale]
        progressions = usable_progressions(g, self.mode)
        self.verse = rng.choice(progressions)
        self.chorus = rng.choice(progressions) if rng.random() < 0.6 else self.verse
        self.sevenths = rng.random() < g.sevenths
        if rng.random() < 0.25:
            self.chorus = self.chorus[2:] + self.chorus[:2]
        self.chord_styles = [self.chord_style(rng.choice(g.chords)) for _ in range(2)]
        self.chord_instrument = rng.choice(g.chord_instruments)
        self.bass_instrument = rng.choice(g.bass_instruments)
        bass = [rng.choice(g.bass), rng.choice(g.bass)]
        self.lead_instrument = rng.choice(g.leads)
        self.layer_instrument = rng.choice(g.layers)
        drums = rng.choice(g.drums)
        second = rng.choice(g.drums) or drums
        if drums and self.signature == "6/8":
            drums, second = rng.choice(g.six), rng.choice(g.six)
        self.drums = [drums, second if drums else None]
        if bass[0] is None:
            self.bass_instrument = None
        elif self.signature == "6/8":
            bass = [rng.choice(SIX_BASS), rng.choice(SIX_BASS)]
        self.bass = [bass[0], bass[1] or bass[0]]

        self.beat_seconds = 60 / self.bpm * METERS[self.signature].beats / self.meter  # of a quarter
        bars = max(6, int(seconds / self.beat_seconds / self.meter))
        self.sections = song_form(rng, bars)
        self.bars = self.sections[-1][1] + self.sections[-1][2]
        self.seconds = self.bars * self.meter * self.beat_seconds + min(1.5, self.meter * self.beat_seconds)
        self.looseness = rng.uniform(0.002, 0.007)  # seconds
        harmonic = rng.random() < 0.6
        self.chords = [
            chord_of(d, self.key, self.scale, g, self.sevenths, harmonic) for degrees in self.degrees() for d in degrees
        ]

        drawn_centre = rng.choice([56, 58, 60]) + round(5 * mood.valence)
        self.centre = CHORD_CENTRES.get(self.chord_styles[0], drawn_centre)
        self.bass_low = rng.choice([28, 31, 33])
        self.direction = rng.randrange(3)
        self.motifs = {name: self.motif() for name in ("verse", "chorus", "solo", "bridge")}
        self.lead_low = rng.choice([62, 64, 66]) + round(7 * mood.valence)
        self.first_note = {name: rng.choice([2, 4, 4, 7]) for name in self.motifs}
        self.melody = 4  # scale degree of the last melody note, from 0
        self.last_voicing: dict[int, list[int]] = {}  # by channel
        self.lead_plays = {name: rng.random() < share for name, share in LEAD_SHARE.items()} | {"solo": True}
        self.has_layer = rng.random() < 0.65 + 0.35 * mood.space
        self.doubles = mood.energy + mood.space > 1  # grand melodies sound in octaves
        self.force = 1 + 0.22 * mood.energy  # of every stroke
        self.drum_force = 1 + 0.12 * mood.energy
        self.fills = 0.55 + 0.45 * mood.energy
        self.hold = 1 + 0.45 * (mood.space - mood.energy) / 2  # length of notes
        self.intro_drums = rng.choice([None, "hat", "full"])
        self.break_style = rng.choice(["nodrums", "pad", "groove"])
        self.dynamics = rng.uniform(0.3, 1.0)
        self.events: list[Event] = []
        self.used_layer = self.used_lead = False

    def chord_style(self, style: str) -> str:
        """The style in this meter."""
        if self.signature == "6/8":
            return self.rng.choice(SIX_CHORDS[CHORD_PATTERNS[style].kind])
        return style

    def degrees(self) -> list[tuple[int, int]]:
        """Two scale degrees a bar. The first progression serves the quiet sections and solos; an outro ends on 1."""
        pairs: list[tuple[int, int]] = []
        for name, _, bars in self.sections:
            progression = self.verse if name in ("intro", "verse", "break", "solo") else self.chorus
            for bar in range(bars):
                degree: Degree = progression[bar % len(progression)]
                first, second = (degree, degree) if isinstance(degree, int) else degree
                if self.signature == "3/4":
                    second = first
                if name == "outro" and bar > 0:
                    first = second = 1
                pairs.append((first, second))
        return pairs

    def motif(self) -> list[tuple[list[float], list[int]]]:
        """Two phrases of one rhythm: beats in the bar, and steps of the scale from note to note."""
        rng = self.rng
        density = self.genre.density * (1 + 0.5 * self.mood.energy)
        rhythms = sorted(MELODY_RHYTHMS[self.signature], key=len)
        if self.mood.energy >= MOOD_DECIDES:  # lively melodies have many notes, calm ones few
            rhythms = rhythms[len(rhythms) // 2 :]
        elif self.mood.energy <= -MOOD_DECIDES:
            rhythms = rhythms[: (len(rhythms) + 1) // 2]
        rhythm = rng.choice(rhythms)
        beats = [b for b in rhythm if density >= 1 or rng.random() < 0.4 + 0.6 * density or b == 0] or [0]
        return [(beats, [rng.choice([-2, -1, -1, 1, 1, 2, 0, 3, -3]) for _ in range(12)]) for _ in range(2)]

    # ---- time and notes

    def time(self, beat: float) -> float:
        """Seconds of a beat; swing delays the off-beats."""
        swing, fraction = self.genre.swing, beat % 1
        if swing:
            beat += sum(
                swing * share * (abs(fraction - at) < 0.01) for at, share in ((0.5, 0.5), (0.25, 0.2), (0.75, 0.35))
            )
        return beat * self.beat_seconds

    def note(self, channel: int, beat: float, note: int, velocity: float, beats: float) -> None:
        if 12 <= note < 110:
            at = max(0.0, self.time(beat) + self.rng.gauss(0, self.looseness))
            loudness = int(min(127, max(16, velocity * self.force + self.rng.gauss(0, 4))))
            self.events.append((at, channel, int(note), loudness, beats * self.beat_seconds))

    def drum(self, beat: float, note: int, velocity: float) -> None:
        at = max(0.0, self.time(beat) + self.rng.gauss(0, self.looseness * 0.6))
        loudness = int(min(127, max(12, velocity * self.drum_force + self.rng.gauss(0, 4))))
        self.events.append((at, DRUM_CHANNEL, note, loudness, 0.2))

    def chord_at(self, bar: int, beat: float) -> Chord:
        second_half = beat >= self.meter / 2 - 1e-6
        return self.chords[min(len(self.chords) - 1, 2 * bar + int(second_half))]

    def voicing(self, chord: Chord, centre: int, channel: int = CHORDS_CHANNEL) -> list[int]:
        """The chord's inversion, low to high, that moves least from the channel's last one and stays near `centre`."""
        root, quality = chord
        before = self.last_voicing.get(channel)

        def cost(notes: list[int]) -> float:
            away = abs(sum(notes) / len(notes) - centre)
            if before is None:
                return away
            moved = sum(min(abs(n - b) for b in before) for n in notes)
            return moved + 0.5 * max(0.0, away - 2)

        inversions = []
        for low in range(centre - 9, centre + 1):
            if (low - root) % 12 in QUALITIES[quality]:
                inversions.append(sorted({low + (root + i - low) % 12 for i in QUALITIES[quality]}))
        self.last_voicing[channel] = min(inversions, key=cost)
        return self.last_voicing[channel]

    def strokes(self, rhythm: str) -> list[tuple[float, str]]:
        """(beat in the bar, symbol) of a rhythm."""
        return [(i * self.meter / len(rhythm), x) for i, x in enumerate(rhythm) if x not in "._"]

    # ---- parts, one bar each

    def play_chords(self, channel: int, style: str, bar: int, gain: float, centre: int) -> None:
        pattern, start = CHORD_PATTERNS[style], bar * self.meter
        if self.signature == "3/4" and pattern.kind not in THREE_BEAT_KINDS:
            pattern = CHORD_PATTERNS["waltz"]
        rhythm = in_bar(pattern.rhythm, self.signature)
        beats = min(pattern.beats * self.hold, self.meter * 0.98)
        strokes = self.strokes(rhythm)
        changes = self.chords[2 * bar] != self.chords[2 * bar + 1]
        for i, (at, symbol) in enumerate(strokes):
            velocity = 70 * gain * VELOCITY[symbol]
            if pattern.kind == "block" and len(strokes) == 1 and changes:  # one held chord must follow the change
                for half in (0, 1):
                    for n in self.voicing(self.chords[2 * bar + half], centre, channel):
                        self.note(channel, start + half * self.meter / 2, n, velocity, self.meter / 2 * 0.98)
                continue
            chord = self.chord_at(bar, at)
            hit = Hit(i, at == 0, symbol == "o", chord[0], self.voicing(chord, centre, channel), beats, self.direction)
            for delay, n, share, length in PLAYERS[pattern.kind](hit):
                self.note(channel, start + at + delay, n, velocity * share, length)

    def play_bass(self, style: str, bar: int, gain: float) -> None:
        pattern = in_bar(BASS_PATTERNS[style], self.signature)
        step = self.meter / len(pattern)
        for i, symbol in enumerate(pattern):
            if symbol in "._":
                continue
            at = i * self.meter / len(pattern)
            root, quality = self.chord_at(bar, at)
            intervals = QUALITIES[quality]
            n = self.bass_low + (root - self.bass_low) % 12
            if symbol == "5":
                n += 7 if 7 in intervals else 6
            elif symbol == "o":
                n += 12
            elif symbol == "3":
                n += intervals[1] if len(intervals) > 2 else 7
            elif symbol == "7":
                n += 10
            elif symbol == "a":
                following = self.chord_at(min(bar + 1, self.bars - 1), 0)[0]
                n = self.bass_low + (following - self.bass_low) % 12 + self.rng.choice([-1, 1, 2])
            held = 1 + len(pattern[i + 1 :]) - len(pattern[i + 1 :].lstrip("_"))
            accent = 1.05 if at == 0 else 0.95
            self.note(
                BASS_CHANNEL, bar * self.meter + at, n, 86 * gain * accent, held * step * min(0.98, 0.86 * self.hold)
            )

    def play_drums(self, style: str, bar: int, gain: float, until: float, only: tuple[int, ...] | None = None) -> None:
        for n, rhythm in DRUM_PATTERNS[style].items():
            if only and n not in only:
                continue
            for at, symbol in self.strokes(in_bar(rhythm, self.signature)):
                if at < until:
                    level = 0.6 if n in QUIET_DRUMS else 1
                    self.drum(bar * self.meter + at, n, 96 * gain * VELOCITY[symbol] * level)

    def play_fill(self, bar: int, gain: float, beats: int) -> None:
        kind = self.rng.randrange(4)
        start, count = (bar + 1) * self.meter - beats, beats * 4
        for i in range(count):
            at = start + i / 4
            if kind == 0:
                self.drum(at, SNARE, (60 + 50 * i / count) * gain)
            elif kind == 1:
                down = (HIGH_TOM, HIGH_TOM, TOM, TOM, MID_TOM, MID_TOM, LOW_TOM, LOW_TOM)
                self.drum(at, down[i * 8 // count], 96 * gain)
            elif kind == 2 and i % 3 != 2:
                self.drum(at, self.rng.choice([SNARE, HIGH_TOM, MID_TOM, LOW_TOM]), 92 * gain)
            elif kind == 3 and i % 2 == 0:
                self.drum(at, SNARE if i % 4 else KICK, 98 * gain)

    def play_lead(self, section: str, bar: int, k: int, gain: float) -> None:
        """Bar k of the section: the motif's first phrase, in every fourth bar its second; strong notes fall on the chord."""
        rng = self.rng
        phrases = self.motifs.get(section, self.motifs["verse"])
        if k % 4 == 0:  # phrases of four bars that begin alike
            self.melody = self.first_note.get(section, 4)
        beats, steps = phrases[(k % 4) == 3]
        if section == "solo" and rng.random() < 0.5:
            beats = sorted({*beats, *[rng.choice([0.5, 1.5, 2.5, 2.75, 3.5]) % self.meter for _ in range(2)]})
        tonic = self.lead_low - (self.lead_low - self.key) % 12
        for i, at in enumerate(beats):
            root, quality = self.chord_at(bar, at)
            self.melody += steps[i % 12] if rng.random() > 0.08 else rng.choice([-1, 1])
            self.melody = max(0, min(13, self.melody))
            n = tonic + scale_note(SCALES[self.scale], self.melody)
            if at % (1.5 if self.signature == "6/8" else 1) == 0 or len(beats) < 3:
                n = min(
                    (x for x in range(n - 4, n + 5) if (x - root) % 12 in QUALITIES[quality]), key=lambda x: abs(x - n)
                )
            following = beats[i + 1] if i + 1 < len(beats) else self.meter
            phrase_end = k % 4 == 3 and i + 1 == len(beats)
            length = (following - at) * (1.0 if phrase_end else min(1.0, 0.85 * self.hold))
            self.note(LEAD_CHANNEL, bar * self.meter + at, n, (98 if i == 0 else 92) * gain, length)
            if self.doubles and section in ("chorus", "solo"):
                self.note(LEAD_CHANNEL, bar * self.meter + at, n + 12, 78 * gain, length)

    def play_timpani(self, section: str, bar: int, k: int, bars: int, gain: float) -> None:
        if k % 2 == 0 and section in ("chorus", "bridge", "outro"):
            self.note(TIMPANI_CHANNEL, bar * self.meter, 36 + self.chord_at(bar, 0)[0] % 12, 92 * gain, 1)
        if k == bars - 1 and section != "outro":
            n = 36 + self.chord_at(bar, self.meter - 1)[0] % 12
            for i in range(8):
                self.note(TIMPANI_CHANNEL, bar * self.meter + self.meter - 1 + i / 8, n, (50 + 6 * i) * gain, 0.2)
        if k == 0 and section == "chorus":
            self.drum(bar * self.meter, CRASH, 90)

    def drums_in_bar(self, index: int, section: str, bar: int, k: int, bars: int, gain: float) -> None:
        rng, meter = self.rng, self.meter
        style = self.drums[0] if section in QUIET_SECTIONS else self.drums[1]
        last = k == bars - 1 and index < len(self.sections) - 1
        fill = rng.choice([1, 1, 2]) if last and section != "break" and rng.random() < self.fills else 0
        if section == "intro":
            if self.intro_drums == "full" or (self.intro_drums == "hat" and k >= bars / 2):
                self.play_drums(style, bar, gain, meter - fill, None if self.intro_drums == "full" else INTRO_DRUMS)
        elif section == "break":
            if self.break_style == "groove":
                self.play_drums(style, bar, gain, meter - fill)
            elif self.genre.electronic and k >= bars - 2:  # snare roll into the chorus
                count = 8 if k == bars - 2 else 16
                for i in range(count):
                    self.drum(
                        bar * meter + i * meter / count, SNARE, 40 + 60 * ((k - bars + 2) * 0.5 + i / count * 0.5)
                    )
        else:
            self.play_drums(style, bar, gain, meter - fill)
        if fill:
            self.play_fill(bar, gain, fill)
        if k == 0 and section in ("chorus", "solo") and rng.random() < 0.7 + 0.6 * self.mood.energy:
            self.drum(bar * meter, CRASH, 96)

    def final_chord(self, bar: int, gain: float) -> None:
        chord, start, beats = self.chord_at(bar, 0), bar * self.meter, self.meter * 0.9
        for n in self.voicing(chord, self.centre):
            self.note(CHORDS_CHANNEL, start, n, 72 * gain, beats)
        if self.bass_instrument:
            self.note(BASS_CHANNEL, start, self.bass_low + (chord[0] - self.bass_low) % 12, 84 * gain, beats)
        if self.drums[0]:
            self.drum(start, KICK, 96)
            self.drum(start, CRASH, 80)

    def play_bar(self, index: int, section: str, bar: int, k: int, bars: int, gain: float) -> None:
        if bar == self.bars - 1:
            self.final_chord(bar, gain)
            return
        second = section not in QUIET_SECTIONS
        groove = self.break_style == "groove"
        if not (section == "break" and groove and k < bars // 2):
            self.play_chords(CHORDS_CHANNEL, self.chord_styles[second], bar, gain, self.centre)
        if self.has_layer and (section in ("chorus", "bridge") or (section == "break" and self.break_style == "pad")):
            self.used_layer = True
            changes = self.chords[2 * bar] != self.chords[2 * bar + 1]
            style = "six block" if self.signature == "6/8" else "pad2" if changes or self.meter == 3 else "pad"
            self.play_chords(LAYER_CHANNEL, style, bar, gain * 0.8, self.centre + (12 if self.centre < 60 else 5))
        if (
            self.bass_instrument
            and not (section == "intro" and k < bars / 2)
            and not (section == "break" and not groove)
        ):
            self.play_bass(self.bass[second], bar, gain)
        if self.drums[0] and DRUM_PATTERNS[self.drums[0]]:
            self.drums_in_bar(index, section, bar, k, bars, gain)
        if self.genre_name == "orchestral":
            self.play_timpani(section, bar, k, bars, gain)
        if self.lead_instrument and self.lead_plays[section] and not (k % 4 == 3 and self.rng.random() < 0.15):
            self.used_lead = True
            self.play_lead(section, bar, k, gain)

    def play(self) -> None:
        for index, (section, first, bars) in enumerate(self.sections):
            energy = 1 + (ENERGY[section] - 1) * (1 + self.dynamics)
            for k in range(bars):
                self.play_bar(index, section, first + k, k, bars, energy * (1 + 0.05 * (k / max(1, bars))))
            if self.genre.electronic and section in ("break", "intro") and bars >= 2:
                self.note(RISER_CHANNEL, (first + bars - 2) * self.meter, 60, 70, 2 * self.meter)
        self.events.sort()

    # ---- description

    def instruments(self) -> list[str]:
        """Names of what is heard, without repeats."""
        names = [self.chord_instrument, self.bass_instrument]
        names += [self.lead_instrument] if self.used_lead else []
        names += [self.layer_instrument] if self.used_layer else []
        if self.genre_name == "orchestral":
            names.append("timpani")
        elif self.drums[0] and DRUM_PATTERNS[self.drums[0]]:
            names.append("drums")
        return list(dict.fromkeys(name for name in names if name))

    def meta(self, seed: int) -> dict:
        rng = self.rng
        chords = [[root, QUALITY_NAMES.index(quality), root] for root, quality in self.chords]
        programs = (self.chord_instrument, self.bass_instrument or "upright bass", self.layer_instrument)
        program = {
            i: INSTRUMENTS[name] for i, name in enumerate((*programs, self.lead_instrument or "piano", "timpani"))
        }
        pan = {0: rng.randint(36, 60), 1: 64, 2: rng.randint(60, 96), 3: rng.randint(58, 72), 4: 70, 5: 64, 9: 64}
        drums = rng.randint(92, 104) + round(6 * self.mood.energy)
        # The lead stands out; a piano or guitar alone under it may be as loud as itself.
        volume = {0: rng.randint(70, 84), 1: 102, 2: 62, 3: rng.randint(104, 116), 4: 96, 5: 56, 9: drums}
        return {
            "seed": seed,
            "genre": self.genre_name,
            "mood": self.mood_name,
            "inst": self.instruments(),
            "bpm": self.bpm,
            "meter": self.signature,
            "key": KEYS[self.key],
            "keyi": self.key,
            "mode": self.mode,
            "dur": round(self.seconds, 3),
            "sections": [list(section) for section in self.sections],
            "bar_sections": [SECTIONS.index(name) for name, _, bars in self.sections for _ in range(bars)],
            "chords": chords,
            "progs": {**program, RISER_CHANNEL: REVERSE_CYMBAL},
            "kit": self.genre.kit,
            "pan": pan,
            "vol": volume,
            "rev": rng.randint(25, 45) + round(40 * (1 + self.mood.space) / 2 * rng.uniform(0.8, 1.2)),
        }


def compose(
    seed: int, seconds: float | None = None, genre: str | None = None, mood: str | None = None
) -> tuple[list[Event], dict]:
    """A song of 28 to 44 s, or about `seconds`; genre and mood drawn or given."""
    arranger = Arranger(seed, seconds, genre, mood)
    arranger.play()
    return arranger.events, arranger.meta(seed)


class Synth:
    """FluidSynth with one sound font; renders a song at a time."""

    def __init__(self, soundfont: str) -> None:
        import fluidsynth  # needs libfluidsynth: only rendering does

        if not os.path.exists(soundfont):
            raise FileNotFoundError(f"sound font {soundfont} does not exist; give one with --soundfont or SOUNDFONT")
        self.synth = fluidsynth.Synth(samplerate=float(SAMPLE_RATE), gain=0.5)
        for setting, value in (("reverb.active", 1), ("chorus.active", 0), ("polyphony", 160)):
            self.synth.setting(f"synth.{setting}", value)
        self.font = self.synth.sfload(soundfont)

    def render(self, events: list[Event], meta: dict) -> np.ndarray:
        """(N, 2) float32 at 44.1 kHz, RMS 0.11 with peaks below 0.98."""
        synth, seconds = self.synth, meta["dur"]
        synth.system_reset()
        for channel, program in meta["progs"].items():
            synth.program_select(int(channel), self.font, 0, program)
        synth.program_select(DRUM_CHANNEL, self.font, 128, meta["kit"])
        for channel, volume in meta["vol"].items():
            reverb = 15 if int(channel) == BASS_CHANNEL else meta["rev"]
            for controller, value in ((7, volume), (10, meta["pan"][channel]), (91, reverb)):
                synth.cc(int(channel), controller, value)
        switches = []
        for at, channel, note, velocity, length in events:
            if at < seconds:
                switches += [(at, 1, channel, note, velocity), (at + length, 0, channel, note, 0)]
        switches.sort(key=lambda s: s[:2])
        blocks, position = [], 0
        for at, on, channel, note, velocity in switches:
            sample = int(min(at, seconds) * SAMPLE_RATE) // 64 * 64  # FluidSynth's own block
            if sample > position:
                blocks.append(synth.get_samples(sample - position))
                position = sample
            if on:
                synth.noteon(channel, note, max(1, min(127, velocity)))
            else:
                synth.noteoff(channel, note)
        total = int(seconds * SAMPLE_RATE)
        if total > position:
            blocks.append(synth.get_samples(total - position))
        return level(even_out(np.concatenate(blocks).reshape(-1, 2)[:total].astype(np.float32) / 32768))


EVEN_BLOCK, EVEN_SECONDS, EVEN_SHARE, EVEN_MOST = 4410, 1.5, 0.5, 2.0


def even_out(audio: np.ndarray) -> np.ndarray:
    """Halves, in dB, how far the level of 1.5 s departs from the song's, by at most 6 dB: quiet sections stay audible."""
    blocks = audio[: len(audio) // EVEN_BLOCK * EVEN_BLOCK].reshape(-1, EVEN_BLOCK * 2)
    if len(blocks) < 2:
        return audio
    window = np.hanning(int(EVEN_SECONDS * SAMPLE_RATE / EVEN_BLOCK) + 2)[1:-1]
    power = np.convolve((blocks**2).mean(1), window, "same") / np.convolve(np.ones(len(blocks)), window, "same")
    gain = np.clip((power.mean() / (power + 1e-9)) ** (EVEN_SHARE / 2), 1 / EVEN_MOST, EVEN_MOST)
    at = (np.arange(len(blocks)) + 0.5) * EVEN_BLOCK
    return audio * np.interp(np.arange(len(audio)), at, gain)[:, None].astype(np.float32)


def level(audio: np.ndarray) -> np.ndarray:
    """RMS 0.11; peaks above 0.98 are scaled down, very high ones bent; a fade of 0.4 s at the end."""
    audio = audio * (0.11 / (np.sqrt((audio**2).mean()) + 1e-6))
    peak = np.abs(audio).max()
    if peak > 1.6:
        audio = np.tanh(audio / peak * 1.3) / math.tanh(1.3) * 0.98
    elif peak > 0.98:
        audio = audio * (0.98 / peak)
    fade = min(len(audio), int(0.4 * SAMPLE_RATE))
    audio[-fade:] *= np.linspace(1, 0, fade)[:, None] ** 2
    return audio.astype(np.float32)


def main() -> None:
    import soundfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--soundfont", default=os.environ.get("SOUNDFONT", "/usr/share/sounds/sf3/default-GM.sf3"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    synth = Synth(args.soundfont)
    for seed in range(args.first, args.first + args.count):
        events, meta = compose(seed)
        soundfile.write(args.folder / f"{seed}.wav", synth.render(events, meta), SAMPLE_RATE)
        (args.folder / f"{seed}.json").write_text(json.dumps(meta))
        print(seed, meta["genre"], meta["bpm"], meta["key"], meta["mode"], *meta["inst"], sep=", ")


if __name__ == "__main__":
    main()
