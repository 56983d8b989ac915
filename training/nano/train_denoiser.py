"""Train the text encoder and the denoiser on latents.

    python train_denoiser.py --data DATA --out denoiser.pt --minutes 100 [--device cuda] [--threads 2]
    torchrun --nproc-per-node 2 train_denoiser.py ...       one process a core or GPU (on CUDA never run)

Rectified flow on crops of 12, 24 and 34.5 s with equal numbers of latents a batch; Muon for the matrices of the layers,
AdamW for the rest; an exponential moving average of the weights is what ships. The same command again resumes; SIGTERM
saves and leaves. The learning rate follows --steps where it is given, and then a resumed run ends in the same bits as one
that was never stopped: each step draws from a generator seeded with its number. Otherwise it follows --minutes, the total
over all runs.
"""

import argparse
import json
import os
import random
import re
import signal
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from captions import WORDS
from codec import grown
from data import DROPS, Batch, held_out_batch, load_clips, training_batch
from model import Config, Nano

LENGTHS = ((129, 0.70), (258, 0.20), (372, 0.10))  # latents a crop and how often
FARTHEST = (
    700  # half of the batches start their RoPE positions somewhere below this, so that a minute of music is familiar
)
WARM_UP, DECAY_FROM, LAST_RATE = 60, 0.55, 0.03  # steps; fraction of the time; fraction of the rate
ADAM_RATE, MUON_RATE, WEIGHT_DECAY = 1e-3, 0.02, 0.01
EMA = 0.999
STREAM = 10**7  # seeds between two streams, more than a run has steps times ranks
# Latents over which the error is averaged for a loss of its own, and that loss's weight; None is the whole crop. One percent
# of the plain loss decides how loud the music is from bar to bar, which key it is in and its mood, so it hardly teaches them.
SLOW = ((8, 0.25), (32, 0.25), (None, 0.1))
VALIDATION_CLIPS, VALIDATION_LENGTH = 32, 129
QUINTIC, QUINTIC_STEPS = (3.4445, -4.7750, 2.0315), 4  # of Muon; it takes five from a looser bound on the norm


class Muon:
    """Momentum whose matrices are orthogonalised before they are applied (Muon, Jordan et al. 2024), batched by shape.

    A fused projection such as qkv is a stack of square matrices: each is orthogonalised by itself. Of several processes
    each does its share of the matrices.
    """

    def __init__(self, parameters: list[Tensor], rate: float, momentum: float = 0.95) -> None:
        self.rate, self.momentum = rate, momentum
        self.parameters = parameters
        self.buffers = [torch.zeros_like(p) for p in parameters]
        self.groups: dict[tuple[int, int], list[int]] = {}
        for i, p in enumerate(parameters):
            self.groups.setdefault(tuple(p.shape), []).append(i)

    @torch.no_grad()
    def step(self, factor: float, rank: int = 0, world: int = 1) -> None:
        for p, buffer in zip(self.parameters, self.buffers, strict=True):
            buffer.mul_(self.momentum).add_(p.grad)
        updates = []
        for (rows, columns), members in self.groups.items():
            stack = torch.stack([self.parameters[i].grad + self.momentum * self.buffers[i] for i in members])
            if rows % columns == 0:
                stack = stack.view(-1, columns, columns)
            update = torch.zeros_like(stack)
            update[rank::world] = orthogonalise(stack[rank::world])
            updates.append(update)
        if world > 1:
            flat = torch.cat([u.flatten() for u in updates])
            dist.all_reduce(flat)
            parts = flat.split([u.numel() for u in updates])
            updates = [part.view_as(u) for part, u in zip(parts, updates, strict=True)]
        for members, update in zip(self.groups.values(), updates, strict=True):
            scale = max(1.0, update.shape[1] / update.shape[2]) ** 0.5
            for i, u in zip(members, update.view(len(members), *self.parameters[members[0]].shape), strict=True):
                self.parameters[i].mul_(1 - self.rate * factor * WEIGHT_DECAY).add_(
                    u, alpha=-self.rate * factor * scale
                )


def orthogonalise(matrices: Tensor) -> Tensor:
    """(B, m, n) -> the nearest matrices with singular values near 1, computed in bfloat16."""
    a, b, c = QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.transpose(1, 2) if tall else matrices).bfloat16()
    # The largest singular value is at most the root of the Gram matrix's norm, a tighter bound than the matrix's own norm.
    gram = x @ x.transpose(1, 2)
    bound = gram.float().norm(dim=(1, 2), keepdim=True) + 1e-14
    x, gram = (x / bound.sqrt()).bfloat16(), (gram / bound).bfloat16()
    for step in range(QUINTIC_STEPS):
        gram = x @ x.transpose(1, 2) if step else gram
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(1, 2) if tall else x).float()


def is_matrix(name: str, parameter: Tensor) -> bool:
    """Whether Muon trains it: the matrices of layers, blocks and the cross-attention's projections."""
    return parameter.ndim == 2 and name.endswith("weight") and bool(re.search(r"\.(layers|blocks|k|v)\.\d", name))


def velocity_error(net: Nano, batch: Batch, sigma: Tensor, noise: Tensor, first: int, half: bool) -> Tensor:
    """Predicted less true velocity, (B, DIMENSIONS, T)."""
    device = batch.latents.device.type
    mix = sigma[:, None, None, None]
    x = (1 - mix) * batch.latents + mix * noise
    with torch.autocast(device, torch.bfloat16) if half else nullcontext():
        velocity = net(x, sigma, net.condition(*batch.conditions()), first)
    return (velocity.float() - (noise - batch.latents)).flatten(1, 2)


def slow_loss(error: Tensor) -> Tensor:
    """Mean squared error of the averages of SLOW, weighted, times the latents of an average: white error counts as much in it
    as in the plain loss, error that keeps its sign more. Both have their least value at the same velocity, the expected one."""
    total = torch.zeros((), device=error.device)
    for latents, weight in SLOW:
        size = latents or error.shape[2]
        total = total + weight * size * F.avg_pool1d(error, size).square().mean()
    return total


def begin_with(weights: dict[str, Tensor], fresh: dict[str, Tensor]) -> dict[str, Tensor]:
    """Older weights in the shapes of `fresh`: words and layers that came later stay fresh, latent dimensions start at 0."""
    begun = {name: grown(weights[name], table.cpu()) if name in weights else table for name, table in fresh.items()}
    words = "text_encoder.embedding.weight"
    begun[words] = torch.cat([weights[words].float(), fresh[words][len(weights[words]) :].cpu()])
    return begun


def average_gradients(parameters: list[Tensor], world: int) -> None:
    for p in parameters:
        if p.grad is None:  # a path that this rank's batch did not take
            p.grad = torch.zeros_like(p)
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    for p, mean in zip(parameters, (flat / world).split([p.numel() for p in parameters]), strict=True):
        p.grad.copy_(mean.view_as(p))


class Validation:
    """Loss on held-out clips with the averaged weights: with the right conditions, without the plan, with another clip's."""

    def __init__(self, folder: Path, device: str) -> None:
        clips = load_clips(folder)
        count = min(VALIDATION_CLIPS, len(clips.latents))
        self.right = held_out_batch(clips, count, VALIDATION_LENGTH).to(device)
        self.no_plan = held_out_batch(clips, count, VALIDATION_LENGTH, chords=False).to(device)
        wrong = [c.roll(7, 0) for c in self.right.conditions()]
        self.swapped = Batch(self.right.latents, *wrong)
        generator = torch.Generator().manual_seed(1)
        self.noise = torch.randn(self.right.latents.shape, generator=generator).to(device)
        self.sigma = ((torch.arange(count) + 0.5) / count)[torch.randperm(count, generator=generator)].to(device)

    @torch.no_grad()
    def measure(self, net: Nano) -> dict[str, float]:
        cases = {"val": self.right, "no_plan": self.no_plan, "swapped": self.swapped}
        errors = {k: velocity_error(net, b, self.sigma, self.noise, 0, False) for k, b in cases.items()}
        losses = {k: e.square().mean() for k, e in errors.items()} | {"val_slow": slow_loss(errors["val"])}
        return {k: round(v.item(), 4) for k, v in losses.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int)
    parser.add_argument("--until", type=int, default=10**9, help="leave after this many steps; the schedule stays")
    parser.add_argument("--init", type=Path, help="checkpoint folder to begin with; the optimiser starts anew")
    parser.add_argument("--rate", type=float, default=1.0, help="scales both learning rates: less than 1 after --init")
    parser.add_argument(
        "--only", default="", help="train the parameters whose names begin so, and hear every condition"
    )
    parser.add_argument(
        "--stream", type=int, default=0, help="another one draws other crops and noise: the mean of two runs beats both"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="crops of 12 s a batch; longer crops are fewer")
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument(
        "--float32", action="store_true", help="no bfloat16 autocast (bfloat16 is 1.7 times as fast on AVX-512 BF16)"
    )
    parser.add_argument(
        "--compile", action="store_true", help="fuse with a C++ compiler: 1.5 times as fast, after 5 to 10 minutes"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))

    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    device = args.device
    if world > 1:
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
        if device == "cuda":
            device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(device)

    torch.manual_seed(0)  # the same weights on every rank
    clips = load_clips(args.data / "train")
    net = Nano(Config(words=len(WORDS))).to(device)
    net.denoiser.std.copy_(torch.cat(clips.latents).float().std(0))
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name.startswith(args.only))
    named = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    if not named:
        parser.error(f"--only must begin the name of a parameter (got {args.only})")
    muon = Muon([p for n, p in named if is_matrix(n, p)], MUON_RATE)
    adam = torch.optim.AdamW(
        [p for n, p in named if not is_matrix(n, p)], lr=ADAM_RATE, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY
    )
    if args.init and not args.out.exists():
        begun = begin_with(load_file(args.init / "model.safetensors"), net.state_dict())
        net.load_state_dict(begun | {"denoiser.std": net.denoiser.std})
    average = Nano(net.config).to(device)
    average.load_state_dict(net.state_dict())
    average.requires_grad_(False).eval()
    step, used, history = 0, 0.0, []

    if args.out.exists():
        saved = torch.load(args.out, map_location=device)
        net.load_state_dict(saved["net"])
        average.load_state_dict(saved["average"])
        adam.load_state_dict(saved["adam"])
        muon.buffers = saved["muon"]
        step, used, history = saved["step"], saved["used"], saved["history"]
    validation = Validation(args.data / "val", device) if rank == 0 else None
    if args.compile:
        net.denoiser.compile(dynamic=False)  # one compilation a length of LENGTHS

    def save(losses: list[float]) -> None:
        if validation is None:
            return
        record = {"minutes": round(used / 60, 1), "step": step, "train": round(float(np.mean(losses[-100:])), 4)}
        history.append({**record, **validation.measure(average)})
        print(json.dumps(history[-1]), flush=True)
        state = {
            "net": net.state_dict(),
            "average": average.state_dict(),
            "adam": adam.state_dict(),
            "muon": muon.buffers,
        }
        temporary = args.out.with_suffix(".tmp")
        torch.save({**state, "step": step, "used": used, "history": history, "config": net.describe()}, temporary)
        temporary.replace(args.out)

    if rank == 0:
        millions = sum(p.numel() for _, p in named) / 1e6
        print(
            f"{len(clips.latents)} clips, {millions:.2f} M parameters, from step {step}, {used / 60:.1f} min",
            flush=True,
        )
    begun, last_save, losses = time.time() - used, time.time(), []
    while step < args.until:
        used = time.time() - begun
        leave = bool(stop) or (step >= args.steps if args.steps else used >= args.minutes * 60)
        if world > 1:  # one clock and one decision for all, else their learning rates and their last steps differ
            clock = torch.tensor([used, float(leave)], device=device)
            dist.all_reduce(clock, dist.ReduceOp.MAX)
            used, leave = clock[0].item(), clock[1].item() > 0
        if leave:
            break
        progress = step / args.steps if args.steps else used / (args.minutes * 60)
        factor = args.rate * min(1, (step + 1) / WARM_UP)
        if progress > DECAY_FROM:
            factor *= max(LAST_RATE, (1 - progress) / (1 - DECAY_FROM))
        adam.param_groups[0]["lr"] = ADAM_RATE * factor

        seed = args.stream * STREAM + step * world + rank  # other crops in each step and on each rank
        rng = random.Random(seed)
        torch.manual_seed(seed)
        length = rng.choices([n for n, _ in LENGTHS], [p for _, p in LENGTHS])[0]
        count = max(1, round(args.batch * LENGTHS[0][0] / length))
        batch = training_batch(clips, count, length, rng, {} if args.only else DROPS).to(device)
        sigma = torch.sigmoid(torch.randn(count) + 0.2).to(device)
        first = rng.randint(0, FARTHEST - length) if rng.random() < 0.5 else 0
        error = velocity_error(net, batch, sigma, torch.randn_like(batch.latents), first, not args.float32)
        loss = error.square().mean()
        net.zero_grad(set_to_none=True)
        (loss + slow_loss(error)).backward()
        if world > 1:
            average_gradients([p for _, p in named], world)
        nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        adam.step()
        muon.step(factor, rank, world)
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
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
