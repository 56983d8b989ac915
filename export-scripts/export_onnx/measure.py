"""How far a variant is from PyTorch in float32: the `error` of manifests, and the check behind `verify`.

Two comparisons on the same seeded inputs, at several lengths:

- `runtime`: onnxruntime on the CPU against our module with the weights that the files really hold (4-bit codes expanded,
  bfloat16 widened). It proves graph and bytes.
- `error`: the variant against the module with the checkpoint's weights, relative rms. Where products are float16 the
  variant is run in PyTorch: onnxruntime's CPU provider computes float16 graphs in float32 and hides the difference.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from .convert import decode
from .numbers import from_bf16
from .pack import Checkpoint, Graph, rms
from .variants import PRECISIONS

# Lengths of the dynamic dimensions, neither of them the example's.
LENGTHS = (9, 41)

# Relative rms. runtime: rounding of float32 in another order; float16 graphs are computed in float32 by the runtime, so
# that is compared with the float32 module on the float16 weights and allowed the rounding of activations at the casts.
RUNTIME_TOLERANCE = {torch.float32: 2e-4, torch.float16: 3e-2}
ERROR_TOLERANCE = {"fp32": 2e-4, "fp16": 3e-2, "bf16": 3e-2, "q8": 5e-2, "q4f16": 1.0, "q4f32": 1.0}


@dataclass(frozen=True)
class Measured:
    graph: str
    precision: str
    runtime: float
    error: float
    finite: bool

    @property
    def ok(self) -> bool:
        spec = PRECISIONS[self.precision]
        return (
            self.finite
            and self.runtime <= RUNTIME_TOLERANCE[spec.dtype]
            and self.error <= ERROR_TOLERANCE[self.precision]
        )

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "FAIL"
        return f"{self.graph:18s} {self.precision:6s} runtime {self.runtime:.2e}  error {self.error:.2e}  {verdict}"


def measure(
    graph: Graph, recipe: dict[str, Any], folder: Path, checkpoint: Checkpoint, reference: nn.Module
) -> Measured:
    """`reference` is graph.load(checkpoint): the float32 module."""
    spec = PRECISIONS[recipe["precision"]]
    stored = decode(recipe, folder)
    exact = fill(graph.build(torch.float32).eval(), stored)
    half = fill(graph.build(torch.float16).eval(), stored) if spec.dtype == torch.float16 else None
    runtime, error, finite = 0.0, 0.0, True
    with torch.no_grad(), session(recipe, folder) as run:
        for seed, length in enumerate(LENGTHS):
            sizes = {symbol: length + i for i, symbol in enumerate(graph.symbols)}
            feeds = graph.example(sizes, torch.Generator().manual_seed(seed))
            want, have = outputs(reference, feeds), run(feeds)
            expanded = outputs(exact, feeds)
            for i, (w, h, e) in enumerate(zip(want, have, expanded, strict=True)):
                variant = h if half is None else outputs(half, feeds)[i]
                finite &= bool(np.isfinite(h).all() and np.isfinite(variant).all())
                runtime = max(runtime, relative(h, e))
                error = max(error, relative(variant, w))
    return Measured(graph.name, recipe["precision"], runtime, error, finite)


def relative(x: np.ndarray, reference: np.ndarray) -> float:
    """rms(x - reference) / rms(reference)"""
    return rms(x - reference) / max(rms(reference), 1e-30)


def outputs(module: nn.Module, feeds: dict[str, Tensor]) -> list[np.ndarray]:
    result = module(**feeds)
    return [t.numpy() for t in (result if isinstance(result, tuple) else (result,))]


def fill(module: nn.Module, values: dict[str, np.ndarray]) -> nn.Module:
    """Gives a module the decoded weights of a variant, in the types that it declares."""
    for name, old in list(module.named_parameters()):
        path, _, leaf = name.rpartition(".")
        tensor = torch.from_numpy(np.array(values[name])).to(old.dtype)
        setattr(module.get_submodule(path), leaf, nn.Parameter(tensor, requires_grad=False))
    return module


class session:
    """A native onnxruntime session on the CPU; `with session(recipe, folder) as run: outputs = run(feeds)`.

    Files that the application's loader would widen are widened into a temporary folder first.
    """

    def __init__(self, recipe: dict[str, Any], folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.temporary: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Any:
        path = self.folder / self.recipe["file"]
        if "widen" in self.recipe:
            self.temporary = tempfile.TemporaryDirectory()
            widened = Path(self.temporary.name)
            for shard in self.recipe["shards"]:
                raw = np.fromfile(self.folder / shard["path"], np.uint16)
                wide = from_bf16(raw) if self.recipe["widen"] == "bf16" else raw.view(np.float16).astype(np.float32)
                wide.tofile(widened / shard["path"])
            path = widened / self.recipe["file"]
            path.write_bytes((self.folder / self.recipe["file"]).read_bytes())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        created = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda feeds: created.run(None, {name: value.numpy() for name, value in feeds.items()})

    def __exit__(self, *_: object) -> None:
        if self.temporary:
            self.temporary.cleanup()
