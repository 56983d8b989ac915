"""What is exported: a pack of graphs, each with the module that defines it, example inputs and the checkpoint file it
is loaded from. Families make packs; everything else here works on any pack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .net import load, source_problem, sources_of
from .safetensors import SafeTensors
from .trace import Dim, Traced, trace

Sizes = Mapping[str, int]
EXAMPLE_SIZE = 8  # of each dynamic dimension while tracing; only ranks and fixed sizes of the inputs are used


@dataclass(frozen=True)
class Graph:
    name: str
    file: str
    """Checkpoint file, relative to the checkpoint folder."""
    build: Callable[[torch.dtype], nn.Module]
    """The module whose forward is the graph, computing in float32 or float16; weights on the meta device or not."""
    example: Callable[[Sizes, torch.Generator], dict[str, Tensor]]
    """Inputs at given sizes of the dynamic dimensions, such as the host makes them."""
    dynamic: Mapping[str, Mapping[int, Dim]]
    outputs: tuple[str, ...]
    precisions: tuple[str, ...]
    """Those that make sense, best first: the order in the manifest is the order of preference."""
    keep: tuple[str, ...] = ()
    """Outputs that only other graphs read."""
    narrow: str = "bf16"
    """How the precision bf16 stores this graph's weights: bf16, or f16 where bfloat16 is too coarse."""
    sensitive: tuple[str, ...] = ()
    """Fragments of the names of parameters that 4 bits would spoil: they get 8."""

    def trace(self, dtype: torch.dtype) -> tuple[Traced, nn.Module]:
        module = self.build(dtype).eval()
        example = self.example(dict.fromkeys(self.symbols, EXAMPLE_SIZE), torch.Generator().manual_seed(0))
        return trace(module, example, self.dynamic, self.outputs), module

    @property
    def symbols(self) -> list[str]:
        return list(dict.fromkeys(dim.symbol for axes in self.dynamic.values() for dim in axes.values()))

    def load(self, checkpoint: "Checkpoint", dtype: torch.dtype = torch.float32) -> nn.Module:
        module = self.build(dtype).eval()
        load(module, partial(checkpoint.read, self.file))
        return module


@dataclass(frozen=True)
class Pack:
    """`config` is AceStepConfig of the application; `files` maps names of the manifest to paths in the checkpoint."""

    id: str
    family: str
    title: str
    description: str
    license: str
    repo: str
    revision: str
    config: Mapping[str, Any]
    graphs: tuple[Graph, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Checkpoint file -> fragments of the keys that no graph reads."""
    shared: bool = False
    """Keep one copy of the weights, in float16: the fp32 graphs read the fp16 files, widened by the loader."""

    def graph(self, name: str) -> Graph:
        return next(g for g in self.graphs if g.name == name)


class Checkpoint:
    """A folder of safetensors files, opened on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, SafeTensors] = {}
        self._last: tuple[tuple[str, str], np.ndarray] | None = None

    def file(self, name: str) -> SafeTensors:
        if name not in self._files:
            self._files[name] = SafeTensors(self.folder / name)
        return self._files[name]

    def read(self, file: str, key: str) -> np.ndarray:
        """A tensor as float32. The last one is kept: pieces of a large embedding are asked for one after the other."""
        if self._last is None or self._last[0] != (file, key):
            self._last = ((file, key), self.file(file).array(key))
        return self._last[1]


class CheckpointError(ValueError):
    """The checkpoint does not hold exactly what the graphs need. The message lists every problem, up to a dozen."""


def check(pack: Pack, checkpoint: Checkpoint) -> dict[str, list[str]]:
    """Strict: every declared key exists with a fitting shape, and every other key is one that `unused` names.

    Returns, per file, the keys that are left unread on purpose.
    """
    problems: list[str] = []
    used: dict[str, set[str]] = {}
    for graph in pack.graphs:
        shapes = checkpoint.file(graph.file).shapes
        module = graph.build(torch.float32)
        for name, source in sources_of(module).items():
            used.setdefault(graph.file, set()).update(source.keys)
            problem = source_problem(source, shapes, tuple(module.get_parameter(name).shape))
            if problem:
                problems.append(f"{graph.file}: {problem} (wanted by {graph.name})")
    unread = {}
    for file, keys in used.items():
        rest = sorted(set(checkpoint.file(file).shapes) - keys)
        unread[file] = [k for k in rest if any(fragment in k for fragment in pack.unused.get(file, ()))]
        problems += [f"{file}: unknown key {k}" for k in rest if k not in set(unread[file])]
    if problems:
        more = f"\n  and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise CheckpointError(f"{checkpoint.folder} does not fit {pack.title}:\n  " + "\n  ".join(problems[:12]) + more)
    return unread


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator)


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
