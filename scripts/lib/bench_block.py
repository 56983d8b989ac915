"""One block of the real denoiser's width, for scripts/bench-block.ts:

    python scripts/lib/bench_block.py export FOLDER     graphs fp32 and q8 with seeded weights, inputs as .npy
    python scripts/lib/bench_block.py time FOLDER ROUNDS THREADS LATENTS CONDITION

`time` runs PyTorch and onnxruntime on fp32.onnx and int8.onnx in turn and prints the median seconds of each as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "export-scripts"))
from export_onnx.convert import convert
from export_onnx.families import ace_step_v1
from export_onnx.full_size import SeededCheckpoint
from export_onnx.net import load
from export_onnx.variants import make_variant

CONFIGS = ace_step_v1.OFFICIAL | {ace_step_v1.TRANSFORMER: ace_step_v1.OFFICIAL[ace_step_v1.TRANSFORMER] | {"num_layers": 1}}


def prepared():
    pack = ace_step_v1.make_pack(CONFIGS, "block")
    return pack.graph("denoiser"), SeededCheckpoint(pack)


def export(folder: Path) -> None:
    graph, checkpoint = prepared()
    for precision in ("fp32", "q8"):
        variant = make_variant(graph, precision)
        (folder / f"{precision}.onnx").write_bytes(variant.model.SerializeToString())
        convert(variant.recipe, checkpoint, folder)
        print(json.dumps({precision: [s["path"] for s in variant.recipe["shards"]]}), flush=True)


def measure(folder: Path, rounds: int, threads: int, latents: int, condition: int) -> None:
    torch.set_num_threads(threads)
    graph, checkpoint = prepared()
    module = graph.build(torch.float32).eval()
    load(module, lambda key: checkpoint.read(graph.file, key))
    feeds = graph.example({"T": latents, "N": condition}, torch.Generator().manual_seed(1))
    arrays = {name: value.numpy() for name, value in feeds.items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    runs = {"pytorch": lambda: module(**feeds).numpy()}
    for name in ("fp32", "int8"):
        session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
        runs[name] = lambda session=session: session.run(None, arrays)[0]
    times: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        outputs = {name: run() for name, run in runs.items()}  # the first run allocates and plans
        for _ in range(rounds):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - started)
    want = outputs["pytorch"]
    errors = {n: float(np.sqrt(np.mean((o - want) ** 2) / np.mean(want**2))) for n, o in outputs.items()}
    print(json.dumps({"seconds": {n: float(np.median(t)) for n, t in times.items()}, "errors": errors}))


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(Path(sys.argv[2]))
    else:
        measure(Path(sys.argv[2]), *map(int, sys.argv[3:7]))
