"""Both trainers on toy data: two steps, then resumed to three, alone and as two processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import checkpoint
from codec import DcaeDecoder, DcaeEncoder
from compose import compose
from data import load_clips
from prepare import CODEC_FILE

NANO = Path(__file__).parents[1]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for split in ("train", "val"):
        folder = tmp_path / split
        folder.mkdir()
        seeds = [1, 2]
        for seed in seeds:
            (folder / f"{seed}.json").write_text(json.dumps(compose(seed)[1]))
        latents = torch.randn(2 * 380, 256).half()
        torch.save({"seeds": seeds, "lengths": [380, 380], "latents": latents}, folder / "latents.pt")
        torch.save(
            [
                {"mel": torch.randn(128, 256), "lin": torch.randn(1025, 256), "wave": sound, "target": sound}
                for sound in 0.1 * torch.randn(2, 256 * 512)
            ],
            folder / "vocoder.pt",
        )
    weights = {f"dcae_encoder.{k}": w for k, w in DcaeEncoder().state_dict().items()}
    weights |= {f"dcae_decoder.{k}": w for k, w in DcaeDecoder().state_dict().items()}
    save_file(weights, tmp_path / CODEC_FILE)
    return tmp_path


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=NANO, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_denoiser_resumes_and_becomes_a_checkpoint(toy: Path) -> None:
    out = toy / "denoiser.pt"
    options = ["--data", str(toy), "--out", str(out), "--minutes", "60", "--batch", "1"]
    run("train_denoiser.py", *options, "--steps", "2")
    first = torch.load(out)
    assert first["step"] == 2
    text = run("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "train_denoiser.py", *options, "--steps", "3")
    second = torch.load(out)
    assert "from step 2" in text
    assert second["step"] == 3 and len(second["history"]) == 2 and second["used"] > first["used"]
    assert any(not torch.equal(first["net"][k], second["net"][k]) for k in first["net"])
    assert torch.equal(first["net"]["denoiser.std"], torch.cat(load_clips(toy / "train").latents).float().std(0))

    run("checkpoint.py", "--data", str(toy), "--denoiser", str(out), "--out", str(toy / "checkpoint"))
    config, graphs = checkpoint.load(toy / "checkpoint")
    assert config.layers == 8 and set(graphs) == set(checkpoint.graphs(config))


def test_vocoder_resumes(toy: Path) -> None:
    out = toy / "vocoder.pt"
    options = ["train", "--data", str(toy), "--out", str(out), "--minutes", "60", "--batch", "1"]
    run("train_vocoder.py", *options, "--steps", "1")
    run("train_vocoder.py", *options, "--steps", "2")
    saved = torch.load(out)
    assert saved["step"] == 2 and len(saved["history"]) == 2
