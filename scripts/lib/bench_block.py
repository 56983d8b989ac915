"""One block of the real denoiser's width with its keys and values, for scripts/bench/block.ts:

    python scripts/lib/bench_block.py export FOLDER     GRAPH.fp32.onnx and GRAPH.q8.onnx with seeded weights
    python scripts/lib/bench_block.py time FOLDER ROUNDS THREADS LATENTS CONDITION

`export` prints {"GRAPH.PRECISION": weight files} for the graphs denoiser and cross_kv. `time` runs both in PyTorch and in
onnxruntime on fp32 and int8, in turn, and prints as JSON {backend: {graph: {ms, processorMs, error}}}: medians, and the
error of the output relative to PyTorch's.
"""

import json
import sys
import time
from collections.abc import Callable
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


GRAPHS = ("denoiser", "cross_kv")
PRECISIONS = ("fp32", "q8")


def export(folder: Path) -> None:
    pack = ace_step_v1.make_pack(CONFIGS, "block")
    checkpoint = SeededCheckpoint(pack)
    for name in GRAPHS:
        for precision in PRECISIONS:
            variant = make_variant(pack.graph(name), precision)
            (folder / variant.recipe["file"]).write_bytes(variant.model.SerializeToString())
            convert(variant.recipe, checkpoint, folder)
            print(json.dumps({f"{name}.{precision}": [s["path"] for s in variant.recipe["shards"]]}), flush=True)


def runs_of(name: str, folder: Path, threads: int, sizes: dict[str, int]) -> dict[str, Callable[[], np.ndarray]]:
    """One run of a graph by backend, all on the same inputs; each gives its first output."""
    pack = ace_step_v1.make_pack(CONFIGS, "block")
    graph, checkpoint = pack.graph(name), SeededCheckpoint(pack)
    module = graph.build(torch.float32).eval()
    load(module, lambda key: checkpoint.read(graph.file, key))
    feeds = graph.example({symbol: sizes[symbol] for symbol in graph.symbols}, torch.Generator().manual_seed(1))
    arrays = {key: value.numpy() for key, value in feeds.items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads

    def in_pytorch() -> np.ndarray:
        output = module(**feeds)
        return (output if isinstance(output, torch.Tensor) else output[0]).numpy()

    runs: dict[str, Callable[[], np.ndarray]] = {"pytorch": in_pytorch}
    for precision in ("fp32", "int8"):
        path = folder / f"{name}.{precision}.onnx"
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        runs[precision] = lambda session=session: session.run(None, arrays)[0]
    return runs


def measure(folder: Path, rounds: int, threads: int, latents: int, condition: int) -> None:
    torch.set_num_threads(threads)
    found: dict[str, dict[str, dict[str, float]]] = {}
    with torch.inference_mode():
        for name in GRAPHS:
            runs = runs_of(name, folder, threads, {"T": latents, "N": condition})
            outputs = {backend: run() for backend, run in runs.items()}  # the first run allocates and plans
            times: dict[str, list[tuple[float, float]]] = {backend: [] for backend in runs}
            for _ in range(rounds):
                for backend, run in runs.items():
                    before = time.perf_counter(), time.process_time()
                    run()
                    after = time.perf_counter(), time.process_time()
                    times[backend].append((after[0] - before[0], after[1] - before[1]))
            want = outputs["pytorch"]
            for backend, output in outputs.items():
                ms, processor_ms = (1000 * float(np.median(t)) for t in zip(*times[backend], strict=True))
                error = float(np.sqrt(np.mean((output - want) ** 2) / np.mean(want**2)))
                found.setdefault(backend, {})[name] = {"ms": ms, "processorMs": processor_ms, "error": error}
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(Path(sys.argv[2]))
    else:
        measure(Path(sys.argv[2]), *map(int, sys.argv[3:7]))
