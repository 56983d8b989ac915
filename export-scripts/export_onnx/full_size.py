"""The 3.5B model without its weights: every graph exported at full size with seeded random ones, and run. Nothing is kept.

Proves what no tiny network can: the number of weights, the memory that export and onnxruntime take, and finite outputs
from the shortest to the longest song and condition. `fidelity` runs one step of the quantised denoisers beside float32,
whose weights are in memory a block at a time: 24 blocks in a few gigabytes and minutes.
"""

import math
import resource
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from .convert import convert
from .families.ace_step_v1 import official_pack
from .net import load, sources_of
from .pack import Graph, Pack
from .variants import make_variant

# Weights of each graph in millions, as published (SPEC 1.5): convolutions with their weight norms folded.
WEIGHTS = {
    "text_encoder": 281.9, "condition_encoder": 95.7, "cross_kv": 314.7, "denoiser": 2178.0, "dcae_encoder": 77.7,
    "dcae_decoder": 79.1, "vocoder": 103.0,
}  # fmt: skip

# 240 s are 2583 latents; a condition has 1 speaker, up to 256 prompt tokens, and lyrics. The codec runs in windows.
SIZES: dict[str, list[dict[str, int]]] = {
    "text_encoder": [{"L": 2}, {"L": 256}],
    "condition_encoder": [{"L": 2, "M": 1}, {"L": 256, "M": 3839}],
    "cross_kv": [{"N": 2}, {"N": 4096}],
    "denoiser": [{"T": 16, "N": 2}, {"T": 48, "N": 32}, {"T": 2583, "N": 4096}],
    "dcae_encoder": [{"T": 16}, {"T": 64}],
    "dcae_decoder": [{"T": 16}, {"T": 64}],
    "vocoder": [{"F": 128}, {"F": 512}],
}
MEMORY_LIMIT = 20e9  # bytes

# Least cosine of one step's output with that of float32, same weights.
FIDELITY = {"q8": 0.999, "q4f32": 0.99}
FIDELITY_SIZE = {"T": 48, "N": 32}


class SeededCheckpoint:
    """Stands for a checkpoint folder: every tensor is made when it is read, from a seed that its name gives."""

    def __init__(self, pack: Pack) -> None:
        self.shapes: dict[tuple[str, str], tuple[int, ...]] = {}
        for graph in pack.graphs:
            module = graph.build(torch.float32)
            for name, source in sources_of(module).items():
                for key, shape in key_shapes(source, tuple(module.get_parameter(name).shape)).items():
                    known = self.shapes.get((graph.file, key), shape)
                    self.shapes[graph.file, key] = max(shape, known)
        self._last: tuple[tuple[str, str], np.ndarray] | None = None

    def read(self, file: str, key: str) -> np.ndarray:
        if self._last is None or self._last[0] != (file, key):
            shape = self.shapes[file, key]
            rng = np.random.default_rng(zlib.crc32(f"{file}/{key}".encode()))
            fan = math.prod(shape[1:]) if len(shape) > 1 else 16
            scale = np.float32(min(0.3, fan**-0.5))
            one = (len(shape) == 1 and key.endswith("weight")) or key.endswith("weight_g")
            values = rng.standard_normal(shape, np.float32) * scale + np.float32(one)
            self._last = ((file, key), values)
        return self._last[1]


def key_shapes(source: object, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Shapes of the checkpoint tensors that become a parameter of this shape."""
    keys, how, rows = source.keys, source.how, source.rows  # type: ignore[attr-defined]
    if how == "copy":
        each = (rows[1] if rows else shape[0] // len(keys), *shape[1:])
        return dict.fromkeys(keys, each)
    g, v = keys
    if how == "weight_norm":
        return {g: (shape[0], *[1] * (len(shape) - 1)), v: shape}
    outputs, inputs = shape[0], shape[1]
    stride = UPSAMPLE[inputs]
    return {g: (inputs, 1, 1), v: (inputs, outputs // stride, 2 * stride)}


# Inputs of the vocoder's upsampling layers -> stride; kernels are twice the stride.
UPSAMPLE = {1024: 4, 512: 4, 256: 2, 128: 2, 64: 2, 32: 2, 16: 2}


def millions(graph: Graph, checkpoint: SeededCheckpoint) -> float:
    """Weights that a graph reads. Of a polyphase kernel only what comes from the checkpoint; g of a weight norm is folded."""
    module, total = graph.build(torch.float32), 0
    for name, source in sources_of(module).items():
        upsample = source.how == "weight_norm_upsample"
        shape = checkpoint.shapes[graph.file, source.keys[1]] if upsample else module.get_parameter(name).shape
        total += math.prod(shape)
    return total / 1e6


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Checks:
    """Prints findings as they come and counts those that fail."""

    def __init__(self) -> None:
        self.failed = 0

    def say(self, ok: bool, line: str) -> None:
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {line}", flush=True)

    def close(self) -> int:
        peak = peak_bytes()
        self.say(peak <= MEMORY_LIMIT, f"peak memory {peak / 1e9:.1f} GB, at most {MEMORY_LIMIT / 1e9:.0f}")
        print(f"{self.failed} failed")
        return 1 if self.failed else 0


def structure(graphs: list[str] | None, fidelity: bool) -> int:
    """Weight counts, memory and finite outputs of the named graphs (None: all), or `fidelity` instead; the exit code."""
    if fidelity:
        return measure_fidelity()
    pack = official_pack()
    checkpoint, checks = SeededCheckpoint(pack), Checks()
    for graph in pack.graphs:
        if graphs and graph.name not in graphs:
            continue
        count = millions(graph, checkpoint)
        checks.say(abs(count - WEIGHTS[graph.name]) < 0.051, f"{graph.name}: {count:.2f} M weights, published {WEIGHTS[graph.name]}")
        for size, outputs, seconds in runs(graph, "fp32", SIZES[graph.name], checkpoint):
            finite = all(np.isfinite(o).all() for o in outputs)
            shapes = ", ".join(str(list(o.shape)) for o in outputs)
            where = " ".join(f"{symbol}={n}" for symbol, n in size.items())
            checks.say(finite, f"{graph.name} fp32 {where}: {shapes}, finite, {seconds:.1f} s, peak {peak_bytes() / 1e9:.1f} GB")
    return checks.close()


def measure_fidelity() -> int:
    """One step of all 24 blocks, each quantised graph in onnxruntime against PyTorch in float32; the exit code."""
    pack = official_pack()
    checkpoint, checks, graph = SeededCheckpoint(pack), Checks(), pack.graph("denoiser")
    started = time.time()
    reference = streamed(graph, checkpoint)
    print(f"     denoiser in PyTorch: {time.time() - started:.0f} s, peak {peak_bytes() / 1e9:.1f} GB", flush=True)
    for precision, least in FIDELITY.items():
        for _, (output,), seconds in runs(graph, precision, [FIDELITY_SIZE], checkpoint):
            cosine = cosine_of(output, reference)
            checks.say(cosine >= least, f"denoiser {precision}: cosine {cosine:.5f}, at least {least}; {seconds:.1f} s")
    return checks.close()


def streamed(graph: Graph, checkpoint: SeededCheckpoint) -> np.ndarray:
    """The denoiser's output in float32; a block has its weights only while it runs."""

    def read(key: str) -> np.ndarray:
        return checkpoint.read(graph.file, key)

    def forget(block: nn.Module, *_: object) -> None:
        block.to("meta")

    module = graph.build(torch.float32).eval()
    blocks, module.blocks = module.blocks, nn.ModuleList()
    load(module, read)
    module.blocks = blocks
    for block in blocks:
        block.register_forward_pre_hook(lambda block, _: load(block, read))
        block.register_forward_hook(forget)
    with torch.inference_mode():
        return module(**graph.example(FIDELITY_SIZE, torch.Generator().manual_seed(1))).numpy()


def runs(graph: Graph, precision: str, sizes: list[dict[str, int]], checkpoint: SeededCheckpoint):
    """Exports a graph into a folder that goes away, and runs it: (size, outputs, seconds) for each size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.time()
        variant = make_variant(graph, precision)
        (folder / variant.recipe["file"]).write_bytes(variant.model.SerializeToString())
        convert(variant.recipe, checkpoint, folder)  # type: ignore[arg-type]
        print(f"     {graph.name} {precision}: {variant.memory / 1e9:.2f} GB of weights exported in {time.time() - started:.0f} s, peak {peak_bytes() / 1e9:.1f} GB", flush=True)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.disable_prepacking", "1")  # a second copy of all weights
        session = onnxruntime.InferenceSession(str(folder / variant.recipe["file"]), options, providers=["CPUExecutionProvider"])
        for size in sizes:
            feeds = graph.example(size, torch.Generator().manual_seed(1))
            started = time.time()
            outputs = session.run(None, {key: value.numpy() for key, value in feeds.items()})
            yield size, outputs, time.time() - started


def cosine_of(a: np.ndarray, b: np.ndarray) -> float:
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(x @ y / math.sqrt((x @ x) * (y @ y)))
