"""Composer, captions, planner and the measures of the gates. Nothing here renders sound with FluidSynth."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
import measures
import planner
from captions import WORD_IDS, caption, encode, split
from compose import bar_seconds, compose
from features import LATENT_RATE, SAMPLE_RATE
from genres import GENRES, MOODS

FAMILY = Path(__file__).parents[3] / "src" / "lib" / "families" / "ace-step-v1"
SEEDS = range(60)


def test_compositions_repeat_and_fill_their_plan() -> None:
    for seed in SEEDS:
        events, meta = compose(seed)
        assert (events, meta) == compose(seed)
        bars = len(meta["bar_sections"])
        assert len(meta["chords"]) == 2 * bars == 2 * sum(n for _, _, n in meta["sections"])
        assert 0 < meta["dur"] - bars * bar_seconds(meta) <= 1.5 + 1e-3
        assert all(0 <= e[0] < meta["dur"] and 0 < e[2] < 128 and 0 < e[3] < 128 for e in events)
        assert "drums" not in meta["inst"] or any(e[1] == 9 for e in events)


def test_every_genre_composes() -> None:
    for genre in GENRES:
        events, meta = compose(1, 20, genre)
        assert meta["genre"] == genre and len(events) > 20


def test_captions_use_known_words_only() -> None:
    rng = random.Random(0)
    for seed in SEEDS:
        meta = compose(seed)[1]
        for text in (caption(meta), *(caption(meta, rng) for _ in range(5))):
            assert all(word in WORD_IDS for word in split(text)), text
        assert len(split(caption(meta))) <= 32


def test_unknown_prompts_are_the_null_prompt() -> None:
    assert encode("") == encode("xyzzy plugh") == [1]
    assert encode("F# minor, 92 BPM") == [WORD_IDS[w] for w in ("f#", "minor", "92", "bpm")]


def test_files_for_typescript_are_current() -> None:
    def plain(x: object) -> object:
        return json.loads(json.dumps(x))

    assert json.loads((FAMILY / "planner-tables.json").read_text()) == plain(planner.tables())
    assert json.loads((FAMILY / "planner.golden.json").read_text()) == plain(planner.golden())


def test_planner_finds_the_composers_genre() -> None:
    hits = [planner.plan_song(evaluate.task_of(m)["prompt"], 12, 0).genre == m["genre"] for m in metas()]
    assert np.mean(hits) > 0.97


def metas() -> list[dict]:
    return [compose(seed)[1] for seed in SEEDS]


def test_tasks_reach_the_plan_that_the_truth_expects() -> None:
    for meta in metas():
        task = evaluate.task_of(meta)
        plan = planner.plan_song(**{k: task[k] for k in ("prompt", "seconds", "seed", "bpm", "key", "meter", "chords")})
        assert (plan.bpm, plan.key, plan.mode, plan.meter) == (meta["bpm"], meta["keyi"], meta["mode"], meta["meter"])
        asked = [code for bar in measures.asked_chords(meta) for code in bar]
        assert list(plan.chords[: len(asked)]) == asked


def test_a_composition_and_its_written_plan_give_the_same_frames() -> None:
    meta = compose(4)[1]
    plan = planner.plan_of(meta, start=5.0)
    whole = planner.frame_controls(planner.plan_of(meta), 200)
    later = planner.frame_controls(plan, 100)
    shift = 5.0 * LATENT_RATE
    assert abs(shift - round(shift)) > 0.1  # so that the test is about time, not about indices
    i = 150
    near = int(i - shift)
    assert abs(whole[1][i] - later[1][near]) == 0 or whole[1][i + 1] == later[1][near]
    speaker = planner.speaker_of(plan)
    assert tuple(speaker[7:10]) == pytest.approx(tuple(MOODS[meta["mood"]]))
    assert not planner.speaker_of(planner.plan_of(meta, mood=False))[7:10].any()
    assert speaker[6] == 5.0 and speaker[16] == plan.chords[0] and speaker[264] == plan.sections[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": "H minor"}, "key must be a note"),
        ({"meter": "5/4"}, "meter must be one of 3/4, 4/4, 6/8"),
        ({"chords": "Am Xyz"}, '"Xyz" is no chord'),
        ({"chords": "A/B/C"}, "at most two chords"),
        ({"bpm": 900}, "bpm must be 30 to 300"),
    ],
)
def test_planner_refuses_by_name(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planner.plan_song("pop", 12, 0, **fields)


def clicks(bpm: float) -> torch.Tensor:
    wave = 0.001 * torch.randn(2, 12 * SAMPLE_RATE)
    for beat in range(int(12 * bpm / 60)):
        at = int(beat * 60 / bpm * SAMPLE_RATE)
        wave[:, at : at + 2000] += 0.3 * torch.randn(2, 2000)[:, : wave.shape[1] - at]
    return wave


def test_tempo_is_heard() -> None:
    for bpm in (72.0, 128.0):
        wave = clicks(bpm)
        mel = measures.log_mel(wave[:, : wave.shape[1] // 512 * 512]).flatten(0, 1)
        found = measures.beat_of(mel)
        assert measures.tempo_hit(found, bpm)
        assert not measures.tempo_hit(found, bpm * 1.15)


def test_key_and_chords_are_heard() -> None:
    """Sines on the asked chords: the key is found, the share is near one, and falls when the chords are moved."""
    meta = compose(5)[1]
    n = 12 * SAMPLE_RATE
    seconds = torch.arange(n) / SAMPLE_RATE
    wave = torch.zeros(n)
    half_bar = bar_seconds(meta) / 2
    for i, code in enumerate(code for bar in measures.asked_chords(meta) for code in bar):
        inside = (seconds >= i * half_bar) & (seconds < (i + 1) * half_bar)
        quality = measures.QUALITIES[measures.QUALITY_NAMES[(code - 1) // 12]]
        for interval in quality:
            note = 60 + (code - 1) % 12 + interval
            wave += 0.1 * inside * torch.sin(2 * math.pi * 440 * 2 ** ((note - 69) / 12) * seconds)
    chromagram = measures.chroma(torch.stack([wave, wave]))
    assert measures.key_rank(chromagram, meta) < 3
    assert measures.chord_share(chromagram, meta) > 0.8
    assert measures.chord_share(chromagram, meta, transpose=1) < 0.4


def test_silence_and_clipping_are_seen() -> None:
    music = 0.1 * torch.randn(2, 4 * SAMPLE_RATE)
    quiet, hard = music.clone(), music.clone()
    quiet[:, SAMPLE_RATE : 2 * SAMPLE_RATE] = 0
    hard[0, 1000:1010] = 1
    assert [measures.is_silent(w) for w in (music, quiet)] == [False, True]
    assert [measures.is_clipped(w) for w in (music, hard)] == [False, True]


def test_moods_change_the_music() -> None:
    """The same seeds in one genre: lively against calm, and bright against dark, in notes and not only in words."""

    def songs(mood: str) -> list[tuple[list, dict]]:
        return [compose(seed, 30, "pop", mood) for seed in range(30)]

    def lead(events: list) -> list:
        return [e for e in events if e[1] == 3]

    def loudness(pairs: list) -> float:
        return float(np.mean([e[3] for events, _ in pairs for e in events if e[1] in (0, 1, 3)]))

    def pitch(pairs: list) -> float:
        return float(np.mean([e[2] for events, _ in pairs for e in lead(events)]))

    calm, energetic = songs("calm"), songs("energetic")
    happy, sad = songs("happy"), songs("sad")
    assert loudness(energetic) > loudness(calm) + 15
    assert np.mean([m["bpm"] for _, m in energetic]) > np.mean([m["bpm"] for _, m in calm]) + 8
    assert pitch(happy) > pitch(sad) + 4
    assert all(m["mode"] == "major" for _, m in happy) and all(m["mode"] == "minor" for _, m in sad)


def test_all_meters_are_played_and_their_bars_are_full() -> None:
    """In 6/8 strokes fall on eighths of a bar of six, in 3/4 on quarters; every genre keeps to the meters it states."""
    seen = set()
    for seed in range(300):
        events, meta = compose(seed)
        assert meta["meter"] in GENRES[meta["genre"]].meters
        seen.add(meta["meter"])
        if meta["meter"] == "6/8":
            eighth = bar_seconds(meta) / 6
            kicks = [e[0] / eighth for e in events if e[1] == 9 and e[2] == 36]
            assert (
                all(abs(k - round(k)) < 0.2 for k in kicks)
                or meta["genre"] == "world percussion"
                or GENRES[meta["genre"]].swing
            )
    assert seen == {"3/4", "4/4", "6/8"}


def test_neighbouring_chords_move_little() -> None:
    """Voice leading: the held chords of piano ballads move by less than a third a voice."""
    moves = []
    for seed in range(40):
        events, _ = compose(seed, 30, "ambient")
        chords: dict[float, list[int]] = {}
        for at, channel, note, _, _ in events:
            if channel == 0:
                chords.setdefault(round(at * 4) / 4, []).append(note)
        full = [sorted(c) for c in chords.values() if len(c) >= 3]
        moves += [min(abs(n - b) for b in before) for before, now in zip(full, full[1:], strict=False) for n in now]
    assert len(moves) > 200 and np.mean(moves) < 2.5


def test_shuffled_music_has_another_bar() -> None:
    """The mean bar tells a beat from the same sounds in another order; a pooled statistic cannot."""
    wave = clicks(100.0)
    meta = {"bpm": 100.0, "meter": "4/4"}
    frames = bar_seconds(meta) * measures.FRAME_RATE

    def bar(x: torch.Tensor) -> torch.Tensor:
        mel = measures.log_mel(x[:, : x.shape[1] // 512 * 512]).flatten(0, 1)
        return measures.groove(measures.groove_bands(mel), frames)

    def peak(x: torch.Tensor) -> float:
        rises = bar(x)[measures.GROOVE_BANDS :].mean(0)
        return float(rises.max() - rises.median())

    assert peak(wave) > 2 * peak(evaluate.shuffled(wave, 1))


def test_frechet_distance_is_its_closed_form() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4000, 3)), rng.normal(size=(4000, 3)) * 2 + 1
    assert measures.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert measures.frechet(a, b) == pytest.approx(3 * 1 + 3 * (2 - 1) ** 2, rel=0.1)
