"""nano's export: one copy of the weights, the names of the graph set, the application's configuration."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from export_onnx import commands
from export_onnx.families import nano, open_pack
from export_onnx.pack import Checkpoint, CheckpointError, check

training = nano._import("checkpoint")


def write_checkpoint(folder: Path) -> Path:
    """An untrained nano of small width."""
    torch.manual_seed(3)
    config = {"words": len(training.captions.WORDS), "width": 64, "layers": 2, "heads": 2}
    weights = {}
    for name, module in training.graphs(training.model.Config(**config)).items():
        weights |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    training.write(folder, vars(training.model.Config(**config)), weights)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("nano"))


@pytest.fixture(scope="module")
def pack(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pack")
    assert commands.export(checkpoint, out, None, None, 1, None, False) == 0
    return out


def test_every_variant_verifies(checkpoint: Path, pack: Path) -> None:
    assert commands.verify(pack, checkpoint, 1) == 0


def test_both_precisions_read_one_copy_of_the_weights(pack: Path) -> None:
    manifest = json.loads((pack / "manifest.json").read_text())
    for spec in manifest["graphs"].values():
        fp16, fp32 = spec["variants"]
        assert (fp16["precision"], fp32["precision"]) == ("fp16", "fp32")
        assert [w["sha256"] for w in fp16["weights"]] == [w["sha256"] for w in fp32["weights"]]
        assert all(w["widen"] == "fp16" for w in fp32["weights"]) and not any("widen" in w for w in fp16["weights"])
        assert fp32["needs"]["memoryBytes"] == 2 * fp16["needs"]["memoryBytes"]


def test_a_pack_becomes_the_checkpoint_it_came_from(checkpoint: Path, pack: Path, tmp_path: Path) -> None:
    assert commands.restore(pack, tmp_path) == 0
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in checkpoint.iterdir()}
    assert all((tmp_path / name).read_bytes() == (checkpoint / name).read_bytes() for name in nano.FILES.values())
    before, after = (load_file(folder / nano.WEIGHTS) for folder in (checkpoint, tmp_path))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_the_manifest_names_the_graphs_as_the_contract_does(pack: Path) -> None:
    graphs = json.loads((pack / "manifest.json").read_text())["graphs"]
    latents = ["latents", "sigma", "time_features", "k", "v", "pooled", "frames", "rope_cos", "rope_sin"]
    assert {g: (spec["inputs"], spec["outputs"]) for g, spec in graphs.items()} == {
        "text_encoder": (["input_ids"], ["text"]),
        "condition_encoder": (["text", "speaker"], ["condition"]),
        "cross_kv": (["condition", "frame_phase", "frame_chord", "frame_section"], ["k", "v", "pooled", "frames"]),
        "denoiser": (latents, ["velocity"]),
        "dcae_encoder": (["mel"], ["z"]),
        "dcae_decoder": (["z"], ["mel"]),
        "vocoder": (["mel", "lin", "re", "im"], ["out_re", "out_im"]),
    }
    assert graphs["cross_kv"]["keep"] == ["k", "v", "pooled", "frames"]


def test_the_configuration_says_what_the_checkpoint_says(checkpoint: Path, pack: Path) -> None:
    stored = json.loads((checkpoint / "config.json").read_text())
    config = json.loads((pack / "manifest.json").read_text())["config"]
    assert (config["heads"], config["headDim"], config["ropeTheta"]) == (2, 32, stored["rope_theta"])
    assert config["sampling"]["steps"] == stored["sampling"]["steps"]
    assert config["shift"] == stored["sampling"]["shift"]
    assert config["planner"] is True and config["lyrics"] is None


def test_a_missing_weight_is_named(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint, tmp_path / "changed")
    weights = load_file(folder / nano.WEIGHTS)
    del weights["denoiser.std"]
    save_file(weights, folder / nano.WEIGHTS)
    with pytest.raises(CheckpointError, match="missing denoiser.std"):
        check(open_pack(folder), Checkpoint(folder))
