"""The plan of a song: tempo, meter, key, and a chord and a section for each half bar.

    python planner.py tables > ../../src/lib/families/ace-step-v1/planner-tables.json
    python planner.py golden > ../../src/lib/families/ace-step-v1/planner.golden.json

A composition has a plan by construction (`plan_of`); for a prompt a small rule planner invents one (`plan_song`). Both
reach the model the same way: `speaker_of` packs a plan in the 512 floats of the speaker slot, `frame_controls` spreads it
over the latents. src/lib/families/ace-step-v1/planner.ts is the same in TypeScript.

Speaker layout (all zeros = nothing known):
  [0] 1 = valid   [1] quarters a minute   [2] quarters a bar   [3] key: 0 unknown, 1 + pitch class   [4] mode: 0 unknown, 1 major, 2 minor
  [5] 1 = chords and sections follow   [6] where the crop starts inside the song, seconds
  [7..9] energy, valence and space of the mood, -1 to 1; a neutral mood is an unknown one
  [16..263] chord code of half bar i: 0 none, 1 + root + 12 * quality   [264..511] section code of half bar i

Chords are written bar by bar with spaces (and, if one likes, | , or -) between: "Am F C G"; a slash puts two chords in a
bar: "Am/F C G". A chord is a note, # or b, and one of: nothing or maj, m or min, dim, maj7, m7 or min7, 7, sus4, 5.
The bars repeat until the song ends, whatever its sections.
"""

import json
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from captions import FAST, GENRE_NAMES, INSTRUMENT_NAMES, MOOD_NAMES, SLOW, TEMPO_NAMES, split, tempo_name
from compose import BODIES, OUTRO_BARS, chord_of, scales_of, tempi_in, tempo_range, usable_progressions
from features import LATENT_RATE
from genres import (
    BLUES,
    GENRES,
    KEYS,
    METERS,
    MODES,
    MOOD_DECIDES,
    MOODS,
    NEUTRAL,
    QUALITIES,
    QUALITY_NAMES,
    SCALES,
    SECTIONS,
    Mood,
)
from model import FIRST_MOOD, MOOD_AXES, PHASES, SPEAKER
from noise import uniforms

HALF_BARS = 248
FIRST_CHORD, FIRST_SECTION = 16, 264
BEAT_MULTIPLES = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
BAR_MULTIPLES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)

SUFFIXES = {
    "maj": "",
    "min": "m",
    "dim": "dim",
    "maj7": "maj7",
    "min7": "m7",
    "dom7": "7",
    "sus4": "sus4",
    "power": "5",
}
OTHER_SUFFIXES = {"maj": "maj", "min": "min", "min7": "min7"}
MIN_BPM, MAX_BPM = 30, 300
EXCERPT_SECONDS = 24  # shorter songs are a verse and a chorus, without intro and ending
RING_OUT_SECONDS = 1.5  # after the last bar, as the composer leaves it
DEFAULT_GENRE = "pop"


@dataclass(frozen=True)
class Plan:
    bpm: float  # beats a minute; in 6/8 a beat is a dotted quarter
    meter: str  # a key of METERS
    key: int | None  # pitch class, C = 0
    mode: str  # unknown, major or minor
    chords: tuple[int, ...]  # code per half bar; empty = no plan of chords and sections
    sections: tuple[int, ...]  # code per half bar, as long as chords
    start: float = 0.0  # seconds
    mood: Mood = NEUTRAL
    genre: str = ""
    loops: tuple[str, ...] = ()  # the progressions in writing: verse, and chorus where it differs


def plan_of(meta: dict, start: float = 0.0, chords: bool = True, key: bool = True, mood: bool = True) -> Plan:
    """The plan of a composition (`compose.compose`'s meta) for a crop that starts at `start` seconds."""
    return Plan(
        bpm=meta["bpm"],
        meter=meta["meter"],
        key=meta["keyi"] if key else None,
        mode=meta["mode"] if key else "unknown",
        chords=tuple(chord_code(root, quality) for root, quality, _ in meta["chords"]) if chords else (),
        sections=tuple(s for s in meta["bar_sections"] for _ in (0, 1)) if chords else (),
        start=start,
        mood=MOODS[meta["mood"]] if mood else NEUTRAL,
    )


def chord_code(root: int, quality: int) -> int:
    return 1 + root + 12 * quality


def quarters_a_minute(plan: Plan) -> float:
    meter = METERS[plan.meter]
    return plan.bpm * meter.quarters / meter.beats


def speaker_of(plan: Plan) -> np.ndarray:
    """(512,) float32; a plan longer than HALF_BARS is cut here and lives on in `frame_controls`."""
    speaker = np.zeros(SPEAKER, np.float32)
    speaker[:3] = 1, quarters_a_minute(plan), METERS[plan.meter].quarters
    speaker[3] = 0 if plan.key is None else 1 + plan.key
    speaker[4] = ("unknown", "major", "minor").index(plan.mode)
    speaker[5] = bool(plan.chords)
    speaker[6] = plan.start
    speaker[FIRST_MOOD : FIRST_MOOD + MOOD_AXES] = plan.mood
    for first, codes in ((FIRST_CHORD, plan.chords), (FIRST_SECTION, plan.sections)):
        speaker[first : first + min(len(codes), HALF_BARS)] = codes[:HALF_BARS]
    return speaker


def frame_controls(
    plan: Plan, latents: int, latent_rate: float = LATENT_RATE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """phase (T, 24) float32, chord (T,) and section (T,) int64 at the centre of each of T latents.

    phase: sines, then cosines, of 2 pi times BEAT_MULTIPLES of the quarter and BAR_MULTIPLES of the bar. After the last half
    bar its chord and section go on.
    """
    seconds = (np.arange(latents, dtype=np.float64) + 0.5) / latent_rate + plan.start
    beat = seconds * quarters_a_minute(plan) / 60
    bar = beat / METERS[plan.meter].quarters
    turns = np.stack([m * beat for m in BEAT_MULTIPLES] + [m * bar for m in BAR_MULTIPLES], 1)
    angle = 2 * math.pi * turns
    phase = np.concatenate([np.sin(angle), np.cos(angle)], 1).astype(np.float32)
    assert phase.shape[1] == PHASES
    if not plan.chords:
        return phase, np.zeros(latents, np.int64), np.zeros(latents, np.int64)
    half_bar = np.minimum(np.floor(bar * 2).astype(np.int64), len(plan.chords) - 1)
    return phase, np.array(plan.chords, np.int64)[half_bar], np.array(plan.sections, np.int64)[half_bar]


# ---- reading what the user wrote


def parse_note(text: str) -> int:
    """'F#' -> 6."""
    return (
        {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[text[0].upper()]
        + text.count("#")
        - text[1:].count("b")
    ) % 12


def parse_key(text: str) -> tuple[int, str]:
    """'A minor', 'Am', 'F# major', 'Bb' -> (pitch class, mode)."""
    match = re.fullmatch(r"([A-Ga-g][#b]?)\s*(major|maj|M|minor|min|m|)", text.strip())
    if not match:
        raise ValueError(f'key must be a note and a mode, such as "A minor" or "F# major" (got "{text}")')
    note, mode = match.groups()
    return parse_note(note), "minor" if mode in ("minor", "min", "m") else "major"


def parse_meter(text: str) -> str:
    if text.strip() not in METERS:
        raise ValueError(f'meter must be one of {", ".join(METERS)} (got "{text}")')
    return text.strip()


def parse_chord(text: str) -> int:
    """'F#m7' -> chord code."""
    match = re.fullmatch(r"([A-G][#b]?)(.*)", text)
    for table in (SUFFIXES, OTHER_SUFFIXES):
        for quality, suffix in table.items():
            if match and match[2] == suffix:
                return chord_code(parse_note(match[1]), QUALITY_NAMES.index(quality))
    suffixes = ", ".join(s for s in SUFFIXES.values() if s)
    raise ValueError(f'chords: "{text}" is no chord; write a note A to G, # or b, and nothing or one of {suffixes}')


def parse_chords(text: str) -> list[tuple[int, int]]:
    """'Am/F C' -> the two chord codes of each bar."""
    bars = []
    for bar in re.split(r"[\s|,-]+", text.strip(" \t\r\n|,-")):
        halves = bar.split("/")
        if len(halves) > 2:
            raise ValueError(f'chords: a bar holds at most two chords (got "{bar}")')
        codes = [parse_chord(half) for half in halves]
        bars.append((codes[0], codes[-1]))
    return bars


def write_chord(code: int) -> str:
    return KEYS[(code - 1) % 12] + SUFFIXES[QUALITY_NAMES[(code - 1) // 12]]


def write_chords(bars: list[tuple[int, int]]) -> str:
    return " ".join(write_chord(a) if a == b else f"{write_chord(a)}/{write_chord(b)}" for a, b in bars)


def key_of_chords(bars: list[tuple[int, int]]) -> tuple[int, str]:
    """The key whose scale holds most of the chords' notes; of equals, that of the first chord."""
    notes = [((code - 1) % 12 + i) % 12 for bar in bars for code in bar for i in quality_notes(code)]
    first_root, first_minor = (bars[0][0] - 1) % 12, 3 in quality_notes(bars[0][0])
    best, best_score = (0, "major"), -1.0
    for mode in ("major", "minor"):
        for key in range(12):
            score = float(sum((n - key) % 12 in SCALES[mode] for n in notes))
            if key == first_root and first_minor == (mode == "minor"):
                score += 0.5
            if score > best_score:
                best, best_score = (key, mode), score
    return best


def quality_notes(code: int) -> tuple[int, ...]:
    return QUALITIES[QUALITY_NAMES[(code - 1) // 12]]


# A number before "bpm"; a note before a mode; a meter. Taken out of the prompt, since the caption states the plan's.
BPM_PATTERN = r"\b(\d{2,3})\s*bpm\b"
KEY_PATTERN = r"\b(?:in\s+)?([a-g](?:#|b)?)\s*(major|minor)\b"
METER_PATTERN = r"\b(3/4|4/4|6/8)\b"
METER_WORDS = {"waltz": "3/4", "jig": "6/8"}


# ---- choosing


@cache
def tables() -> dict:
    """Everything the planner knows, as JSON holds it for TypeScript too."""
    genres = []
    for name, g in GENRES.items():
        instruments = [i for i in (*g.chord_instruments, *g.bass_instruments, *g.leads, *g.layers) if i]
        others = [w for mood in g.moods for w in MOOD_NAMES[mood]] + [
            w for i in instruments for w in INSTRUMENT_NAMES[i]
        ]
        hints = {word: 1 for word in others} | {word: 2 for word in (*g.moods, *instruments)}
        genres.append(
            {
                "name": name,
                "names": [name, *GENRE_NAMES[name]],
                "hints": hints,
                "bpm": g.bpm,
                "meters": g.meters,
                "scales": g.scales,
                "progressions": {mode: usable_progressions(g, mode) for mode in ("major", "minor")},
                "sevenths": g.sevenths,
                "dominant": g.progressions == BLUES,
            }
        )
    return {
        "genres": genres,
        "scales": SCALES,
        "modes": MODES,
        "qualities": QUALITIES,
        "sections": SECTIONS,
        "bodies": BODIES,
        "keys": KEYS,
        "suffixes": SUFFIXES,
        "otherSuffixes": OTHER_SUFFIXES,
        "meters": {name: vars(meter) for name, meter in METERS.items()},
        "moods": [{"names": [name, *MOOD_NAMES[name]], "axes": mood} for name, mood in MOODS.items()],
        "moodDecides": MOOD_DECIDES,
        "tempo": {"slowBelow": SLOW, "fastFrom": FAST, "names": TEMPO_NAMES},
    }


def mentions(words: list[str], phrase: str) -> int:
    """How many letters of the phrase the words contain as a run: its length, or 0."""
    wanted = split(phrase)
    runs = (words[i : i + len(wanted)] for i in range(len(words) - len(wanted) + 1))
    return sum(map(len, wanted)) if any(run == wanted for run in runs) else 0


def choose_genre(words: list[str], meter: str | None) -> str:
    """The genre whose longest name the prompt mentions; without one, that with most of its moods and instruments.

    Only genres in the asked meter are in question: the model knows no others.
    """

    def score(genre: dict) -> float:
        named = max(mentions(words, name) for name in genre["names"])
        hinted = sum(weight for hint, weight in genre["hints"].items() if mentions(words, hint))
        return 100 * named + hinted + 0.5 * (genre["name"] == DEFAULT_GENRE)

    candidates = [genre for genre in tables()["genres"] if meter is None or meter in genre["meters"]]
    return max(candidates, key=score)["name"]


def choose_mood(words: list[str]) -> Mood:
    """The first mood whose name the prompt mentions, else the first of whose other names; a neutral one without."""
    for others in (False, True):
        for name, mood in MOODS.items():
            if any(mentions(words, known) for known in (MOOD_NAMES[name] if others else (name,))):
                return mood
    return NEUTRAL


def choose_bpm(words: list[str], low: int, high: int, mood: Mood, draw: float) -> int:
    """A tempo of the genre's range; its lower or upper third where the prompt says slow or fast, else the mood's half."""
    third = (high - low) // 3
    if any(mentions(words, name) for name in TEMPO_NAMES["slow"]):
        high = low + third
    elif any(mentions(words, name) for name in TEMPO_NAMES["fast"]):
        low = high - third
    else:
        low, high = tempo_range(low, high, mood.energy)
    return low + math.floor(draw * (high - low + 1))


def choose_mode(scales: tuple[str, ...], mood: Mood, draw: float) -> str:
    """The mode of the prompt's mood where the genre has it, else one of the genre's."""
    offered = [MODES[scale] for scale in scales_of(scales, mood.valence)]
    return offered[math.floor(draw * len(offered))]


def form(draws: Iterator[float], bars: int, excerpt: bool) -> list[int]:
    """Section code a bar. An excerpt is half verse, half chorus; a song has the composer's form."""

    def pick(options: tuple):
        return options[math.floor(next(draws) * len(options))]

    if excerpt or bars < 6:
        verse = math.ceil(bars / 2)
        return [SECTIONS.index("verse")] * verse + [SECTIONS.index("chorus")] * (bars - verse)
    unit = 4 if bars >= 13 else 2
    intro = pick((2, unit)) if next(draws) < 0.75 else 0
    names = ["intro"] * intro
    body = pick(BODIES)
    i = 0
    while len(names) < bars - OUTRO_BARS:
        name = body[i % len(body)]
        names += [name] * (pick((unit, unit, 2 * unit)) if name in ("verse", "chorus") else unit)
        i += 1
    return [SECTIONS.index(name) for name in names[: bars - OUTRO_BARS] + ["outro"] * OUTRO_BARS]


def plan_song(
    prompt: str,
    seconds: float,
    seed: int,
    bpm: float | None = None,
    key: str = "",
    meter: str = "",
    chords: str = "",
) -> Plan:
    """A plan for a prompt. Fields win over what the prompt says, and that over what the seed draws.

    Every draw has its own place in the stream, so that fixing one field leaves the others as they were.
    """
    lower, words = prompt.lower(), split(prompt)
    draw = iter(uniforms(seed, 4096).tolist())
    tempo, mode_draw, tonic, scale_draw, verse_draw, same, chorus_draw, sevenths_draw, harmonic = (
        next(draw) for _ in range(9)
    )

    said = re.search(METER_PATTERN, lower)
    hinted = next((METER_WORDS[word] for word in words if word in METER_WORDS), None)
    asked = parse_meter(meter) if meter.strip() else said[1] if said else hinted
    name = choose_genre(words, asked)
    genre, mood = GENRES[name], choose_mood(words)
    signature = asked or genre.meters[0]

    said = re.search(BPM_PATTERN, lower)
    bpm = bpm or (float(said[1]) if said else choose_bpm(words, *tempi_in(genre.bpm, signature), mood, tempo))
    if not MIN_BPM <= bpm <= MAX_BPM:
        raise ValueError(f"bpm must be {MIN_BPM} to {MAX_BPM} (got {bpm:g})")

    loop = parse_chords(chords) if chords.strip() else None
    said = re.search(KEY_PATTERN, lower)
    if key.strip():
        pitch, mode = parse_key(key)
    elif said:
        pitch, mode = parse_note(said[1]), said[2]
    elif loop:
        pitch, mode = key_of_chords(loop)
    else:
        pitch, mode = math.floor(tonic * 12), choose_mode(genre.scales, mood, mode_draw)

    if loop:
        loops = [loop, loop]
    else:
        scales = [scale for scale in genre.scales if MODES[scale] == mode] or [mode]
        scale = scales[math.floor(scale_draw * len(scales))]
        progressions = usable_progressions(genre, mode)
        verse = progressions[math.floor(verse_draw * len(progressions))]
        chorus = verse if same < 0.4 else progressions[math.floor(chorus_draw * len(progressions))]

        def code(degree: int) -> int:
            root, quality = chord_of(degree, pitch, scale, genre, sevenths_draw < genre.sevenths, harmonic < 0.6)
            return chord_code(root, QUALITY_NAMES.index(quality))

        def bar(degree: int | tuple[int, int]) -> tuple[int, int]:
            first, second = (degree, degree) if isinstance(degree, int) else degree
            return code(first), code(first if signature == "3/4" else second)

        loops = [[bar(degree) for degree in progression] for progression in (verse, chorus)]
        tonic_bar = bar(1)

    bar_seconds = METERS[signature].beats * 60 / bpm
    excerpt = seconds < EXCERPT_SECONDS
    tail = 0 if excerpt else min(RING_OUT_SECONDS, bar_seconds)
    bars = max(1, math.ceil(seconds / bar_seconds) if excerpt else math.floor((seconds - tail) / bar_seconds))
    sections, codes, inside = form(draw, bars, excerpt), [], 0
    for i, section in enumerate(sections):
        inside = inside + 1 if i and sections[i - 1] == section else 0
        outro = SECTIONS[section] == "outro"
        current = loops[SECTIONS[section] in ("chorus", "bridge", "outro")]
        if loop:
            codes += loop[i % len(loop)]  # what the user wrote goes on over the sections
        elif outro and inside:
            codes += tonic_bar
        else:
            codes += current[inside % len(current)]
    written = [write_chords(x) for x in loops]
    return Plan(
        bpm, signature, pitch, mode, tuple(codes), tuple(s for s in sections for _ in (0, 1)),
        mood=mood, genre=name, loops=tuple(dict.fromkeys(written)),
    )  # fmt: skip


def describe_plan(plan: Plan) -> dict:
    """What the user sees, in the spelling that the fields accept."""
    return {
        "bpm": plan.bpm,
        "key": f"{KEYS[plan.key]} {plan.mode}",
        "meter": plan.meter,
        "chords": " | ".join(plan.loops),
    }


def nano_caption(prompt: str, plan: Plan) -> str:
    """The caption that the text encoder gets: the plan in the wording of training, then the rest of the prompt."""
    rest = prompt.lower()
    for pattern in (BPM_PATTERN, KEY_PATTERN, METER_PATTERN):
        rest = re.sub(pattern, "", rest)
    facts = [
        plan.genre,
        f"{plan.bpm:g} bpm",
        f"{KEYS[plan.key]} {plan.mode}",
        plan.meter,
        TEMPO_NAMES[tempo_name(plan.bpm)][0],
    ]
    rest = " ".join(split(rest))
    return ", ".join(facts + ([rest] if rest else []))


# ---- the two files that TypeScript reads

GOLDEN_SONGS = (
    {"prompt": "slow jazz waltz, piano trio, 96 bpm, A minor", "seconds": 12, "seed": 7},
    {"prompt": "lo-fi hip hop, rainy night, rhodes", "seconds": 30, "seed": 1},
    {"prompt": "energetic techno", "seconds": 60, "seed": 4294967295},
    {"prompt": "fast heavy metal with distorted guitar", "seconds": 240, "seed": 3, "bpm": 172.5},
    {"prompt": "sad piano", "seconds": 20, "seed": 5, "chords": "Am/F C G"},
    {"prompt": "happy country song in Bb major", "seconds": 45, "seed": 11, "meter": "4/4"},
    {"prompt": "", "seconds": 10, "seed": 0},
    {"prompt": "blues in 3/4", "seconds": 33, "seed": 2, "key": "F#m", "chords": "F#m7 | B7 - C#sus4, Ddim/E5"},
    {"prompt": "twelve bar blues", "seconds": 90, "seed": 123456, "key": "E"},
    {"prompt": "gentle acoustic folk in 6/8, nylon guitar", "seconds": 60, "seed": 17},
    {"prompt": "lively irish jig with fiddle", "seconds": 15, "seed": 4},
    {"prompt": "dark piano ballad, lonely", "seconds": 30, "seed": 8},
)


def golden() -> list[dict]:
    """What each function gives for GOLDEN_SONGS; frame controls at 16 latents spread over the song."""
    cases = []
    for song in GOLDEN_SONGS:
        plan = plan_song(**song)
        latents = int(song["seconds"] * LATENT_RATE)
        phase, chord, section = frame_controls(plan, latents)
        at = np.linspace(0, latents - 1, 16).astype(int)
        cases.append(
            {
                "song": song,
                "plan": {name: value for name, value in vars(plan).items() if name != "start"},
                "speaker": speaker_of(plan).tolist(),
                "description": describe_plan(plan),
                "caption": nano_caption(song["prompt"], plan),
                "latents": latents,
                "at": at.tolist(),
                "phase": [[round(float(x), 7) for x in phase[i]] for i in at],
                "chord": chord[at].tolist(),
                "section": section[at].tolist(),
            }
        )
    return cases


if __name__ == "__main__":
    commands = {"tables": tables, "golden": golden}
    if sys.argv[1:] not in ([name] for name in commands):
        sys.exit(f"usage: python planner.py {'|'.join(commands)}")
    json.dump(commands[sys.argv[1]](), sys.stdout, separators=(",", ":"))
    print()
