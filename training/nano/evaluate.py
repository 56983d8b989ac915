"""The gates: how well generated clips do what was asked, beside real ones by the same measures.

    python evaluate.py tasks --n 40 --out tasks.json               held-out compositions as text2music tasks
    python evaluate.py score --wavs FOLDER --tasks tasks.json [--json OUT] [--check] [--generated-only]
    python evaluate.py swap --data DATA --checkpoint checkpoint    what each condition is worth, in velocity loss
    python evaluate.py classifier --data DATA                      trains classifier.safetensors, about one CPU-minute

`score` takes the WAVs of a folder in the order of their names, one a task. A task's seed is the seed of its composition,
so the truth is composed again. Real rows render the compositions and need FluidSynth and a sound font, codec rows the
checkpoint folder; where these are absent the rows are left out, and said so. --check exits with 1 if a gate fails.

  genre, genre 3, instruments  a classifier that heard only training clips; share right, right among 3, recall
  tempo        the beat found in the flux of the mel is within 4 % of the asked one, or 1/3, 1/2, 2/3, 3/2, 2, 3 of it
  key 1, key 3 the asked key is first, or among the first three, when scales are laid over the clip's chroma
  chord        share of the chroma of each moment that lies on the notes of the asked chord
  silent, clipped  share of clips with a silent second; with a run of samples at full scale
  level        mean RMS, dB
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import checkpoint
from captions import caption
from codec import PATCH, to_patches
from compose import Synth, bar_seconds, compose
from data import collate, conditions_of, load_clips
from features import FRAMES_PER_LATENT, HOP, LATENT_RATE, SAMPLE_RATE, log_mel
from genres import GENRES, INSTRUMENTS, KEYS, QUALITIES, QUALITY_NAMES, SCALES
from model import Nano
from planner import chord_code, write_chords
from prepare import CODEC_FILE, load_codec, load_mel
from vocoder import synthesise

FIRST_TEST_SEED = 3_000_000
SECONDS = 12.0
CLASSIFIER = Path(__file__).parent / "classifier.safetensors"
GENRE_NAMES = tuple(GENRES)
INSTRUMENT_NAMES = (*sorted(INSTRUMENTS), "drums")

SILENT_RMS, CLIP_LEVEL, CLIP_RUN = 0.003, 0.999, 4
GATES: dict[str, tuple[str, float]] = {
    "genre": (">=", 0.7),
    "tempo": (">=", 0.9),
    "key 3": (">=", 0.85),
    "silent": ("<=", 0.0),
    "clipped": ("<=", 0.0),
}


# ---- tasks and their truths


def excerpt(meta: dict) -> tuple[int, int]:
    """First bar and number of bars of the 12 s in the middle of a composition."""
    bar = bar_seconds(meta)
    bars = math.ceil(SECONDS / bar)
    first = max(0, round((meta["dur"] - SECONDS) / 2 / bar))
    return min(first, len(meta["bar_sections"]) - bars), bars


def asked_chords(meta: dict) -> list[tuple[int, int]]:
    """Chord codes of the excerpt, two a bar."""
    first, bars = excerpt(meta)
    codes = [chord_code(root, quality) for root, quality, _ in meta["chords"]]
    return [(codes[2 * bar], codes[2 * bar + 1]) for bar in range(first, first + bars)]


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


# ---- measures. A wave is (2, N) float32 at 44.1 kHz


class Classifier(nn.Module):
    """Log-mel (B, 256, 8T) of both channels -> genre logits (B, 28) and instrument logits (B, n).

    A frozen projection of its own on the first components of mel patches, whitened, then convolutions that look at about
    four seconds; mean and deviation over the clip are pooled, so texture and movement count, not the form of a song.
    """

    COMPONENTS, WIDTH = 96, 112

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
        self.join = nn.Linear(2 * w, 64)
        self.genre, self.instruments = nn.Linear(64, len(GENRE_NAMES)), nn.Linear(64, len(INSTRUMENT_NAMES))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        whole = mel[:, :, : mel.shape[2] // FRAMES_PER_LATENT * FRAMES_PER_LATENT]
        patches = torch.stack([to_patches(m) for m in whole])
        return self.judge((patches @ self.projection + self.offset).transpose(1, 2))

    def judge(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """The same from whitened components (B, COMPONENTS, T)."""
        h = self.layers(components)
        h = torch.tanh(self.join(torch.cat([h.mean(2), h.std(2)], 1)))
        return self.genre(h), self.instruments(h)


def load_classifier() -> Classifier:
    classifier = Classifier()
    with safe_open(CLASSIFIER, "pt") as file:
        classifier.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    return classifier.eval()


def labels(meta: dict) -> tuple[int, Tensor]:
    present = torch.tensor([float(name in meta["inst"]) for name in INSTRUMENT_NAMES])
    return GENRE_NAMES.index(meta["genre"]), present


@torch.no_grad()
def classified(mels: list[Tensor], metas: list[dict], classifier: Classifier) -> dict[str, float]:
    """mels (256, F) each."""
    genre_hits, top_hits, recalls = [], [], []
    for mel, meta in zip(mels, metas, strict=True):
        genre_logits, instrument_logits = classifier(mel[None])
        genre, present = labels(meta)
        order = genre_logits[0].argsort(descending=True)
        genre_hits.append(order[0].item() == genre)
        top_hits.append(genre in order[:3])
        best = instrument_logits[0].topk(int(present.sum())).indices
        recalls.append(present[best].mean().item())
    return {"genre": np.mean(genre_hits), "genre 3": np.mean(top_hits), "instruments": np.mean(recalls)}


def beat_of(mel: Tensor) -> float:
    """bpm, 50 to 200, whose 1, 2 and 4 beats match the autocorrelation of the mel's rises best. mel (256, F)."""
    rate = SAMPLE_RATE / HOP
    flux = (mel[:, 1:] - mel[:, :-1]).clamp(min=0).mean(0)
    flux = flux - flux.mean()
    n = len(flux)
    correlation = torch.fft.irfft(torch.fft.rfft(flux, 2 * n).abs() ** 2)[:n].numpy()
    candidates = np.arange(50, 200, 0.5)
    scores = sum(np.interp(60 / candidates * rate * beats, np.arange(n), correlation) for beats in (1, 2, 4))
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
        if half_bar >= len(codes):
            break
        root, quality = (codes[half_bar] - 1) % 12, QUALITY_NAMES[(codes[half_bar] - 1) // 12]
        notes = [(root + interval + transpose) % 12 for interval in QUALITIES[quality]]
        on += chromagram[notes, i].sum()
        total += chromagram[:, i].sum()
    return on / (total + 1e-9)


def is_silent(wave: Tensor) -> bool:
    """Whether any whole second is."""
    seconds = wave[:, : wave.shape[1] // SAMPLE_RATE * SAMPLE_RATE].view(len(wave), -1, SAMPLE_RATE)
    return bool((seconds.square().mean((0, 2)).sqrt() < SILENT_RMS).any())


def is_clipped(wave: Tensor) -> bool:
    full = (wave.abs() >= CLIP_LEVEL).float()
    return bool(F.avg_pool1d(full[None], CLIP_RUN, 1).max() > 1 - 1e-6)


def measure(waves: list[Tensor], metas: list[dict], classifier: Classifier) -> dict[str, float]:
    """One row of the table."""
    mels = [log_mel(wave[:, : wave.shape[1] // HOP * HOP]).flatten(0, 1) for wave in waves]
    chromas = [chroma(wave) for wave in waves]
    ranks = [key_rank(c, m) for c, m in zip(chromas, metas, strict=True)]
    row = classified(mels, metas, classifier)
    row["tempo"] = np.mean([tempo_hit(beat_of(mel), m["bpm"]) for mel, m in zip(mels, metas, strict=True)])
    row |= {"key 1": np.mean([r == 0 for r in ranks]), "key 3": np.mean([r < 3 for r in ranks])}
    row["chord"] = np.mean([chord_share(c, m) for c, m in zip(chromas, metas, strict=True)])
    row |= {"silent": np.mean([is_silent(w) for w in waves]), "clipped": np.mean([is_clipped(w) for w in waves])}
    row["level"] = np.mean([20 * math.log10(w.square().mean().sqrt().item() + 1e-9) for w in waves])
    return {name: round(float(value), 3) for name, value in row.items()}


def chance(waves: list[Tensor], metas: list[dict], classifier: Classifier) -> dict[str, float]:
    """The same measures with each clip held against another one's task; chords against themselves moved by 1 and 6."""
    others = metas[len(metas) // 3 :] + metas[: len(metas) // 3]
    row = measure(waves, others, classifier)
    moved = [chord_share(chroma(w), m, t) for w, m in zip(waves, metas, strict=True) for t in (1, 6)]
    return {**row, "chord": round(float(np.mean(moved)), 3)}


# ---- commands


def real_excerpts(metas: list[dict], soundfont: str) -> list[Tensor]:
    synth, waves = Synth(soundfont), []
    for meta in metas:
        events, full = compose(meta["seed"])
        audio = torch.from_numpy(synth.render(events, full).T.copy())
        first = int(excerpt(meta)[0] * bar_seconds(meta) * SAMPLE_RATE)
        length = int(SECONDS * LATENT_RATE) * FRAMES_PER_LATENT * HOP
        waves.append(audio[:, first : first + length])
    return [w[:, : w.shape[1] // (FRAMES_PER_LATENT * HOP) * FRAMES_PER_LATENT * HOP] for w in waves]


def read_waves(folder: Path) -> list[Tensor]:
    waves = []
    for path in sorted(folder.glob("*.wav")):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != SAMPLE_RATE:
            raise ValueError(f"{path} has {rate} Hz; the measures need {SAMPLE_RATE}")
        waves.append(torch.from_numpy(samples.T.copy()))
    return waves


def score(args: argparse.Namespace) -> int:
    tasks = json.loads(args.tasks.read_text())
    metas = [compose(task["seed"])[1] for task in tasks]
    generated = read_waves(args.wavs)
    if len(generated) != len(tasks):
        raise ValueError(f"{args.wavs} holds {len(generated)} WAV files for {len(tasks)} tasks")
    classifier = load_classifier()
    rows = {"generated": measure(generated, metas, classifier)}
    rows["generated, chance"] = chance(generated, metas, classifier)
    try:
        real = [] if args.generated_only else real_excerpts(metas, args.soundfont)
    except (ImportError, OSError) as error:
        print(f"no rows of real music: {error}")
        real = []
    if real:
        rows["real"] = measure(real, metas, classifier)
        rows["real, chance"] = chance(real, metas, classifier)
    if real and (args.checkpoint / "model.safetensors").exists():
        _, graphs = checkpoint.load(args.checkpoint)
        with torch.no_grad():
            mels = [graphs["dcae_decoder"](graphs["dcae_encoder"](log_mel(w)[None]))[0] for w in real]
            for name, net in (("real + codec", None), ("real + codec + vocoder", graphs["vocoder"])):
                rows[name] = measure([synthesise(net, mel) for mel in mels], metas, classifier)
    elif real:
        print(f"no rows of the codec: {args.checkpoint} holds no checkpoint")
    print_table(rows)
    failures = [
        f"{name} {rows['generated'][name]:.3f}, wanted {relation} {limit}"
        for name, (relation, limit) in GATES.items()
        if (rows["generated"][name] - limit) * (1 if relation == ">=" else -1) < 0
    ]
    print(f"{len(generated)} clips; " + ("all gates passed" if not failures else "FAILED: " + "; ".join(failures)))
    if args.json:
        args.json.write_text(json.dumps({"clips": len(generated), "rows": rows, "failures": failures}, indent=2) + "\n")
    return 1 if failures and args.check else 0


def print_table(rows: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(rows.values())))
    width = max(map(len, rows))
    print(" " * width, *(f"{name:>11}" for name in columns))
    for name, row in rows.items():
        print(f"{name:<{width}}", *(f"{row[column]:>11.3f}" for column in columns))


def write_tasks(args: argparse.Namespace) -> int:
    tasks = [task_of(compose(FIRST_TEST_SEED + i)[1]) for i in range(args.n)]
    args.out.write_text(json.dumps(tasks, indent=1) + "\n")
    return 0


CROP = 129  # latents: 12 s
CLASSIFIER_STEPS, CLASSIFIER_BATCH, CLASSIFIER_RATE = 1200, 32, 2e-3
NOISE, LEVEL_CHANGE = 0.15, 0.3  # of a component's deviation; of the mel, nats
HELD_OUT = 150  # clips at the end of the training split that the classifier never hears


def train_classifier(args: argparse.Namespace) -> int:
    """On latents, whose first components it projects on itself, with noise and changes of level."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = load_clips(args.data / "train")
    encoder, _ = load_codec(args.data / CODEC_FILE)
    c = Classifier.COMPONENTS
    std = torch.cat(clips.latents[:400]).float().std(0)[:c]
    louder = (encoder.weight.sum(0)[:c] / std)[:, None]  # what one nat more does to the components
    usable = [i for i in range(len(clips.latents) - HELD_OUT) if len(clips.latents[i]) > CROP]
    targets = [labels(meta) for meta in clips.metas]

    net = Classifier()
    net.projection.copy_(encoder.weight[:, :c] / std)
    net.offset.copy_(encoder.bias[:c] / std)
    adam = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], CLASSIFIER_RATE, weight_decay=0.02)
    for step in range(CLASSIFIER_STEPS):
        adam.param_groups[0]["lr"] = CLASSIFIER_RATE * min(1, (step + 1) / 30) * max(0.02, 1 - step / CLASSIFIER_STEPS)
        chosen = rng.choice(usable, CLASSIFIER_BATCH)
        firsts = [int(rng.integers(0, len(clips.latents[i]) - CROP)) for i in chosen]
        crops = [clips.latents[i][p : p + CROP, :c].float() for i, p in zip(chosen, firsts, strict=True)]
        x = (torch.stack(crops) / std).transpose(1, 2)
        x = x + NOISE * torch.randn_like(x) + LEVEL_CHANGE * torch.randn(len(x), 1, 1) * louder
        genre, instruments = net.judge(x)
        wanted = torch.stack([targets[i][1] for i in chosen])
        loss = F.cross_entropy(genre, torch.tensor([targets[i][0] for i in chosen]))
        loss = loss + 5 * F.binary_cross_entropy_with_logits(instruments, wanted)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % 100 == 99:
            print(f"step {step + 1}, loss {loss.item():.3f}", flush=True)
    save_file({name: w.half().contiguous() for name, w in net.state_dict().items()}, CLASSIFIER)

    val = load_clips(args.data / "val")
    middles = [(load_mel(args.data / "val", m["seed"]), m) for m in val.metas]
    crops = [mel[:, (mel.shape[1] - 1032) // 2 :][:, : CROP * FRAMES_PER_LATENT] for mel, _ in middles]
    print(
        "held-out, true mels:",
        {k: round(float(v), 3) for k, v in classified(crops, val.metas, load_classifier()).items()},
    )
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


@torch.no_grad()
def swap(args: argparse.Namespace) -> int:
    """Velocity loss on held-out clips with one condition changed, less the loss with all conditions right."""
    clips = load_clips(args.data / "val")
    config, graphs = checkpoint.load(args.checkpoint)
    net = Nano(config).eval()
    for name in ("text_encoder", "condition_encoder", "cross_kv", "denoiser"):
        setattr(net, name, graphs[name])
    count = min(args.n, len(clips.latents))
    latents, metas = clips.latents[:count], clips.metas[:count]
    middles = [(len(z) - CROP) // 2 for z in latents]
    crops = [z[p : p + CROP] for z, p in zip(latents, middles, strict=True)]
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(count, 16, 16, CROP, generator=generator)
    sigma = ((torch.arange(count) + 0.5) / count)[torch.randperm(count, generator=generator)]

    def loss(changed: list[dict], texts: list[str]) -> Tensor:
        rows = [
            conditions_of(m, p / LATENT_RATE, CROP, text) for m, p, text in zip(changed, middles, texts, strict=True)
        ]
        batch = collate(crops, rows)
        mix = sigma[:, None, None, None]
        velocity = net((1 - mix) * batch.latents + mix * noise, sigma, net.condition(*batch.conditions()))
        return (velocity - (noise - batch.latents)).square().mean((1, 2, 3))

    texts = [caption(m) for m in metas]
    others = metas[11:] + metas[:11]
    changes: dict[str, Callable[[dict, dict], tuple[dict, str]]] = {
        "caption of another clip": lambda m, o: (m, caption(o)),
        "genre word": lambda m, o: (m, caption({**m, "genre": o["genre"]})),
        "instruments": lambda m, o: (m, caption({**m, "inst": o["inst"]})),
        "mood": lambda m, o: (m, caption({**m, "mood": o["mood"]})),
        "tempo, 12 % faster": lambda m, o: (
            {**m, "bpm": m["bpm"] * 1.12},
            caption({**m, "bpm": round(m["bpm"] * 1.12)}),
        ),
        "meter, 3 for 4 and 4 for 3": lambda m, o: (other_meter(m), caption(other_meter(m))),
        "key, 6 semitones": lambda m, o: (transposed(m, key=6), caption(transposed(m, key=6))),
        "chords, 6 semitones": lambda m, o: (transposed(m, chords=6), caption(m)),
        "key and chords, 6 semitones": lambda m, o: (transposed(m, 6, 6), caption(transposed(m, 6, 6))),
        "sections": lambda m, o: ({**m, "bar_sections": [1 + (s + 2) % 7 for s in m["bar_sections"]]}, caption(m)),
    }
    right = loss(metas, texts)
    print(f"right conditions: {right.mean().item():.4f} on {count} clips")
    for name, change in changes.items():
        changed, worded = zip(*(change(m, o) for m, o in zip(metas, others, strict=True)), strict=True)
        difference = loss(list(changed), list(worded)) - right
        error = difference.std().item() / math.sqrt(count)
        print(f"{name:<30} {difference.mean().item():+.4f} ± {error:.4f}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    folder = Path(__file__).parent / "checkpoint"

    command = commands.add_parser("tasks")
    command.add_argument("--n", type=int, default=40)
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=write_tasks)

    command = commands.add_parser("score")
    command.add_argument("--wavs", type=Path, required=True)
    command.add_argument("--tasks", type=Path, required=True)
    command.add_argument("--json", type=Path)
    command.add_argument("--generated-only", action="store_true", help="leave the rows of real music out")
    command.add_argument("--check", action="store_true", help="exit with 1 when a gate fails")
    command.add_argument("--checkpoint", type=Path, default=folder)
    command.add_argument("--soundfont", default=os.environ.get("SOUNDFONT", "/usr/share/sounds/sf3/default-GM.sf3"))
    command.set_defaults(run=score)

    command = commands.add_parser("swap")
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--checkpoint", type=Path, default=folder)
    command.add_argument("--n", type=int, default=48)
    command.set_defaults(run=swap)

    command = commands.add_parser("classifier")
    command.add_argument("--data", type=Path, required=True)
    command.set_defaults(run=train_classifier)

    args = parser.parse_args()
    torch.set_num_threads(1)
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
