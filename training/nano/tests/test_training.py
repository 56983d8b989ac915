"""Both trainers on toy data: two steps, then resumed to three, alone and as two processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import checkpoint
import train_denoiser
from codec import DIMENSIONS, DcaeDecoder, DcaeEncoder
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
            np.save(
                folder / f"{seed}.mel.npy", np.random.default_rng(seed).normal(size=(256, 8 * 60)).astype(np.float16)
            )
        latents = torch.randn(2 * 380, DIMENSIONS).half()
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
    run("train_denoiser.py", *options, "--until", "2")
    first = torch.load(out)
    assert first["step"] == 2
    text = run(
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "train_denoiser.py",
        *options,
        "--until",
        "3",
    )
    second = torch.load(out)
    assert "from step 2" in text
    assert second["step"] == 3 and len(second["history"]) == 2 and second["used"] > first["used"]
    assert any(not torch.equal(first["net"][k], second["net"][k]) for k in first["net"])
    assert torch.equal(first["net"]["denoiser.std"], torch.cat(load_clips(toy / "train").latents).float().std(0))

    run("checkpoint.py", "--codec", str(toy / CODEC_FILE), "--denoiser", str(out), "--out", str(toy / "checkpoint"))
    config, graphs = checkpoint.load(toy / "checkpoint")
    assert config.layers == 8 and set(graphs) == set(checkpoint.graphs(config))

    begun = toy / "begun.pt"  # from that checkpoint, as later training begins from what is embedded
    from_there = ["--out", str(begun), "--init", str(toy / "checkpoint"), "--only", "condition_encoder.mood"]
    run("train_denoiser.py", *options[:2], *from_there, "--steps", "2", "--batch", "2")
    weights, trained = load_file(toy / "checkpoint" / "model.safetensors"), torch.load(begun)["net"]
    moved = {name for name, w in trained.items() if not torch.equal(w, weights[name].float())}
    assert moved - {"denoiser.std"} == {"condition_encoder.mood.weight"}


def same(a: object, b: object) -> bool:
    """Equal to the last bit, through dictionaries and lists."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("script", ["train_denoiser.py", "train_decoder.py", "train_vocoder.py"])
def test_resumed_training_ends_in_the_same_bits(toy: Path, script: str) -> None:
    """Three steps in one run, and one step and two more: weights, averages and optimiser states are equal."""
    ends, codec = [], (toy / CODEC_FILE).read_bytes()
    for name, stops in (("whole", [3]), ("parts", [1, 3])):
        out = toy / f"{name}.pt"
        # train_decoder.py begins with the refinement in it, and puts its own there.
        (toy / CODEC_FILE).write_bytes(codec)
        command = [
            script,
            *(["train"] if "vocoder" in script else []),
            "--data",
            str(toy),
            "--out",
            str(out),
            "--steps",
            "6",
        ]
        command += [] if "decoder" in script else ["--batch", "1"]
        for stop in stops:
            run(*command, "--until", str(stop))
        ends.append(torch.load(out))
    whole, parts = ends
    assert whole["step"] == parts["step"] == 3
    for part in ("net", "average", "adam"):
        assert same(whole[part], parts[part]), part
    assert same(whole.get("muon"), parts.get("muon"))


def test_vocoder_resumes(toy: Path) -> None:
    out = toy / "vocoder.pt"
    options = ["train", "--data", str(toy), "--out", str(out), "--minutes", "60", "--batch", "1"]
    run("train_vocoder.py", *options, "--until", "1")
    run("train_vocoder.py", *options, "--until", "2")
    saved = torch.load(out)
    assert saved["step"] == 2 and len(saved["history"]) == 2


def test_slow_loss_counts_white_error_as_the_plain_loss_and_steady_error_by_its_length() -> None:
    torch.manual_seed(0)
    weights = sum(weight for _, weight in train_denoiser.SLOW)
    white = torch.randn(64, 32, 128)
    assert train_denoiser.slow_loss(white).item() == pytest.approx(weights, rel=0.05)
    steady = torch.ones(1, 1, 128)
    expected = sum(weight * (latents or 128) for latents, weight in train_denoiser.SLOW)
    assert train_denoiser.slow_loss(steady).item() == pytest.approx(expected)


def test_older_weights_begin_a_larger_network() -> None:
    words = "text_encoder.embedding.weight"
    fresh = {
        words: torch.full((3, 2), 7.0),
        "denoiser.input.weight": torch.ones(2, 4),
        "denoiser.output.bias": torch.ones(4),
        "condition_encoder.mood.weight": torch.full((2,), 3.0),
    }
    older = {words: torch.ones(2, 2), "denoiser.input.weight": torch.full((2, 3), 5.0), "denoiser.output.bias": torch.full((3,), 5.0)}  # fmt: skip
    begun = train_denoiser.begin_with(older, fresh)
    assert begun[words].tolist() == [[1, 1], [1, 1], [7, 7]]
    assert begun["denoiser.input.weight"].tolist() == [[5, 5, 5, 0]] * 2
    assert begun["denoiser.output.bias"].tolist() == [5, 5, 5, 0]
    assert begun["condition_encoder.mood.weight"].tolist() == [3, 3]  # a layer that came later


def test_a_share_of_two_trainings() -> None:
    before, after = torch.zeros(2), torch.ones(2)
    assert checkpoint.between(before, after, 0.25).tolist() == [0.25, 0.25]
    assert checkpoint.between(None, after, 0.25) is after
    assert checkpoint.between(torch.zeros(3), after, 0.25) is after  # a table that has grown
