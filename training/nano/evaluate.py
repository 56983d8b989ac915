"""The gates: how well generated clips do what was asked, beside real ones by the same measures (measures.py).

    python evaluate.py tasks --n 100 --out tasks.json              held-out compositions as text2music tasks
    python evaluate.py score --wavs FOLDER --tasks tasks.json [--json OUT] [--check] [--generated-only]
    python evaluate.py edits --wavs FOLDER --edits FOLDER --tasks tasks.json     retakes, repaints and extensions
    python evaluate.py codec --n 24                                codec and vocoder on held-out music
    python evaluate.py swap --n 300                                what each condition is worth, in velocity loss
    python evaluate.py classifier --data DATA                      trains classifier.safetensors, some CPU-minutes

`score` takes the WAVs of a folder in the order of their names, one a task. A task's seed is the seed of its composition,
so the truth is composed again. Real rows render the compositions and need FluidSynth and a sound font; codec rows, `codec`
and `swap` need the checkpoint folder, which `python -m export_onnx restore` makes of a pack. What cannot be measured is
said and fails --check. Intervals (±) are half of the 95 % interval over 1000 drawings of the clips with replacement.
"""

import argparse
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

import checkpoint
import compose as composer
import genres
from captions import caption
from codec import CHANNELS, ROWS
from compose import Synth, bar_seconds, compose
from data import collate, conditions_of, load_clips
from features import FRAMES_PER_LATENT, HOP, LATENT_RATE, SAMPLE_RATE, log_mel
from genres import KEYS
from measures import (
    CLASSIFIER,
    FRAME_RATE,
    SECONDS,
    Classifier,
    Heard,
    asked_chords,
    chord_share,
    decibels,
    excerpt,
    fidelity,
    frechet,
    groove,
    groove_bands,
    hear,
    judge,
    labels,
    load_classifier,
)
from model import Nano
from planner import write_chords
from prepare import CODEC_FILE, load_codec, load_mel
from vocoder import synthesise

FIRST_TEST_SEED = 3_000_000
FIRST_REFERENCE_SEED = 3_100_000  # real clips that the Fréchet distances are measured from
CACHE = Path(__file__).parents[2] / ".cache" / "nano-real"
ASKED = ("genre", "genre 3", "instruments", "tempo", "key 1", "key 3", "chord")
SOUND = ("level", "dynamics", "onsets", "flatness", "lines")
BANDED = ("dynamics", "onsets", "flatness", "lines")
SHUFFLE_SECONDS = 0.5
DRAWINGS = 1000
SIGNIFICANT = 1.645  # of a one-sided test at 5 %

# At least this share of what the other row scores.
SHARE_GATES = {
    "genre": (0.95, "real"),
    "tempo": (0.95, "real"),
    "key 3": (0.95, "real"),
    "instruments": (0.90, "real + codec"),
    "chord": (0.90, "real + codec"),
}
FRECHET_GATE, SHUFFLED_GATE = 1.5, 2.0  # times the floor: at most, and at least
FRECHET_CLIPS = 80  # fewer say nothing of 48 dimensions
EDIT_GATE = 0.9  # of what the sources score
SEAM_GATE = 0.1  # share of seams beyond the 95th percentile of real music
CODEC_GATES = {"frame chroma": (">=", 0.85), "clip chroma": (">=", 0.95), "STFT < 15 kHz": ("<=", 0.95)}


# ---- tasks and real music


def task_of(meta: dict) -> dict:
    return {
        "kind": "text2music",
        "prompt": ", ".join([meta["genre"], meta["mood"], *meta["inst"]]),
        "lyrics": "",
        "seconds": SECONDS,
        "seed": meta["seed"],
        "bpm": meta["bpm"],
        "key": f"{meta['key']} {meta['mode']}",
        "meter": meta["meter"],
        "chords": write_chords(asked_chords(meta)),
    }


def real_excerpts(metas: Iterable[dict], soundfont: str) -> list[Tensor]:
    """The 12 s that the tasks ask for, rendered; kept in .cache under the composer's own hash."""
    sources = (Path(module.__file__).read_bytes() for module in (composer, genres))
    folder = CACHE / hashlib.sha256(b"".join(sources) + soundfont.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    synth, waves = None, []
    for meta in metas:
        path = folder / f"{meta['seed']}.npy"
        if not path.exists():
            synth = synth or Synth(soundfont)
            events, full = compose(meta["seed"])
            first = int(excerpt(meta)[0] * bar_seconds(meta) * SAMPLE_RATE)
            length = int(SECONDS * LATENT_RATE) * FRAMES_PER_LATENT * HOP
            audio = synth.render(events, full)[first : first + length]
            audio = audio[: len(audio) // (FRAMES_PER_LATENT * HOP) * FRAMES_PER_LATENT * HOP]
            np.save(path, (np.clip(audio, -1, 1) * 32767).astype(np.int16))
        waves.append(torch.from_numpy(np.load(path).T.astype(np.float32) / 32768))
    return waves


def metas_from(first: int, count: int) -> list[dict]:
    return [compose(first + i)[1] for i in range(count)]


def read_waves(folder: Path, pattern: str = "*.wav") -> list[Tensor]:
    waves = []
    for path in sorted(folder.glob(pattern)):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != SAMPLE_RATE:
            raise ValueError(f"{path} has {rate} Hz; the measures need {SAMPLE_RATE}")
        waves.append(torch.from_numpy(samples.T.copy()))
    return waves


def shuffled(wave: Tensor, seed: int) -> Tensor:
    """Half seconds in another order: the same sounds without a form or a beat."""
    n = int(SHUFFLE_SECONDS * SAMPLE_RATE)
    pieces = list(wave[:, : wave.shape[1] // n * n].split(n, 1))
    return torch.cat([pieces[i] for i in np.random.default_rng(seed).permutation(len(pieces))], 1)


# ---- rows of the table


class Row:
    """One kind of clip: its measures by clip, and its embeddings."""

    def __init__(self, heard: list[Heard], metas: list[dict], classifier: Classifier) -> None:
        values = [judge(h, m, classifier) for h, m in zip(heard, metas, strict=True)]
        self.values = {name: np.array([v[name] for v in values]) for name in values[0]}
        self.embeddings = np.concatenate([h.embedding.numpy() for h in heard])

    def mean(self, name: str) -> float:
        return float(self.values[name].mean())

    def interval(self, name: str) -> float:
        values = self.values[name]
        draws = np.random.default_rng(0).integers(0, len(values), (DRAWINGS, len(values)))
        low, high = np.quantile(values[draws].mean(1), (0.025, 0.975))
        return float(high - low) / 2

    def plain(self) -> dict[str, dict[str, float]]:
        return {name: {"mean": round(self.mean(name), 4), "±": round(self.interval(name), 4)} for name in self.values}


def row_of(waves: list[Tensor], metas: list[dict], classifier: Classifier) -> Row:
    return Row([hear(w, m, classifier) for w, m in zip(waves, metas, strict=True)], metas, classifier)


def chance(waves: list[Tensor], metas: list[dict], classifier: Classifier) -> Row:
    """Each clip held against another one's task; chords against themselves moved by 1 and 6 semitones."""
    others = metas[len(metas) // 3 :] + metas[: len(metas) // 3]
    heard = [hear(w, m, classifier) for w, m in zip(waves, metas, strict=True)]
    row = Row(heard, others, classifier)
    moved = [[chord_share(h.chromagram, m, t) for t in (1, 6)] for h, m in zip(heard, metas, strict=True)]
    row.values["chord"] = np.mean(moved, 1)
    return row


def print_table(rows: dict[str, Row], columns: tuple[str, ...]) -> None:
    width = max(map(len, rows))
    print(" " * width, *(f"{name:>13}" for name in columns))
    for name, row in rows.items():
        cells = (f"{row.mean(column):8.3f}±{row.interval(column):.3f}" for column in columns)
        print(f"{name:<{width}}", *(f"{cell:>13}" for cell in cells))


def bands(row: Row, real: Row) -> dict[str, dict[str, float]]:
    """By measure: the real clips' 5-95 % band, the row's middle clip, and its share of clips inside."""
    result = {}
    for name in BANDED:
        low, high = np.quantile(real.values[name], (0.05, 0.95))
        values = row.values[name]
        inside = ((values >= low) & (values <= high)).mean()
        result[name] = {"low": low, "high": high, "middle": float(np.median(values)), "inside": float(inside)}
    return result


# ---- commands


def score(args: argparse.Namespace) -> int:
    tasks = json.loads(args.tasks.read_text())
    metas = [compose(task["seed"])[1] for task in tasks]
    generated = read_waves(args.wavs)
    if len(generated) != len(tasks):
        raise ValueError(f"{args.wavs} holds {len(generated)} WAV files for {len(tasks)} tasks")
    classifier, failures, extra = load_classifier(), [], {}
    rows = {
        "generated": row_of(generated, metas, classifier),
        "generated, chance": chance(generated, metas, classifier),
    }
    real: list[Tensor] = []
    if not args.generated_only:
        try:
            real = real_excerpts(metas, args.soundfont)
        except (ImportError, OSError) as error:
            failures.append(f"no real music to compare with ({error})")
    if real:
        rows["real"], rows["real, chance"] = row_of(real, metas, classifier), chance(real, metas, classifier)
        _, graphs = checkpoint.load(args.checkpoint)
        with torch.no_grad():
            mels = [graphs["dcae_decoder"](graphs["dcae_encoder"](log_mel(w)[None]))[0] for w in real]
            for name, net in (("real + codec", None), ("real + codec + vocoder", graphs["vocoder"])):
                rows[name] = row_of([synthesise(net, mel) for mel in mels], metas, classifier)
    print_table(rows, ASKED)
    print()
    print_table(rows, SOUND)
    ours = rows["generated"]
    for name in ("silent", "clipped"):
        if ours.mean(name) > 0:
            failures.append(f"{ours.mean(name):.3f} of the clips are {name}")
    if real:
        references = metas_from(FIRST_REFERENCE_SEED, len(metas))
        reference = row_of(real_excerpts(references, args.soundfont), references, classifier).embeddings
        mixed = row_of([shuffled(w, i) for i, w in enumerate(real)], metas, classifier).embeddings
        distances = {name: frechet(reference, row.embeddings) for name, row in rows.items() if "chance" not in name}
        distances["real, shuffled in time"] = frechet(reference, mixed)
        floor = distances["real"]
        print("\nFréchet distance from other real clips; times that of real ones")
        for name, distance in distances.items():
            print(f"{name:<24} {distance:8.3f} {distance / floor:6.2f}")
        inside = bands(ours, rows["real"])
        print("\nreal 5-95 % band, middle generated clip, share of generated clips inside")
        for name, band in inside.items():
            print(f"{name:<10} {band['low']:8.3f} … {band['high']:8.3f} {band['middle']:8.3f} {band['inside']:6.2f}")
            if not band["low"] <= band["middle"] <= band["high"]:
                failures.append(f"{name} {band['middle']:.3f}, wanted {band['low']:.3f} to {band['high']:.3f}")
        for name, (share, other) in SHARE_GATES.items():
            wanted = share * rows[other].mean(name)
            if ours.mean(name) < wanted:
                failures.append(f"{name} {ours.mean(name):.3f}, wanted {wanted:.3f}, {share} of {other}")
        if len(metas) < FRECHET_CLIPS:
            failures.append(f"Fréchet distances need {FRECHET_CLIPS} clips")
        elif distances["generated"] > FRECHET_GATE * floor:
            failures.append(
                f"Fréchet distance {distances['generated'] / floor:.2f} of the floor, wanted {FRECHET_GATE}"
            )
        if len(metas) >= FRECHET_CLIPS and distances["real, shuffled in time"] < SHUFFLED_GATE * floor:
            failures.append("the Fréchet distance does not see time: shuffled clips are as near as real ones")
        extra = {"frechet": distances, "bands": inside}
    return conclude(args, f"{len(generated)} clips", {k: row.plain() for k, row in rows.items()} | extra, failures)


def conclude(args: argparse.Namespace, subject: str, results: dict, failures: list[str]) -> int:
    print(f"\n{subject}; " + ("all gates passed" if not failures else "FAILED: " + "; ".join(failures)))
    if args.json:
        args.json.write_text(
            json.dumps({"subject": subject, "results": results, "failures": failures}, indent=1) + "\n"
        )
    return 1 if failures and args.check else 0


def write_tasks(args: argparse.Namespace) -> int:
    tasks = [task_of(meta) for meta in metas_from(FIRST_TEST_SEED, args.n)]
    args.out.write_text(json.dumps(tasks, indent=1) + "\n")
    return 0


def seam(wave: Tensor, seconds: float) -> tuple[float, float]:
    """At a moment: by how many dB 0.2 s after it differ from 0.2 s before; the strongest rise of the mel within 3 frames."""
    at, n = int(seconds * SAMPLE_RATE), int(0.2 * SAMPLE_RATE)
    before, after = (decibels(x.square().mean()).item() for x in (wave[:, at - n : at], wave[:, at : at + n]))
    span = wave[:, (at // HOP - 12) * HOP : (at // HOP + 12) * HOP]
    mel = log_mel(span).flatten(0, 1)
    rises = (mel[:, 1:] - mel[:, :-1]).clamp(min=0).mean(0)
    return abs(after - before), rises[9:15].max().item()


def edits(args: argparse.Namespace) -> int:
    """FOLDER of edits holds NNNN.retake.wav, NNNN.repaint.wav (--region of it new) and NNNN.extend.wav (longer at the end)."""
    classifier, failures, results = load_classifier(), [], {}
    sources = read_waves(args.wavs)
    kinds = {kind: read_waves(args.edits, f"*.{kind}.wav") for kind in ("retake", "repaint", "extend")}
    count = len(kinds["retake"])
    metas = [compose(task["seed"])[1] for task in json.loads(args.tasks.read_text())][:count]
    rows = {"source": row_of(sources[:count], metas, classifier)}
    rows |= {kind: row_of(waves, metas, classifier) for kind, waves in kinds.items()}
    print_table(rows, ASKED)
    for kind in kinds:
        for name in SHARE_GATES:
            wanted = EDIT_GATE * rows["source"].mean(name)
            if rows[kind].mean(name) < wanted:
                failures.append(f"{kind}: {name} {rows[kind].mean(name):.3f}, wanted {wanted:.3f}")
    moments = np.linspace(1, SECONDS - 1.5, 16)
    real = real_excerpts(metas, args.soundfont)
    usual = np.array([seam(w, t) for w in real for t in moments if t + 0.5 < w.shape[1] / SAMPLE_RATE])
    limits = np.quantile(usual, 0.95, 0)
    start, end = args.region
    seams = {"repaint": (start, end), "extend": (sources[0].shape[1] / SAMPLE_RATE,)}
    for kind, times in seams.items():
        found = np.array([seam(w, t) for w in kinds[kind] for t in times])
        for i, name in enumerate(("level jump, dB", "onset, nats")):
            beyond = float((found[:, i] > limits[i]).mean())
            print(
                f"{kind} seam, {name}: middle {np.median(found[:, i]):.2f}, real {np.median(usual[:, i]):.2f}, "
                f"{beyond:.2f} beyond the real 95th percentile {limits[i]:.2f}"
            )
            results[f"{kind} {name}"] = beyond
            if beyond > SEAM_GATE:
                failures.append(f"{kind}: {beyond:.2f} of the seams have a {name.split(',')[0]} beyond real music's")
    unchanged = [np.corrcoef(a[0, : int(start * SAMPLE_RATE * 0.95)], b[0, : int(start * SAMPLE_RATE * 0.95)])[0, 1]
                 for a, b in zip(sources, kinds["repaint"], strict=False)]  # fmt: skip
    print(f"repaint: correlation with the source before the region {np.mean(unchanged):.4f}")
    return conclude(args, f"{count} edits a kind", {k: row.plain() for k, row in rows.items()} | results, failures)


@torch.no_grad()
def codec(args: argparse.Namespace) -> int:
    waves = real_excerpts(metas_from(FIRST_TEST_SEED, args.n), args.soundfont)
    _, graphs = checkpoint.load(args.checkpoint)
    rows: dict[str, list[dict[str, float]]] = {
        "true mel": [],
        "codec": [],
        "true mel + vocoder": [],
        "codec + vocoder": [],
    }
    for wave in waves:
        mel = log_mel(wave)
        coded = graphs["dcae_decoder"](graphs["dcae_encoder"](mel[None]))[0]
        for name, source in (("true mel", mel), ("codec", coded)):
            rows[name].append(fidelity(synthesise(None, source), wave))
            rows[f"{name} + vocoder"].append(fidelity(synthesise(graphs["vocoder"], source), wave))
    means = {name: {k: float(np.mean([v[k] for v in values])) for k in values[0]} for name, values in rows.items()}
    for name, row in means.items():
        print(f"{name:<20}", *(f"{k} {v:6.3f} " for k, v in row.items()))
    ours = means["codec + vocoder"]
    failures = [
        f"{name} {ours[name]:.3f}, wanted {relation} {limit}"
        for name, (relation, limit) in CODEC_GATES.items()
        if (ours[name] - limit) * (1 if relation == ">=" else -1) < 0
    ]
    return conclude(args, f"codec and vocoder on {args.n} clips", means, failures)


CROP = 129  # latents: 12 s
CLASSIFIER_STEPS, CLASSIFIER_BATCH, CLASSIFIER_RATE = 1200, 32, 2e-3
NOISE, LEVEL_CHANGE, GROOVE_NOISE = 0.15, 0.3, 0.15  # of a component's deviation; of the mel, nats; of a mean bar


def train_classifier(args: argparse.Namespace) -> int:
    """On crops that start at bar lines, with noise and changes of level."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = load_clips(args.data / "train")
    encoder, _ = load_codec(args.data / CODEC_FILE)
    c = Classifier.COMPONENTS
    std = torch.cat(clips.latents[:400]).float().std(0)[:c]
    louder = (encoder.weight.sum(0)[:c] / std)[:, None]  # what one nat more does to the components
    usable = [i for i, z in enumerate(clips.latents) if len(z) > CROP + 8]
    coarse = {i: groove_bands(load_mel(args.data / "train", clips.metas[i]["seed"])).half() for i in usable}
    targets = [labels(meta) for meta in clips.metas]

    net = Classifier()
    net.projection.copy_(encoder.weight[:, :c] / std)
    net.offset.copy_(encoder.bias[:c] / std)
    adam = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], CLASSIFIER_RATE, weight_decay=0.02)
    for step in range(args.steps):
        adam.param_groups[0]["lr"] = CLASSIFIER_RATE * min(1, (step + 1) / 30) * max(0.02, 1 - step / args.steps)
        chosen = rng.choice(usable, CLASSIFIER_BATCH)
        crops, bars = [], []
        for i in chosen:
            frames = bar_seconds(clips.metas[i]) * FRAME_RATE
            last = int((len(clips.latents[i]) - CROP) * FRAMES_PER_LATENT / frames)
            first = rng.integers(0, last + 1) * frames
            p = round(first / FRAMES_PER_LATENT)
            crops.append(clips.latents[i][p : p + CROP, :c].float())
            span = coarse[i][:, int(first) : int(first) + CROP * FRAMES_PER_LATENT].float()
            bars.append(groove(span, frames, first % 1))
        x = (torch.stack([F.pad(z, (0, 0, 0, CROP - len(z))) for z in crops]) / std).transpose(1, 2)
        x = x + NOISE * torch.randn_like(x) + LEVEL_CHANGE * torch.randn(len(x), 1, 1) * louder
        bar = torch.stack(bars)
        h = net.embed(x, bar + GROOVE_NOISE * torch.randn_like(bar))
        wanted = torch.stack([targets[i][1] for i in chosen])
        loss = F.cross_entropy(net.genre(h), torch.tensor([targets[i][0] for i in chosen]))
        loss = loss + 5 * F.binary_cross_entropy_with_logits(net.instruments(h), wanted)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % 100 == 99:
            print(f"step {step + 1}, loss {loss.item():.3f}", flush=True)
    save_file({name: w.half().contiguous() for name, w in net.state_dict().items()}, args.out)
    return 0


def transposed(meta: dict, key: int = 0, chords: int = 0) -> dict:
    moved = (meta["keyi"] + key) % 12
    return {
        **meta,
        "keyi": moved,
        "key": KEYS[moved],
        "chords": [[(root + chords) % 12, quality, bass] for root, quality, bass in meta["chords"]],
    }


def other_meter(meta: dict) -> dict:
    return {**meta, "meter": "4/4" if meta["meter"] != "4/4" else "3/4"}


def faster(meta: dict) -> dict:
    return {**meta, "bpm": round(meta["bpm"] * 1.12)}


def another(name: str) -> Callable[[dict, dict], dict]:
    return lambda m, o: {**m, name: o[name]}


DRAWS = 4  # noise levels a clip is heard at, evenly spaced: what a mood is worth drowns in the differences between them

# What is changed in the description; the frames keep those conditions that a change leaves alone.
SWAPS: dict[str, Callable[[dict, dict], dict]] = {
    "genre": another("genre"),
    "instruments": another("inst"),
    "mood": another("mood"),
    "tempo, 12 % faster": lambda m, o: faster(m),
    "meter": lambda m, o: other_meter(m),
    "key and chords, 6 semitones": lambda m, o: transposed(m, 6, 6),
    "key, 6 semitones": lambda m, o: transposed(m, key=6),
    "chords, 6 semitones": lambda m, o: transposed(m, chords=6),
    "sections": lambda m, o: {**m, "bar_sections": [1 + (s + 2) % 7 for s in m["bar_sections"]]},
}


@torch.no_grad()
def swap(args: argparse.Namespace) -> int:
    """Velocity loss on held-out music with one condition changed, less the loss with all conditions right."""
    config, graphs = checkpoint.load(args.checkpoint)
    net = Nano(config).eval()
    for name in ("text_encoder", "condition_encoder", "cross_kv", "denoiser"):
        setattr(net, name, graphs[name])
    metas = metas_from(FIRST_TEST_SEED, args.n)
    starts = [excerpt(m)[0] * bar_seconds(m) for m in metas]
    waves = real_excerpts(metas, args.soundfont)
    length = min(CROP, *(w.shape[1] // (FRAMES_PER_LATENT * HOP) for w in waves))
    latents = [graphs["dcae_encoder"](log_mel(w)[None])[0].flatten(0, 1).T[:length] for w in waves]
    generator = torch.Generator().manual_seed(1)
    first = ((torch.arange(args.n) + 0.5) / args.n)[torch.randperm(args.n, generator=generator)]
    noise = [torch.randn(args.n, CHANNELS, ROWS, length, generator=generator) for _ in range(DRAWS)]
    sigma = [(first + i / DRAWS) % 1 for i in range(DRAWS)]

    def loss(described: list[dict]) -> Tensor:
        """Of each clip, the mean over its noise levels."""
        total = []
        for part in range(0, args.n, 16):
            at = slice(part, part + 16)
            rows = [conditions_of(m, t, length, caption(m)) for m, t in zip(described[at], starts[at], strict=True)]
            batch = collate(latents[at], rows)
            condition = net.condition(*batch.conditions())
            errors = []
            for n, s in zip(noise, sigma, strict=True):
                mix = s[at, None, None, None]
                velocity = net((1 - mix) * batch.latents + mix * n[at], s[at], condition)
                errors.append((velocity - (n[at] - batch.latents)).square().mean((1, 2, 3)))
            total.append(torch.stack(errors).mean(0))
        return torch.cat(total)

    right, failures, results = loss(metas), [], {}
    print(
        f"right conditions: {right.mean().item():.4f} on {args.n} clips at {DRAWS} noise levels each;"
        " with one changed, and how many deviations that is"
    )
    for name, change in SWAPS.items():
        others = metas[11:] + metas[:11]
        changed = [change(m, o) for m, o in zip(metas, others, strict=True)]
        touched = [i for i, (m, x) in enumerate(zip(metas, changed, strict=True)) if m != x]
        difference = (loss(changed) - right)[touched]
        error = difference.std().item() / math.sqrt(len(touched))
        results[name] = {"rise": difference.mean().item(), "error": error, "clips": len(touched)}
        print(f"{name:<30} {difference.mean().item():+.5f} ± {error:.5f}  {difference.mean().item() / error:5.1f}")
        if difference.mean().item() < SIGNIFICANT * error:
            failures.append(f"{name} is not used: {difference.mean().item():+.5f} ± {error:.5f}")
    return conclude(args, f"conditions on {args.n} clips", results, failures)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], judges: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name)
        added.set_defaults(run=run)
        if judges:
            font = os.environ.get("SOUNDFONT", "/usr/share/sounds/sf3/default-GM.sf3")
            added.add_argument("--soundfont", default=font)
            added.add_argument("--checkpoint", type=Path, default=Path(__file__).parent / "checkpoint")
            added.add_argument("--json", type=Path)
            added.add_argument("--check", action="store_true", help="exit with 1 when a gate fails")
        return added

    added = command("tasks", write_tasks, False)
    added.add_argument("--n", type=int, default=100)
    added.add_argument("--out", type=Path, required=True)
    added = command("score", score)
    added.add_argument("--wavs", type=Path, required=True)
    added.add_argument("--tasks", type=Path, required=True)
    added.add_argument("--generated-only", action="store_true", help="leave the rows of real music out")
    added = command("edits", edits)
    added.add_argument("--wavs", type=Path, required=True)
    added.add_argument("--edits", type=Path, required=True)
    added.add_argument("--tasks", type=Path, required=True)
    added.add_argument("--region", type=float, nargs=2, default=(4.0, 8.0), help="seconds")
    command("codec", codec).add_argument("--n", type=int, default=24)
    command("swap", swap).add_argument("--n", type=int, default=300)
    added = command("classifier", train_classifier, False)
    added.add_argument("--data", type=Path, required=True)
    added.add_argument("--steps", type=int, default=CLASSIFIER_STEPS)
    added.add_argument("--out", type=Path, default=CLASSIFIER)

    args = parser.parse_args()
    torch.set_num_threads(1)
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
