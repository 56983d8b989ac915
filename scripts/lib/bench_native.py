"""Times the graphs of a pack in native onnxruntime and in PyTorch; scripts/bench.ts starts it and tells it when.

    python bench_native.py MANIFEST.json PLAN.json

PLAN.json: {"threads": 2, "graphs": {NAME: {INPUT: dims}}, "checkpoint": FOLDER or null}, the inputs in the order
of the manifest. Prints a line of JSON with the backends that are there, then, for every line read from stdin, a
line {BACKEND: {GRAPH: {"ms": wall, "processorMs": of all threads}}}: one run each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

Run = Callable[[], object]


def feeds_of(
    dims: dict[str, list[int]], types: dict[str, str]
) -> dict[str, np.ndarray]:
    """Noise; zeros where a graph looks numbers up."""
    random = np.random.RandomState(0)
    return {
        name: np.zeros(shape, np.int64)
        if types[name] == "tensor(int64)"
        else random.randn(*shape).astype(np.float32)
        for name, shape in dims.items()
    }


def fp32_variant(graph: dict) -> dict:
    return next(
        variant for variant in graph["variants"] if variant["precision"] == "fp32"
    )


def widened_model(folder: Path, variant: dict) -> bytes:
    """The fp32 graph with its weights inside. Offsets in the graph count float32 bytes of the half-size file."""
    model = onnx.load(folder / variant["graph"]["path"], load_external_data=False)
    stored = {}
    for weights in variant["weights"]:
        raw = (folder / weights["path"]).read_bytes()
        narrow = {"fp16": np.float16}.get(weights.get("widen"))
        stored[weights["location"]] = (
            np.frombuffer(raw, narrow).astype(np.float32).tobytes() if narrow else raw
        )
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        where = {entry.key: entry.value for entry in tensor.external_data}
        offset, length = int(where.get("offset", 0)), int(where["length"])
        data = stored[where["location"]][offset : offset + length]
        values = np.frombuffer(data, np.float32).reshape(tensor.dims)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model.SerializeToString()


def native_runs(
    manifest: Path, plan: dict
) -> tuple[dict[str, Run], dict[str, dict[str, np.ndarray]]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = plan["threads"]
    graphs = json.loads(manifest.read_text())["graphs"]
    runs, feeds = {}, {}
    for name, dims in plan["graphs"].items():
        model = widened_model(manifest.parent, fp32_variant(graphs[name]))
        session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        feeds[name] = feeds_of(dims, {x.name: x.type for x in session.get_inputs()})
        runs[name] = lambda session=session, given=feeds[name]: session.run(None, given)
    return runs, feeds


def torch_runs(plan: dict, feeds: dict[str, dict[str, np.ndarray]]) -> dict[str, Run]:
    """The modules that the graphs were exported from, in float32. None where there is no checkpoint."""
    if plan["checkpoint"] is None:
        return {}
    import torch

    folder = Path(plan["checkpoint"])
    sys.path.insert(0, str(folder.parent))
    import checkpoint

    torch.set_num_threads(plan["threads"])
    _, modules = checkpoint.load(folder)

    def runner(module: torch.nn.Module, inputs: dict[str, np.ndarray]) -> Run:
        given = [torch.from_numpy(x) for x in inputs.values()]

        def run() -> object:
            with torch.inference_mode():
                return module(*given)

        return run

    return {name: runner(modules[name], inputs) for name, inputs in feeds.items()}


def main(manifest: Path, plan: dict) -> None:
    native, feeds = native_runs(manifest, plan)
    backends = {"onnxruntime": native, "pytorch": torch_runs(plan, feeds)}
    backends = {name: runs for name, runs in backends.items() if runs}
    for runs in backends.values():
        for run in runs.values():
            run()  # the first run allocates and plans
    print(json.dumps(list(backends)), flush=True)
    for _ in sys.stdin:
        times: dict[str, dict[str, dict[str, float]]] = {}
        for backend, runs in backends.items():
            times[backend] = {}
            for name, run in runs.items():
                start, processor = time.perf_counter(), time.process_time()
                run()
                times[backend][name] = {
                    "ms": (time.perf_counter() - start) * 1000,
                    "processorMs": (time.process_time() - processor) * 1000,
                }
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
