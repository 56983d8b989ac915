"""The graphs: shapes, batches, preconditioning, checkpoints."""

from pathlib import Path

import pytest
import torch

import checkpoint
from captions import WORDS
from codec import BANDS, CHANNELS, DIMENSIONS, ROWS, level_directions
from data import collate, no_conditions
from features import FRAMES_PER_LATENT
from model import Config, Nano, rope_tables, swap_pairs, time_features
from planner import frame_controls, plan_song, speaker_of
from sample import level_swing, schedule, without_levels
from vocoder import Vocoder

CONFIG = Config(words=len(WORDS), layers=2, feed_forward=64)


def nano() -> Nano:
    """With an output that is not zero, as it is before training."""
    net = Nano(CONFIG).eval()
    torch.nn.init.normal_(net.denoiser.output.weight, std=0.1)
    net.denoiser.std.uniform_(0.3, 4)
    return net


def row(words: list[int], seed: int, latents: int) -> tuple:
    plan = plan_song("energetic funk", 12, seed)
    return words, speaker_of(plan), *frame_controls(plan, latents)


@torch.no_grad()
def test_a_batch_is_its_graphs_one_by_one() -> None:
    """Padding, masks and stacking change nothing: what is trained is what is exported."""
    net, latents = nano(), 20
    rows = [row([5, 9, 11], 1, latents), row([7], 2, latents), no_conditions(latents)]
    batch = collate([torch.randn(latents, DIMENSIONS) for _ in rows], rows)
    sigma = torch.tensor([0.9, 0.5, 0.1])
    together = net(batch.latents, sigma, net.condition(*batch.conditions()))
    cos, sin = rope_tables(latents, CONFIG.head, CONFIG.rope_theta)
    for i, (words, *controls) in enumerate(rows):
        speaker, phase, chord, section = (torch.from_numpy(c)[None] for c in controls)
        text = net.text_encoder(torch.tensor([words]))
        condition = net.condition_encoder(text, speaker)
        k, v, pooled, frames = net.cross_kv(condition, phase, chord, section)
        n = len(words) + 1
        assert condition.shape == (1, n, 256) and pooled.shape == (1, 256) and frames.shape == (1, latents, 256)
        assert k.shape == (2, 8, 32, n) and v.shape == (2, 8, n, 32)
        features = time_features(sigma[i : i + 1])
        alone = net.denoiser(batch.latents[i : i + 1], sigma[i : i + 1], features, k, v, pooled, frames, cos, sin)
        assert alone.shape == (1, CHANNELS, ROWS, latents)
        assert torch.allclose(alone[0], together[i], atol=1e-4)


@torch.no_grad()
def test_the_mood_reaches_the_pooled_condition() -> None:
    """Untrained it says nothing; then each axis has a voice of its own, and a neutral mood none."""
    net, text = nano(), torch.randn(1, 3, 256)
    speakers = torch.zeros(4, 1, 512)
    speakers[1, 0, 7] = speakers[2, 0, 8] = speakers[3, 0, 9] = 1
    silent = [net.condition_encoder(text, speaker) for speaker in speakers]
    assert all(torch.equal(silent[0], other) for other in silent[1:])
    net.condition_encoder.mood.weight.normal_(std=0.1)
    neutral, *heard = (net.condition_encoder(text, speaker) for speaker in speakers)
    assert torch.equal(neutral, silent[0])
    assert all(torch.equal(other[:, :-1], neutral[:, :-1]) for other in heard)
    assert torch.pdist(torch.stack([neutral[0, -1], *(other[0, -1] for other in heard)])).min() > 0.1


@torch.no_grad()
def test_untrained_network_is_the_best_linear_denoiser() -> None:
    """With a zero residual the loss on Gaussian data is what theory leaves: s^2 / ((1-sigma)^2 s^2 + sigma^2)."""
    net = Nano(CONFIG).eval()
    std = torch.linspace(0.2, 4, DIMENSIONS)
    net.denoiser.std.copy_(std)
    for sigma in (0.05, 0.5, 0.95):
        rows = [no_conditions(400)]
        batch = collate([torch.randn(400, DIMENSIONS) * std], rows)
        noise = torch.randn_like(batch.latents)
        x = (1 - sigma) * batch.latents + sigma * noise
        velocity = net(x, torch.tensor([sigma]), net.condition(*batch.conditions()))
        error = (velocity - (noise - batch.latents)).square().mean().item()
        expected = (std**2 / ((1 - sigma) ** 2 * std**2 + sigma**2)).mean().item()
        assert error == pytest.approx(expected, rel=0.03)


def test_rope_convention() -> None:
    cos, sin = rope_tables(8, 8, 10000)
    assert torch.equal(cos[0], torch.ones(8)) and cos[3, 0] == cos[3, 4]  # half-concatenated
    assert sin[1, 0] < 0 < sin[1, 5]  # minus on even columns, plus on odd ones
    assert torch.equal(rope_tables(4, 8, 10000, first=4)[0], cos[4:])
    assert swap_pairs(torch.arange(4)).tolist() == [1, 0, 3, 2]


def test_schedule_is_the_familys() -> None:
    sigmas = schedule(16, 3.0)
    assert len(sigmas) == 17 and sigmas[0] == 1 and sigmas[-1] == 0
    assert sigmas[15] == pytest.approx(8.9286e-3, rel=1e-3)
    assert (sigmas[1:] < sigmas[:-1]).all()


@torch.no_grad()
def test_vocoder_keeps_shape_and_any_length() -> None:
    net = Vocoder(width=32, layers=1)
    for channels, frames in ((1, 16), (2, 24)):
        mel, lin = torch.randn(channels, 128, frames), torch.randn(channels, 1025, frames)
        re, im = torch.randn(2, channels, 1025, frames)
        assert [x.shape for x in net(mel, lin, re, im)] == [(channels, 1025, frames)] * 2
        assert net.wave(mel, lin, torch.randn(channels, frames * 512)).shape == (channels, frames * 512)


@torch.no_grad()
def test_checkpoint_restores_every_graph(tmp_path: Path) -> None:
    modules = checkpoint.graphs(CONFIG)
    weights = {f"{name}.{key}": w for name, m in modules.items() for key, w in m.state_dict().items()}
    checkpoint.write(tmp_path, vars(CONFIG), weights)
    config, restored = checkpoint.load(tmp_path)
    assert config == CONFIG
    for name, module in modules.items():
        for key, w in module.state_dict().items():
            assert torch.equal(w.half().float(), restored[name].state_dict()[key]), (name, key)


@torch.no_grad()
def test_the_levels_of_a_latents_frames_can_be_left_alone() -> None:
    torch.manual_seed(5)
    decoder = checkpoint.graphs(CONFIG)["dcae_decoder"]
    decoder.weight.normal_()
    decoder.bias.normal_()
    levels = level_directions({"dcae_decoder.weight": decoder.weight, "dcae_decoder.bias": decoder.bias})
    assert torch.allclose(levels @ levels.T, torch.eye(FRAMES_PER_LATENT), atol=1e-5)
    added = torch.randn(1, CHANNELS, ROWS, 7)
    held = without_levels(added, levels)

    def heard(latents: torch.Tensor) -> torch.Tensor:
        """Level of each frame: bands weighted by their mean energy, as the plain projection decodes them."""
        patches = latents.reshape(DIMENSIONS, -1).T @ decoder.weight
        frames = patches.reshape(-1, 2 * BANDS, FRAMES_PER_LATENT)
        return (frames * torch.softmax(decoder.bias.reshape(1, 2 * BANDS, -1), 1)).sum(1)

    assert heard(held).abs().max() < 1e-3 * heard(added).abs().max()
    assert (added - held).square().sum() < 0.1 * added.square().sum()  # 8 of 384 directions
    swing = heard(added) - heard(added.mean(3, keepdim=True))
    calmer = heard(added - 0.1 * level_swing(added, levels)) - heard(added.mean(3, keepdim=True))
    assert torch.allclose(calmer, 0.9 * swing, atol=1e-3 * swing.abs().max().item())
