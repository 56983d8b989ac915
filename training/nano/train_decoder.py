"""Train the refinement of the codec's decoder, and put it into the data folder's codec.

    python train_decoder.py --data DATA --out decoder.pt --steps 1500 [--device cuda] [--threads 2]

Loss: the distance of log-mels, bands below 2 kHz twice; half of the crops carry a little noise in their latents, since
generated ones are not clean. The latents do not change, so denoisers stay valid. It begins with the refinement that the
codec has. The same command again resumes, bit for
bit; SIGTERM saves and leaves.
"""

import argparse
import json
import signal
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from codec import DIMENSIONS, LOW_BANDS, LOW_WEIGHT, PATCH, Refinement, to_patches
from features import BANDS, FRAMES_PER_LATENT
from prepare import CODEC_FILE, load_codec, load_mel, seeds_of

RATE, LAST_RATE, WARM_UP, EMA = 1e-3, 0.02, 40, 0.995
CROP, BATCH = 48, 24  # latents; crops
LATENT_NOISE = 0.1
VALIDATION_CLIPS = 24
WEIGHT = torch.where(torch.arange(PATCH) // FRAMES_PER_LATENT % BANDS < LOW_BANDS, LOW_WEIGHT, 1.0)


def distance(patches: Tensor, target: Tensor) -> Tensor:
    weight = WEIGHT.to(patches)
    return ((patches - target).abs() * weight).mean() / weight.mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=1.0, help="scales the learning rate")
    parser.add_argument("--until", type=int, default=10**9, help="leave after this many steps; the schedule stays")
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))

    encoder, decoder = (module.to(args.device) for module in load_codec(args.data / CODEC_FILE))
    mels = {
        split: [load_mel(args.data / split, seed).half() for seed in seeds_of(args.data / split)[:most]]
        for split, most in (("train", 10**6), ("val", VALIDATION_CLIPS))
    }

    def rows_of(mel: Tensor) -> tuple[Tensor, Tensor]:
        """(256, 8T) log-mel -> latents (T, DIMENSIONS) and patches (T, PATCH)."""
        patches = to_patches(mel.to(args.device).float())
        return patches @ encoder.weight + encoder.bias, patches

    def plain(latents: Tensor) -> Tensor:
        return latents @ decoder.weight + decoder.bias

    torch.manual_seed(0)
    net, average = Refinement().to(args.device), Refinement().to(args.device)
    net.load_state_dict(decoder.refinement.state_dict())
    average.load_state_dict(net.state_dict())
    average.requires_grad_(False).eval()
    adam = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    step, history = 0, []
    if args.out.exists():
        saved = torch.load(args.out, map_location=args.device)
        net.load_state_dict(saved["net"])
        average.load_state_dict(saved["average"])
        adam.load_state_dict(saved["adam"])
        step, history = saved["step"], saved["history"]

    @torch.no_grad()
    def save(losses: list[float]) -> None:
        pairs = [rows_of(mel) for mel in mels["val"]]
        before = np.mean([distance(plain(z), x).item() for z, x in pairs])
        after = np.mean([distance(plain(z) + average(z.T[None])[0], x).item() for z, x in pairs])
        record = {"step": step, "train": np.mean(losses[-100:]), "val": after, "val_plain": before}
        history.append({name: round(float(value), 4) for name, value in record.items()})
        print(json.dumps(history[-1]), flush=True)
        state = {"net": net.state_dict(), "average": average.state_dict(), "adam": adam.state_dict()}
        temporary = args.out.with_suffix(".tmp")
        torch.save({**state, "step": step, "history": history}, temporary)
        temporary.replace(args.out)
        weights = load_file(args.data / CODEC_FILE)
        weights |= {f"dcae_decoder.refinement.{k}": w.cpu().contiguous() for k, w in average.state_dict().items()}
        temporary = args.data / "codec.tmp"
        save_file(weights, temporary)
        temporary.replace(args.data / CODEC_FILE)

    last_save, losses = time.time(), []
    while step < min(args.steps, args.until) and not stop:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        factor = min(1, (step + 1) / WARM_UP) * max(LAST_RATE, 1 - step / args.steps)
        adam.param_groups[0]["lr"] = args.rate * RATE * factor
        latents, targets = [], []
        while len(latents) < BATCH:
            mel = mels["train"][rng.integers(len(mels["train"]))]
            room = mel.shape[1] // FRAMES_PER_LATENT - CROP
            if room < 0:
                continue
            first = int(rng.integers(room + 1)) * FRAMES_PER_LATENT
            z, x = rows_of(mel[:, first : first + CROP * FRAMES_PER_LATENT])
            noise = LATENT_NOISE * (rng.random() < 0.5)
            latents.append(z + noise * torch.randn(CROP, DIMENSIONS).to(z))
            targets.append(x)
        z, x = torch.stack(latents), torch.stack(targets)
        loss = distance(plain(z) + net(z.transpose(1, 2)), x)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        step += 1
        losses.append(loss.item())
        with torch.no_grad():
            decay = min(EMA, (1 + step) / (12 + step))
            for mean, now in zip(average.parameters(), net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        if time.time() - last_save > args.save_minutes * 60:
            save(losses)
            last_save = time.time()
    if losses:
        save(losses)


if __name__ == "__main__":
    main()
