"""nano, the embedded model. Its modules live with its training; this file says how they become graphs."""

import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ..pack import Graph, Pack, Sizes, normal
from ..trace import Dim
from .ace_step_v1 import tables

LAYOUT = 'config.json with "model": "nano"'
TRAINING = Path(__file__).resolve().parents[3] / "training" / "nano"
WEIGHTS = "model.safetensors"
SIZES, TOKENIZER, LEVELS = "config.json", "tokenizer.json", "levels.bin"
FILES = {"tokenizer": TOKENIZER, "sizes": SIZES, "levels": LEVELS}  # with them a pack can become a checkpoint again
PRECISIONS = ("fp16", "fp32")
BINS = 1025

# Layers whose products are computed in float16 by the fp16 variant. Everything else (norms, attention, the residual
# stream, embeddings) stays float32, and so does ConvTranspose, which the WebGPU provider gets wrong in float16.
HALF = (nn.Linear, nn.Conv1d, nn.Conv2d)

AXES: dict[str, dict[str, dict[int, Dim]]] = {
    "text_encoder": {"input_ids": {1: Dim("L")}},
    "condition_encoder": {"text": {1: Dim("L")}},
    "cross_kv": {"condition": {1: Dim("N")}, **{f"frame_{x}": {1: Dim("T")} for x in ("phase", "chord", "section")}},
    "denoiser": {
        "latents": {3: Dim("T")}, "k": {3: Dim("N")}, "v": {2: Dim("N")}, "frames": {1: Dim("T")},
        "rope_cos": {0: Dim("T")}, "rope_sin": {0: Dim("T")},
    },
    "dcae_encoder": {"mel": {3: 8 * Dim("T")}},
    "dcae_decoder": {"z": {3: Dim("T")}},
    "vocoder": {name: {0: Dim("C"), 2: Dim("F")} for name in ("mel", "lin", "re", "im")},
}  # fmt: skip
OUTPUTS: dict[str, tuple[str, ...]] = {
    "text_encoder": ("text",),
    "condition_encoder": ("condition",),
    "cross_kv": ("k", "v", "pooled", "frames"),
    "denoiser": ("velocity",),
    "dcae_encoder": ("z",),
    "dcae_decoder": ("mel",),
    "vocoder": ("out_re", "out_im"),
}


def recognises(folder: Path) -> bool:
    path = folder / SIZES
    return path.exists() and json.loads(path.read_text()).get("model") == "nano"


def pack(folder: Path) -> Pack:
    stored = json.loads((folder / SIZES).read_text())
    return Pack(
        id="nano",
        family="ace-step-v1",
        title="Cadenza nano",
        description="Small instrumental model that comes with the application. Trained on music that it composes itself.",
        license="Apache-2.0",
        repo="training/nano",
        revision=hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:12],
        config=_config(stored),
        files=FILES,
        shared=True,
        graphs=graphs(stored),
    )


def graphs(stored: dict[str, Any]) -> tuple[Graph, ...]:
    """The graphs of a checkpoint with these sizes."""
    training = _import("checkpoint")
    config = training.model.Config(**{name: stored[name] for name in training.model.Config.__dataclass_fields__})
    examples = _examples(stored)
    return tuple(
        Graph(
            name=name, file=WEIGHTS, build=partial(_build, partial(training.graphs, config), name),
            example=examples[name], dynamic=AXES[name], outputs=OUTPUTS[name], precisions=PRECISIONS,
            keep=OUTPUTS[name] if name == "cross_kv" else (),
        )
        for name in AXES
    )  # fmt: skip


def _import(name: str) -> ModuleType:
    """A module of training/nano, whose files import one another by their bare names."""
    sys.path.insert(0, str(TRAINING))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(TRAINING))


def _build(graphs: Callable[[], dict[str, nn.Module]], name: str, dtype: torch.dtype) -> nn.Module:
    with torch.device("meta"):
        module = ByContract(name, graphs()[name])
    if dtype == torch.float16:
        for part in module.modules():
            if isinstance(part, HALF):
                part.half()
                part.register_forward_pre_hook(lambda _, x: tuple(v.half() for v in x))
                part.register_forward_hook(lambda _, x, y: y.float())
    return module


class ByContract(nn.Module):
    """One module of the checkpoint under its graph's name, so that its parameters are called as the checkpoint's keys.

    Takes inputs by the names of the graph set: nano's decoder calls `latents` what all packs call `z`.
    """

    RENAMED = {"dcae_decoder": {"z": "latents"}}

    def __init__(self, name: str, module: nn.Module) -> None:
        super().__init__()
        self.renamed = self.RENAMED.get(name, {})
        self.add_module(name, module)
        self.name = name

    def forward(self, **feeds: Tensor) -> Any:
        return getattr(self, self.name)(**{self.renamed.get(k, k): v for k, v in feeds.items()})


def _config(stored: dict[str, Any]) -> dict[str, Any]:
    """AceStepConfig of the application."""
    sampling = stored["sampling"]
    return {
        "sampleRate": stored["sampleRate"],
        "outputRate": stored["sampleRate"],
        "hop": stored["hop"],
        "framesPerLatent": stored["framesPerLatent"],
        "channels": stored["channels"],
        "rows": stored["rows"],
        "heads": stored["heads"],
        "headDim": stored["width"] // stored["heads"],
        "ropeTheta": stored["rope_theta"],
        "speakerSize": stored["speaker"],
        "shift": sampling["shift"],
        "text": {"tokenizer": "words", "maxTokens": stored["maxWords"]},
        "lyrics": None,
        "planner": True,
        "referenceNoise": False,
        "levelContrast": sampling["levelContrast"],
        "melRange": None,
        "latent": {"shift": 0, "scale": 1},
        "vocoder": "spectrum",
        "normalise": {"lufs": -16, "peak": 0.89},  # a usual level for players; -1 dB of true peak
        "window": {"latents": 128, "overlap": 8},
        "seconds": {"min": 1, "max": 60, "default": 20},
        "sampling": {
            "steps": sampling["steps"],
            "solver": sampling["solver"],
            "omega": 0,
            "guidance": {
                "type": "cfg", "scale": sampling["guidance"], "textScale": 0, "lyricScale": 0,
                "interval": sampling["guidanceInterval"], "decay": sampling["guidanceDecay"], "minScale": sampling["guidanceLeast"],
            },
            "erg": {"tag": False, "lyric": False, "diffusion": False},
            "ossSteps": [],
        },
        "presets": {"Standard": {"steps": 16}, "Draft": {"steps": 8}, "High": {"steps": 32}},
    }  # fmt: skip


def _examples(c: dict[str, Any]) -> dict[str, Callable[[Sizes, torch.Generator], dict[str, Tensor]]]:
    width, layers, heads, rows = c["width"], c["layers"], c["heads"], c["rows"]
    head = width // heads

    def whole(g: torch.Generator, below: int, *shape: int) -> Tensor:
        return torch.randint(below, shape, generator=g)

    def cross_kv(s: Sizes, g: torch.Generator) -> dict[str, Tensor]:
        return {
            "condition": normal(g, 1, s["N"], width),
            "frame_phase": normal(g, 1, s["T"], c["phases"]).clamp(-1, 1),
            "frame_chord": whole(g, 25, 1, s["T"]),
            "frame_section": whole(g, 4, 1, s["T"]),
        }

    def denoiser(s: Sizes, g: torch.Generator) -> dict[str, Tensor]:
        cos, sin = tables.rope(s["T"], head, c["rope_theta"])
        return {
            "latents": normal(g, 1, c["channels"], rows, s["T"]),
            "sigma": torch.tensor([0.5]),
            "time_features": tables.timestep_features([500.0]),
            "k": normal(g, layers, heads, head, s["N"]) * head**-0.5,
            "v": normal(g, layers, heads, s["N"], head),
            "pooled": normal(g, 1, width),
            "frames": normal(g, 1, s["T"], width) * 0.3,
            "rope_cos": cos,
            "rope_sin": sin,
        }

    def speaker(g: torch.Generator) -> Tensor:
        known = torch.tensor([[1.0, 96.0, 4.0, 10.0, 2.0, 0.0, 0.0, 0.6, -0.9, 1.0]])  # tempo, key and mood
        return torch.cat([known, torch.zeros(1, c["speaker"] - known.shape[1])], 1)

    def vocoder(s: Sizes, g: torch.Generator) -> dict[str, Tensor]:
        channels, frames = 1 + s["C"] % 2, s["F"]  # mono and stereo
        spectrum = {name: normal(g, channels, BINS, frames) for name in ("re", "im")}
        return {"mel": normal(g, channels, 128, frames) - 5, "lin": normal(g, channels, BINS, frames) - 2, **spectrum}

    return {
        "text_encoder": lambda s, g: {"input_ids": whole(g, c["words"], 1, min(s["L"], c["maxWords"]))},
        "condition_encoder": lambda s, g: {"text": normal(g, 1, s["L"], width), "speaker": speaker(g)},
        "cross_kv": cross_kv,
        "denoiser": denoiser,
        "dcae_encoder": lambda s, g: {"mel": normal(g, 1, 2, 128, 8 * s["T"]) * 2 - 5},
        "dcae_decoder": lambda s, g: {"z": normal(g, 1, c["channels"], rows, s["T"])},
        "vocoder": vocoder,
    }
