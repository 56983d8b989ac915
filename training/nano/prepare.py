"""Make the data: render compositions, fit the codec, write latents.

    python prepare.py render --data DATA --split train --seeds 0:2600 --audio 260 --part 0/2     (and 1/2: one a core)
    python prepare.py render --data DATA --split val --seeds 1000000:1000120 --audio 120
    python prepare.py render --data DATA --split test --seeds 3000000:3000060 --audio 60
    python prepare.py codec --data DATA                    fits codec.safetensors on 600 training clips
    python prepare.py codec --data DATA --keep OLD         adds components to those of OLD, a codec or a checkpoint
    python prepare.py latents --data DATA                  writes latents.pt of every split

Rendering runs at about 55 times real time a core and takes 13 minutes for 27 hours of music on two. Clips that exist are
kept, so that the same command resumes. The sound font comes from --soundfont or the variable SOUNDFONT.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import codec
from features import FRAMES_PER_LATENT, HOP, log_mel

FITTED_CLIPS = 600
CODEC_FILE = "codec.safetensors"


def seeds_of(folder: Path) -> list[int]:
    return sorted(int(path.name.removesuffix(".mel.npy")) for path in folder.glob("*.mel.npy"))


def load_mel(folder: Path, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.load(folder / f"{seed}.mel.npy").astype(np.float32))


def fit_codec(data: Path, keep: Path | None) -> None:
    folder = data / "train"
    seeds = seeds_of(folder)
    evenly = seeds[:: max(1, len(seeds) // FITTED_CLIPS)]
    weights, explained = codec.fit((load_mel(folder, seed) for seed in evenly), load_file(keep) if keep else None)
    save_file(weights, data / CODEC_FILE)
    print("explained variance", explained)


def load_codec(path: Path) -> tuple[codec.DcaeEncoder, codec.DcaeDecoder]:
    weights = load_file(path)
    pair = codec.DcaeEncoder(), codec.DcaeDecoder()
    for module, prefix in zip(pair, ("dcae_encoder.", "dcae_decoder."), strict=True):
        module.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
        module.requires_grad_(False).eval()
    return pair


@torch.no_grad()
def write_latents(data: Path) -> None:
    encoder, decoder = load_codec(data / CODEC_FILE)
    for split in ("train", "val", "test"):
        folder, latents, errors = data / split, [], []
        seeds = seeds_of(folder)
        if not seeds:
            continue
        for seed in seeds:
            mel = load_mel(folder, seed).unflatten(0, (2, -1))[None]
            z = encoder(mel)
            latents.append(z[0].flatten(0, 1).T.half())
            if split != "train":
                errors.append((decoder(z) - mel).abs().mean().item())
        lengths = [len(z) for z in latents]
        torch.save({"seeds": seeds, "lengths": lengths, "latents": torch.cat(latents)}, folder / "latents.pt")
        held_out = f", held-out mel error {np.mean(errors):.3f} nats" if errors else ""
        print(f"{split}: {len(seeds)} clips, {sum(lengths)} latents{held_out}", flush=True)


def render(
    data: Path, split: str, first: int, last: int, part: int, parts: int, with_audio: int, soundfont: str
) -> None:
    """Composes and renders the seeds first..last-1 of one part; the first `with_audio` of the split keep their audio."""
    from compose import Synth, compose  # only here: the other commands need no FluidSynth

    folder = data / split
    folder.mkdir(parents=True, exist_ok=True)
    synth, seconds, begun = Synth(soundfont), 0.0, time.time()
    for seed in range(first + part, last, parts):
        target = folder / f"{seed}.mel.npy"
        if target.exists():
            continue
        events, meta = compose(seed)
        audio = synth.render(events, meta)
        samples = len(audio) // (FRAMES_PER_LATENT * HOP) * FRAMES_PER_LATENT * HOP
        pcm = (np.clip(audio[:samples], -1, 1) * 32767).astype(np.int16)
        mel = log_mel(torch.from_numpy(pcm.T.astype(np.float32) / 32768)).flatten(0, 1).half().numpy()
        if seed - first < with_audio:
            pcm.tofile(folder / f"{seed}.s16")
        (folder / f"{seed}.json").write_text(json.dumps(meta))
        temporary = folder / f"{seed}.tmp"
        with temporary.open("wb") as file:
            np.save(file, mel)
        temporary.replace(target)
        seconds += samples / 44100
    print(f"{split}: {seconds:.0f} s of music in {time.time() - begun:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("render", "codec", "latents"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "val", "test"))
    parser.add_argument("--keep", type=Path, help="safetensors of the codec that is extended")
    parser.add_argument("--seeds", help="FIRST:LAST, LAST excluded")
    parser.add_argument("--part", default="0/1", help="this process of how many")
    parser.add_argument("--audio", type=int, default=0, help="how many seeds keep their audio")
    parser.add_argument("--soundfont", default=os.environ.get("SOUNDFONT", "/usr/share/sounds/sf3/default-GM.sf3"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.command == "codec":
        fit_codec(args.data, args.keep)
    elif args.command == "latents":
        write_latents(args.data)
    else:
        first, last = map(int, args.seeds.split(":"))
        part, parts = map(int, args.part.split("/"))
        render(args.data, args.split, first, last, part, parts, args.audio, args.soundfont)


if __name__ == "__main__":
    main()
