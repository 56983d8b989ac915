"""Write the checkpoint that export-scripts turn into ONNX graphs.

    python checkpoint.py --denoiser denoiser.pt --codec DATA/codec.safetensors --vocoder vocoder.pt --out checkpoint
    python checkpoint.py --base OLDER --denoiser denoiser.pt --out checkpoint        the rest as in an older checkpoint
    python checkpoint.py --base OLDER --denoiser denoiser.pt --share 0.5 --out checkpoint        and the mean of both denoisers

checkpoint/config.json: sizes (the fields of `model.Config`, and "vocoder"), rates and sampling defaults.
checkpoint/model.safetensors: the averaged weights of all graphs in float16, keys GRAPH.PARAMETER of the modules in
`GRAPHS`. checkpoint/tokenizer.json: {"type": "words", "words": [...], ...}. checkpoint/levels.bin: `codec.level_directions`
as little-endian float32.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import captions
import codec
import features
import model
import vocoder

# Guidance in all steps: in the middle half alone it costs three quarters and gives less harmony (key .45 against .525).
# The schedule's shift is in effect once: its second use moves the end points only.
# Ping-pong beats Euler in all measures, and guidance that falls beats a steady one: key and chords are decided early, and
# late it only makes the level waver (README.md). Levels nearer to their mean: less wavering, nothing lost.
SAMPLING = {
    "solver": "pingpong",
    "steps": 16,
    "shift": 2.0,
    "guidance": 3.5,
    "guidanceInterval": 1.0,
    "guidanceDecay": 1.0,
    "guidanceLeast": 1.0,
    "levelContrast": 0.9,
}


def graphs(config: model.Config) -> dict[str, nn.Module]:
    """The seven graphs by name, without weights. Each module's forward is its graph."""
    return {
        "text_encoder": model.TextEncoder(config),
        "condition_encoder": model.ConditionEncoder(config),
        "cross_kv": model.CrossKV(config),
        "denoiser": model.Denoiser(config),
        "dcae_encoder": codec.DcaeEncoder(),
        "dcae_decoder": codec.DcaeDecoder(),
        "vocoder": vocoder.Vocoder(),
    }


def load(folder: Path) -> tuple[model.Config, dict[str, nn.Module]]:
    """The graphs of a checkpoint folder in float32, ready to run."""
    stored = json.loads((folder / "config.json").read_text())
    config = model.Config(**{field.name: stored[field.name] for field in fields(model.Config)})
    modules, weights = graphs(config), load_file(folder / "model.safetensors")
    for name, module in modules.items():
        prefix = name + "."
        module.load_state_dict({k.removeprefix(prefix): w.float() for k, w in weights.items() if k.startswith(prefix)})
        module.eval().requires_grad_(False)
    return config, modules


def config_json(config: dict) -> dict:
    return {
        **config,
        "model": "nano",
        "sampleRate": features.SAMPLE_RATE,
        "hop": features.HOP,
        "framesPerLatent": features.FRAMES_PER_LATENT,
        "channels": codec.CHANNELS,
        "rows": codec.ROWS,
        "speaker": model.SPEAKER,
        "phases": model.PHASES,
        "maxWords": model.MAX_WORDS,
        "sampling": SAMPLING,
    }


def tokenizer_json() -> dict:
    return {
        "type": "words",
        "pattern": r"[a-z#]+|\d+",
        "lowercase": True,
        "unknown": "drop",
        "empty": [model.NULL_WORD],
        "maxTokens": model.MAX_WORDS,
        "words": captions.WORDS,
    }


def write(out: Path, config: dict, weights: dict[str, Tensor]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(config_json(config), indent=2) + "\n")
    (out / "tokenizer.json").write_text(json.dumps(tokenizer_json()) + "\n")
    (out / "levels.bin").write_bytes(codec.level_directions(weights).numpy().astype("<f4").tobytes())
    temporary = out / "model.tmp"  # renamed at the end, so that a reader never meets half a file
    save_file({name: w.half().contiguous() for name, w in weights.items()}, temporary)
    temporary.replace(out / "model.safetensors")
    print(f"{sum(w.numel() for w in weights.values()) / 1e6:.2f} M parameters in {out}")


def between(before: Tensor | None, after: Tensor, share: float) -> Tensor:
    """The mean of two trainings' weights, `share` of the later one (Wortsman et al. 2022, model soups): where the later one
    began with the earlier, the mean can do better on held-out music than either. What is new comes from the later one alone."""
    if before is None or before.shape != after.shape or not after.is_floating_point():
        return after
    return torch.lerp(before.float(), after.float(), share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--denoiser", type=Path, help="of train_denoiser.py")
    parser.add_argument("--codec", type=Path, help="codec.safetensors of a data folder")
    parser.add_argument("--vocoder", type=Path, help="of train_vocoder.py")
    parser.add_argument("--base", type=Path, help="checkpoint folder that gives what is left out here")
    parser.add_argument(
        "--share", type=float, default=1, help="of --denoiser in the mean of its weights with those of --base"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "checkpoint")
    args = parser.parse_args()
    if not 0 <= args.share <= 1 or (args.share < 1 and not args.base):
        parser.error(f"--share must be from 0 to 1, and less than 1 only with --base (got {args.share})")
    if args.base:
        stored = json.loads((args.base / "config.json").read_text())
        stored = {field.name: stored[field.name] for field in fields(model.Config)}
        weights = {name: w.float() for name, w in load_file(args.base / "model.safetensors").items()}
    else:
        if not (args.denoiser and args.codec):
            parser.error("--denoiser and --codec are needed where there is no --base")
        stored, weights = {}, {f"vocoder.{name}": w for name, w in vocoder.Vocoder().state_dict().items()}
    if args.codec:
        weights |= load_file(args.codec)
    if args.vocoder:
        trained = torch.load(args.vocoder, map_location="cpu")["average"]
        weights |= {f"vocoder.{name}": w for name, w in trained.items()}
    if args.denoiser:
        trained = torch.load(args.denoiser, map_location="cpu")
        weights |= {name: between(weights.get(name), w, args.share) for name, w in trained["average"].items()}
        stored = trained["config"]
    write(args.out, stored, weights)


if __name__ == "__main__":
    main()
