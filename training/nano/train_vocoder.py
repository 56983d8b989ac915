"""Train the vocoder: the correction of a Griffin-Lim spectrum.

    python train_vocoder.py prepare --data DATA --split train --seconds 9     (val: --seconds 6)
    python train_vocoder.py train --data DATA --out vocoder.pt --minutes 30 [--device cuda] [--threads 2]

`prepare` caches the first waves of the codec's mels (0.065 CPU-seconds per second of a channel, both for training); half of the training clips get
a little noise in their latents, since a generated mel is not a clean one. Loss: STFT distances at windows of 512 to 8192
(the long ones keep pitch) and the mel. The same command again resumes; SIGTERM saves and leaves. The rate follows --steps
where it is given, and then a resumed run ends in the same bits as one without a stop; else --minutes, the total.
"""

import argparse
import json
import math
import signal
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from features import FRAMES_PER_LATENT, HOP, LATENT_RATE, SAMPLE_RATE, istft, log_mel, stft
from prepare import CODEC_FILE, load_codec
from vocoder import Vocoder, initial_wave

RATE, LAST_RATE, WARM_UP = 1e-3, 0.03, 50
EMA = 0.995
FRAMES = 128  # a crop: 1.49 s
LATENT_NOISE = 0.1
RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512), (4096, 1024), (8192, 2048))
CHECKED_HZ, REST_WEIGHT = 15000.0, 0.25  # the mel ends at 16 kHz: above, only the level can be right
PITCH_FFT, PITCH_HOP, PITCH_HZ = 8192, 1024, (120.0, 1600.0)  # where single notes can be told apart
PITCH_WEIGHT = 2.5  # of its own loss beside that of the whole spectrum
VALIDATION_CLIPS, VALIDATION_FRAMES = 16, 256


def spectrum_loss(wave: Tensor, target: Tensor, resolutions=RESOLUTIONS) -> Tensor:
    """Spectral convergence plus L1 of log magnitudes, mean over resolutions. wave and target (B, N)."""
    total = torch.zeros((), device=wave.device)
    for fft, hop in resolutions:
        window = torch.hann_window(fft, device=wave.device)
        a, b = (torch.stft(x, fft, hop, fft, window, return_complex=True).abs() for x in (wave, target))
        weight = torch.full((a.shape[1], 1), REST_WEIGHT, device=wave.device)
        weight[: int(CHECKED_HZ * fft / SAMPLE_RATE)] = 1
        log_distance = (weight * (torch.log(a + 1e-3) - torch.log(b + 1e-3)).abs()).mean() / weight.mean()
        total = total + (a - b).norm() / (b.norm() + 1e-6) + log_distance
    return total / len(resolutions)


def pitch_loss(wave: Tensor, target: Tensor) -> Tensor:
    """The same distance in the range of melody and chords alone, which is a tenth of the bins of `spectrum_loss`."""
    low, high = (int(hz * PITCH_FFT / SAMPLE_RATE) for hz in PITCH_HZ)
    window = torch.hann_window(PITCH_FFT, device=wave.device)
    a, b = (
        torch.stft(x, PITCH_FFT, PITCH_HOP, PITCH_FFT, window, return_complex=True)[:, low:high].abs()
        for x in (wave, target)
    )
    log_distance = (torch.log(a + 1e-1) - torch.log(b + 1e-1)).abs().mean()
    return (a - b).norm() / (b.norm() + 1e-6) + log_distance


def read_audio(path: Path) -> Tensor:
    """(2, N) float32 of a .s16 file."""
    return torch.from_numpy(np.fromfile(path, np.int16).reshape(-1, 2).T.astype(np.float32) / 32768)


def cache_of(data: Path, split: str) -> Path:
    return data / split / "vocoder.pt"


@torch.no_grad()
def prepare(data: Path, split: str, seconds: float, limit: int) -> None:
    encoder, decoder = load_codec(data / CODEC_FILE)
    frames = int(seconds * LATENT_RATE) * FRAMES_PER_LATENT
    rng, items = np.random.default_rng(0), []
    for path in sorted((data / split).glob("*.s16"))[:limit]:
        audio = read_audio(path)
        room = audio.shape[1] // HOP - frames
        first = int(rng.integers(0, room)) if split == "train" else room // 2
        first -= first % FRAMES_PER_LATENT
        audio = audio[:, first * HOP : (first + frames) * HOP]
        latents = encoder(log_mel(audio)[None])
        if split == "train" and rng.random() < 0.5:
            latents = latents + LATENT_NOISE * torch.randn_like(latents)
        mel = decoder(latents)[0]
        lin, wave = initial_wave(mel)
        for c in range(2 if split == "train" else 1):
            item = {"mel": mel[c].half(), "lin": lin[c].half(), "wave": wave[c].clone(), "target": audio[c].clone()}
            items.append(item)
    torch.save(items, cache_of(data, split))
    print(f"{split}: {len(items)} channels")


def crops(items: list[dict[str, Tensor]], firsts: list[int], frames: int, device: str) -> list[Tensor]:
    """mel, lin, wave, target of one crop an item, stacked."""
    rows = [
        (
            item["mel"][:, p : p + frames],
            item["lin"][:, p : p + frames],
            item["wave"][p * HOP : (p + frames) * HOP],
            item["target"][p * HOP : (p + frames) * HOP],
        )
        for item, p in zip(items, firsts, strict=True)
    ]
    return [torch.stack(column).float().to(device) for column in zip(*rows, strict=True)]


def refine(net: Vocoder, mel: Tensor, lin: Tensor, wave: Tensor, half: bool) -> Tensor:
    spectrum = stft(wave)
    with torch.autocast(wave.device.type, torch.bfloat16) if half else nullcontext():
        re, im = net(mel, lin, spectrum.real, spectrum.imag)
    return istft(torch.complex(re.float(), im.float()))


def train(args: argparse.Namespace) -> None:
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    torch.manual_seed(0)
    items, held_out = torch.load(cache_of(args.data, "train")), torch.load(cache_of(args.data, "val"))
    held_out = crops(
        held_out[:VALIDATION_CLIPS], [0] * min(VALIDATION_CLIPS, len(held_out)), VALIDATION_FRAMES, args.device
    )
    net = Vocoder().to(args.device)
    if args.init:
        weights = load_file(args.init / "model.safetensors")
        net.load_state_dict({name: weights[f"vocoder.{name}"].float() for name in net.state_dict()})
    average = Vocoder().to(args.device)
    average.load_state_dict(net.state_dict())
    average.requires_grad_(False).eval()
    adam = torch.optim.AdamW(
        [p for p in net.parameters() if p.requires_grad], lr=RATE, betas=(0.8, 0.95), weight_decay=0.01
    )
    step, used, history = 0, 0.0, []
    if args.out.exists():
        saved = torch.load(args.out, map_location=args.device)
        net.load_state_dict(saved["net"])
        average.load_state_dict(saved["average"])
        adam.load_state_dict(saved["adam"])
        step, used, history = saved["step"], saved["used"], saved["history"]

    @torch.no_grad()
    def save(losses: list[float]) -> None:
        mel, lin, wave, target = held_out
        refined = average.wave(mel, lin, wave)
        record = {
            "minutes": used / 60,
            "step": step,
            "train": float(np.mean(losses[-100:])),
            "val": spectrum_loss(refined, target).item(),
            "val_pitch": pitch_loss(refined, target).item(),
            "val_without_network": spectrum_loss(wave, target).item(),
            "val_pitch_without_network": pitch_loss(wave, target).item(),
        }
        history.append({k: round(v, 4) for k, v in record.items()})
        print(json.dumps(history[-1]), flush=True)
        state = {"net": net.state_dict(), "average": average.state_dict(), "adam": adam.state_dict()}
        temporary = args.out.with_suffix(".tmp")
        torch.save({**state, "step": step, "used": used, "history": history}, temporary)
        temporary.replace(args.out)

    print(
        f"{len(items)} channels, {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, from step {step}",
        flush=True,
    )
    begun, last_save, losses = time.time() - used, time.time(), []
    while not stop and step < args.until and (step < args.steps if args.steps else used < args.minutes * 60):
        rng = np.random.default_rng(step)  # a resumed run draws what one without a stop would
        progress = step / args.steps if args.steps else used / (args.minutes * 60)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        adam.param_groups[0]["lr"] = (
            args.rate * RATE * min(1, (step + 1) / WARM_UP) * (LAST_RATE + (1 - LAST_RATE) * cosine)
        )
        chosen = [items[i] for i in rng.integers(0, len(items), args.batch)]
        firsts = [int(rng.integers(0, item["mel"].shape[1] - FRAMES + 1)) for item in chosen]
        mel, lin, wave, target = crops(chosen, firsts, FRAMES, args.device)
        refined = refine(net, mel, lin, wave, not args.float32)
        loss = spectrum_loss(refined, target) + PITCH_WEIGHT * pitch_loss(refined, target)
        loss = loss + 0.3 * (log_mel(refined) - log_mel(target)).abs().mean()
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
        used = time.time() - begun
        if time.time() - last_save > args.save_minutes * 60:
            save(losses)
            last_save = time.time()
    if losses:
        save(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("--split", choices=("train", "val"), required=True)
    preparing.add_argument("--seconds", type=float, required=True)
    preparing.add_argument("--limit", type=int, default=10**6, help="clips")
    training = commands.add_parser("train")
    training.add_argument("--out", type=Path, required=True)
    length = training.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int)
    training.add_argument("--init", type=Path, help="checkpoint folder to begin with; the optimiser starts anew")
    training.add_argument("--rate", type=float, default=1.0, help="scales the learning rate: less than 1 after --init")
    training.add_argument("--batch", type=int, default=8)
    training.add_argument("--device", default="cpu")
    training.add_argument("--save-minutes", type=float, default=5)
    training.add_argument("--until", type=int, default=10**9, help="leave after this many steps; the schedule stays")
    training.add_argument("--float32", action="store_true", help="no bfloat16 autocast")
    for command in (preparing, training):
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.command == "prepare":
        prepare(args.data, args.split, args.seconds, args.limit)
    else:
        train(args)


if __name__ == "__main__":
    main()
