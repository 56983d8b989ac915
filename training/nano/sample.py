"""Generate with PyTorch: the reference for the browser's sampler, and the quickest way to hear a checkpoint.

    python sample.py --prompt "lo-fi hip hop, rhodes, rainy" --seconds 24 --out song.wav
    python sample.py --tasks tasks.json --out FOLDER             one WAV a task, FOLDER/000.wav and so on

A 12 s song takes about 2 CPU-seconds with guidance on a 2024 server core. Noise comes from torch, so that the same task
and seed give the same song as in the browser up to rounding.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

import checkpoint
import model
from captions import encode
from codec import CHANNELS, DIMENSIONS, ROWS
from data import no_conditions
from features import LATENT_RATE, SAMPLE_RATE
from planner import Plan, frame_controls, nano_caption, plan_song, speaker_of
from vocoder import synthesise

TASK_FIELDS = ("prompt", "seconds", "seed", "bpm", "key", "meter", "chords")


def schedule(steps: int, shift: float) -> np.ndarray:
    """steps + 1 sigmas from 1 to 0, as the family's scheduler spaces them: its last point is shifted twice."""

    def shifted(sigma: np.ndarray | float) -> np.ndarray | float:
        return shift * sigma / (1 + (shift - 1) * sigma)

    return np.append(shifted(np.linspace(1, shifted(1e-3), steps)), 0)


def without_levels(x: Tensor, levels: Tensor) -> Tensor:
    """(1, CHANNELS, ROWS, T) without what moves the level of a latent's mel frames."""
    flat = x.reshape(DIMENSIONS, -1)
    return (flat - levels.T @ (levels @ flat)).reshape(x.shape)


def level_swing(data: Tensor, levels: Tensor) -> Tensor:
    """How far the levels of (1, CHANNELS, ROWS, T) are from their mean over the song."""
    centred = data - data.mean(3, keepdim=True)
    return centred - without_levels(centred, levels)


class Sampler:
    def __init__(self, folder: Path) -> None:
        self.config, self.graphs = checkpoint.load(folder)
        self.levels = torch.from_numpy(np.fromfile(folder / "levels.bin", "<f4")).view(-1, DIMENSIONS)

    def conditions(self, words: list[int], speaker: np.ndarray, *controls: np.ndarray) -> dict[str, Tensor]:
        run = self.graphs
        text = run["text_encoder"](torch.tensor([words]))
        condition = run["condition_encoder"](text, torch.from_numpy(speaker)[None])
        outputs = run["cross_kv"](condition, *(torch.from_numpy(c)[None] for c in controls))
        return dict(zip(("k", "v", "pooled", "frames"), outputs, strict=True))

    @torch.no_grad()
    def latents(
        self, prompt: str, plan: Plan, count: int, seed: int, steps: int, guidance: float, interval: float
    ) -> Tensor:
        """(1, CHANNELS, ROWS, count) latents. Guidance works in the middle `interval` of the steps and falls as SAMPLING says.

        Ping-pong sampling: to the predicted data, and back with fresh noise. Euler's errors add up from step to step;
        these are forgotten with the noise. Along the levels guidance adds nothing, and the data keeps nearer to its mean.
        """
        wanted = self.conditions(encode(nano_caption(prompt, plan)), speaker_of(plan), *frame_controls(plan, count))
        free = self.conditions(*no_conditions(count))
        cos, sin = model.rope_tables(count, self.config.head, self.config.rope_theta)
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(1, CHANNELS, ROWS, count, generator=generator)
        sigmas = schedule(steps, checkpoint.SAMPLING["shift"])
        guided = range(int(steps * (1 - interval) / 2), int(steps * (0.5 + interval / 2)))
        for i in range(steps):
            sigma = torch.tensor([sigmas[i]], dtype=torch.float32)

            def velocity(conditions: dict[str, Tensor], x: Tensor = x, sigma: Tensor = sigma) -> Tensor:
                features = model.time_features(sigma)
                return self.graphs["denoiser"](x, sigma, features, rope_cos=cos, rope_sin=sin, **conditions)

            v = velocity(wanted)
            if guidance != 1 and i in guided:
                rest = velocity(free)
                passed = (i - guided.start) / max(1, len(guided) - 1) * checkpoint.SAMPLING["guidanceDecay"]
                scale = guidance - (guidance - checkpoint.SAMPLING["guidanceLeast"]) * passed
                v = v + without_levels((scale - 1) * (v - rest), self.levels)
            noise = torch.randn(x.shape, generator=generator)
            data = x - sigmas[i] * v
            data = data - (1 - checkpoint.SAMPLING["levelContrast"]) * level_swing(data, self.levels)
            x = (1 - sigmas[i + 1]) * data + sigmas[i + 1] * noise
        return x

    def song(self, task: dict, steps: int, guidance: float, interval: float) -> Tensor:
        plan = plan_song(**{name: task[name] for name in TASK_FIELDS if name in task})
        count = max(1, round(task["seconds"] * LATENT_RATE))
        latents = self.latents(task["prompt"], plan, count, task["seed"], steps, guidance, interval)
        return synthesise(self.graphs["vocoder"], self.graphs["dcae_decoder"](latents)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path(__file__).parent / "checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", type=Path)
    parser.add_argument("--prompt", default="")
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--seed", type=int, default=0)
    defaults = checkpoint.SAMPLING
    parser.add_argument("--steps", type=int, default=defaults["steps"])
    parser.add_argument("--guidance", type=float, default=defaults["guidance"])
    parser.add_argument(
        "--interval", type=float, default=defaults["guidanceInterval"], help="middle share of the steps"
    )
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sampler = Sampler(args.checkpoint)
    if args.tasks:
        args.out.mkdir(parents=True, exist_ok=True)
        jobs = [(task, args.out / f"{i:03d}.wav") for i, task in enumerate(json.loads(args.tasks.read_text()))]
    else:
        jobs = [({"prompt": args.prompt, "seconds": args.seconds, "seed": args.seed}, args.out)]
    for task, path in jobs:
        wave = sampler.song(task, args.steps, args.guidance, args.interval)
        soundfile.write(path, wave.T.numpy(), SAMPLE_RATE)
        print(path, task["prompt"], flush=True)


if __name__ == "__main__":
    main()
