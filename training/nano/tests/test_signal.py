"""Mel, STFT, noise, codec and the host's vocoder stages."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import codec
from features import BANDS, FFT, HOP, MEL, SAMPLE_RATE, istft, log_mel, stft
from golden import vocoder_stages
from noise import uniforms
from vocoder import linear_magnitude, snap_to_scale


def slaney_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def test_log_mel_is_its_definition() -> None:
    """Against a direct sum over one frame, with filters rebuilt band by band."""
    wave = torch.randn(1, 4096) * 0.1
    frame, start = 3, 3 * HOP - 768
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)
    spectrum = np.fft.rfft(wave[0].numpy()[start : start + FFT].astype(np.float64) * window)
    magnitude = np.sqrt(np.abs(spectrum) ** 2 + 1e-6)
    low, high = slaney_mel(40), slaney_mel(16000)
    hz_grid = np.linspace(0, SAMPLE_RATE / 2, 200_001)
    mel_grid = np.array([slaney_mel(hz) for hz in hz_grid])
    points = np.interp(np.linspace(low, high, BANDS + 2), mel_grid, hz_grid)
    for band in (0, 40, 127):
        a, b, c = points[band : band + 3]
        bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
        weights = np.interp(bins, [a, b, c], [0, 2 / (c - a), 0])
        expected = math.log(max((weights * magnitude).sum(), 1e-5))
        assert log_mel(wave)[0, band, frame].item() == pytest.approx(expected, abs=1e-3)


def test_inverse_stft_returns_the_wave() -> None:
    wave = torch.randn(2, 20 * HOP)
    assert torch.allclose(istft(stft(wave)), wave, atol=1e-4)


def test_noise_is_mulberry32_at_any_index() -> None:
    expected = [0.011704753153, 0.061958257575, 0.976907632779, 0.699028705712, 0.521445268533]
    assert uniforms(7, 5) == pytest.approx(expected, abs=1e-11)
    assert np.array_equal(uniforms(7, 2, first=3), uniforms(7, 5)[3:])


def test_codec_is_exact_on_what_it_was_fitted_to() -> None:
    """Mels of rank 40 survive; latents have unit deviation; the two graphs agree on the layout."""
    basis = torch.randn(40, codec.PATCH)
    patches = torch.randn(400, 40) @ basis
    mel = patches.reshape(400, 256, 8).permute(1, 0, 2).reshape(256, -1)
    weights, explained = codec.fit([mel])
    encoder, decoder = codec.DcaeEncoder(), codec.DcaeDecoder()
    encoder.load_state_dict({k.removeprefix("dcae_encoder."): v for k, v in weights.items() if "encoder" in k})
    decoder.load_state_dict({k.removeprefix("dcae_decoder."): v for k, v in weights.items() if "decoder" in k})
    stereo = mel.unflatten(0, (2, 128))[None]
    latents = encoder(stereo)
    assert latents.shape == (1, codec.CHANNELS, codec.ROWS, 400)
    assert explained[64] == pytest.approx(1)
    assert (decoder(latents) - stereo).abs().max() < 0.02 * mel.abs().max()
    assert latents.flatten(1, 2)[0, :40].square().sum(0).mean().sqrt().item() == pytest.approx(
        codec.DIMENSIONS**0.5, rel=0.05
    )


def test_a_codec_that_grows_keeps_its_components_and_becomes_as_good_as_a_fresh_one() -> None:
    torch.manual_seed(0)
    patches = torch.randn(1500, codec.PATCH) * torch.linspace(2, 0.1, codec.PATCH)
    mel = patches.reshape(1500, 256, 8).permute(1, 0, 2).reshape(256, -1)
    fresh, spread = codec.fit([mel])
    kept = {name: w[:, :200] if name == "dcae_encoder.weight" else w for name, w in fresh.items()}
    kept["dcae_decoder.weight"] = fresh["dcae_decoder.weight"][:200]
    kept["dcae_decoder.refinement.input.weight"] = torch.ones(codec.Refinement.WIDTH, 200, 3)
    grown, explained = codec.fit([mel], kept)
    assert torch.allclose(grown["dcae_encoder.weight"][:, :200], kept["dcae_encoder.weight"])
    assert torch.allclose(grown["dcae_decoder.weight"][:200], kept["dcae_decoder.weight"])
    assert explained[codec.DIMENSIONS] == pytest.approx(spread[codec.DIMENSIONS], abs=1e-4)
    through = [codec.to_patches(mel) @ w["dcae_encoder.weight"] + w["dcae_encoder.bias"] for w in (fresh, grown)]
    decoded = [z @ w["dcae_decoder.weight"] for z, w in zip(through, (fresh, grown), strict=True)]
    assert torch.allclose(*decoded, atol=2e-3)
    added = grown["dcae_decoder.refinement.input.weight"]
    assert added[:, :200].eq(1).all() and added[:, 200:].eq(0).all()


def test_magnitude_reproduces_the_mel() -> None:
    mel = log_mel(torch.randn(1, 16 * HOP) * 0.1)
    magnitude = linear_magnitude(mel)
    assert (magnitude >= 0).all()
    assert (torch.log(MEL @ magnitude) - mel).abs().mean() < 0.05


def test_snapping_moves_only_what_it_should() -> None:
    hz = torch.tensor([30.0, 443.0, 2900.0, 3100.0])
    assert snap_to_scale(hz, 3000).tolist() == pytest.approx([30, 440, 2959.955, 3100], abs=0.01)


def test_golden_stages_are_current() -> None:
    stored = load_file(Path(__file__).parents[1] / "golden" / "vocoder.safetensors")
    stages = vocoder_stages()
    assert stored.keys() == stages.keys()
    for name in ("mel", "magnitude", "lin"):
        assert torch.allclose(stored[name], stages[name], atol=1e-3), name
    for name in ("raw", "first", "wave"):  # peaks may flip where two bins are equal to the last bit
        assert (stored[name] - stages[name]).abs().mean() < 1e-3, name
