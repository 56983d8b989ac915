"""Exports ACE-Step v1 and nano to ONNX packs for the browser.

  python -m export_onnx export CHECKPOINT OUT [--variants fp32,fp16] [--id ID] [--lyric-vocab FILE] [--no-errors]
      Graphs, weights and manifest.json of a checkpoint folder (official layout of any size, or nano's).
  python -m export_onnx verify OUT CHECKPOINT
      Runs every graph and variant of a pack in onnxruntime against PyTorch; exit 1 beyond tolerance.
  python -m export_onnx recipe OUT [--checkpoint CHECKPOINT] [--variants fp16,q8,q4f16]
      Graphs without weights and the recipes to build them, in every precision; without a checkpoint for the 3.5B model.
  python -m export_onnx convert CHECKPOINT OUT --precision P [--recipes FOLDER]
      Carries recipes out: the same bytes as the application's converter.
  python -m export_onnx seeded OUT [--size small|official] [--seed N]
      A checkpoint of random weights in the official layout (official: 8.3 GB), to try all of this on.
  python -m export_onnx restore PACK CHECKPOINT
      nano's pack back into the checkpoint folder it was exported from, to train on from it.
  python -m export_onnx structure [--graphs denoiser,vocoder] [--fidelity]
      Exports and runs the 3.5B model with seeded random weights, which are not kept: weights, memory, finite outputs.
      Takes some ten minutes, 10 GB of disk and 15 GB of memory.

export takes seconds for small networks. For the 3.5B model it needs the memory of its largest graph in float32
(about 9 GB for the errors; --no-errors needs 2 GB).
"""

import argparse
import sys
from pathlib import Path

from . import commands
from .variants import MIN_QUANTISED, PRECISIONS


def precisions(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PRECISIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown precision {unknown[0]!r}; there are {', '.join(PRECISIONS)}")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="export_onnx", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands_of = parser.add_subparsers(dest="command", required=True)

    p = commands_of.add_parser("export", help="checkpoint folder -> pack")
    p.add_argument("checkpoint", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--variants", type=precisions, help="default: fp32 (official layout), fp16,fp32 (nano)")
    p.add_argument("--id", help="id of the pack in its manifest")
    p.add_argument("--min-quantised", type=int, default=MIN_QUANTISED, help="smallest matrix to quantise, in elements")
    p.add_argument("--lyric-vocab", type=Path, help="vocab.json of the official lyric tokenizer, copied into the pack")
    p.add_argument("--no-errors", dest="errors", action="store_false", help="do not measure the variants' errors")

    p = commands_of.add_parser("verify", help="pack against PyTorch")
    p.add_argument("out", type=Path)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--min-quantised", type=int, default=MIN_QUANTISED, help="as given to export")

    p = commands_of.add_parser("recipe", help="graphs without weights + recipes")
    p.add_argument("out", type=Path)
    p.add_argument("--checkpoint", type=Path, help="take the sizes from this folder; default: the 3.5B model's")
    p.add_argument("--variants", type=precisions, default=list(PRECISIONS))
    p.add_argument("--id")
    p.add_argument("--min-quantised", type=int, default=MIN_QUANTISED)

    p = commands_of.add_parser("convert", help="recipe + checkpoint -> pack")
    p.add_argument("checkpoint", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--precision", choices=list(PRECISIONS), required=True)
    p.add_argument("--recipes", type=Path, help="default: the 3.5B model's, or made for this checkpoint's sizes")
    p.add_argument("--lyric-vocab", type=Path, help="vocab.json of the official lyric tokenizer, copied into the pack")

    p = commands_of.add_parser("seeded", help="checkpoint of random weights in the official layout")
    p.add_argument("out", type=Path)
    p.add_argument("--size", choices=["small", "official"], default="small")
    p.add_argument("--seed", type=int, default=5)

    p = commands_of.add_parser("restore", help="nano's pack -> checkpoint folder")
    p.add_argument("folder", type=Path)
    p.add_argument("out", type=Path)

    p = commands_of.add_parser("structure", help="the 3.5B model with seeded random weights")
    p.add_argument("--graphs", type=lambda text: text.split(","), help="default: all seven")
    p.add_argument("--fidelity", action="store_true", help="instead: one step of q8 and q4f32 against fp32")

    arguments = vars(parser.parse_args())
    try:
        return getattr(commands, arguments.pop("command"))(**arguments)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
