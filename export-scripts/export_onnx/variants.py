"""From a traced graph to a variant: element types, quantisation, where each tensor lies in which file.

A variant is a .onnx file without weights plus a recipe: for every parameter the checkpoint keys, the arithmetic and the
place in the weight files. `convert` carries recipes out; the application's converter does the same in a browser.

Layout of the weight files: tensors in the order of the module, each at the next multiple of 64 bytes, little endian;
a new file where the next tensor would pass 64 MiB, so a larger tensor has a file to itself. Gaps are zeros. Quantised
matrices are two tensors, codes and scales, one after the other. In files that the loader widens (`widen`) the graph's
offsets count float32 bytes: twice the offset in the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from .net import sources_of
from .numbers import BLOCK, SIZE
from .pack import Graph
from .trace import IR_VERSION, ONNX_TYPES, OPSET, OPSET_RMS, Traced

ALIGNMENT = 64
SHARD = 64 << 20
EXACT = 1  # MatMulNBits' accuracy_level: not to be rounded to 8 bits, as the application does with other 8-bit products
MIN_QUANTISED = 1 << 20  # elements; smaller matrices (time embedding, last layer) cost little and matter much
STORED = {torch.float32: "f32", torch.float16: "f16"}
WIDEN = {"f16": "fp16", "bf16": "bf16"}  # as manifests spell it


@dataclass(frozen=True)
class Precision:
    """dtype: what large products are computed in. bits: of quantised matrices, 0 = none; those that a graph calls sensitive have 8. narrow: store every parameter
    in half the bytes and let the loader widen it to float32."""

    dtype: torch.dtype
    bits: int = 0
    narrow: bool = False

    @property
    def features(self) -> list[str]:
        return ["shader-f16"] if self.dtype == torch.float16 else []

    @property
    def providers(self) -> list[str]:
        # The CPU and WASM providers widen float16 graphs to float32 at load: twice the memory, no gain.
        return ["webgpu"] if self.dtype == torch.float16 else ["webgpu", "wasm"]


PRECISIONS = {
    "fp32": Precision(torch.float32),
    "fp16": Precision(torch.float16),
    "bf16": Precision(torch.float32, narrow=True),
    "q8": Precision(torch.float32, bits=8),
    "q4f16": Precision(torch.float16, bits=4),
    "q4f32": Precision(torch.float32, bits=4),
}


@dataclass(frozen=True)
class Variant:
    """`recipe` is plain JSON: see docs/MODELS.md. `largest` and `memory` are bytes once loaded."""

    model: onnx.ModelProto
    recipe: dict[str, Any]
    largest: int
    memory: int


def make_variant(graph: Graph, precision: str, min_quantised: int = MIN_QUANTISED, shared: bool = False) -> Variant:
    """`shared`: store every parameter as float16 in `NAME.fp16.*.bin`, for fp16 and fp32 alike (see Pack.shared)."""
    spec = PRECISIONS[precision]
    traced, module = graph.trace(spec.dtype)
    quantised = quantise_products(traced, spec.bits, min_quantised, graph.sensitive) if spec.bits else {}
    narrow = "f16" if shared else graph.narrow if spec.narrow else None
    widen = narrow is not None and spec.dtype == torch.float32
    if shared and not widen:
        widen_in_graph(traced)
    files = Files(f"{graph.name}.{'fp16' if shared else precision}", 2 if widen else 1)
    sources, tensors, initializers = sources_of(module), [], []

    for name, source in sources.items():
        if name not in traced.parameters:
            raise ValueError(f"{graph.name}: the graph does not use {name}; remove it from the module")
        shape, dtype = traced.parameters[name]
        entry: dict[str, Any] = {"name": name, "file": graph.file, "keys": list(source.keys), "how": source.how}
        if source.rows:
            entry["rows"] = list(source.rows)
        if name in quantised:
            matrix = quantised[name]
            codes, scales = matrix.codes_shape, matrix.scales_shape
            entry |= {"shape": [matrix.n, matrix.k], "dtype": f"q{matrix.bits}", "block": BLOCK}
            entry["data"] = files.place(initializers, f"{name}_q", codes, TensorProto.UINT8, 1)
            entry["scales"] = files.place(initializers, f"{name}_s", scales, ONNX_TYPES[dtype], SIZE[STORED[dtype]])
            entry["scales"]["dtype"] = STORED[dtype]
        else:
            if name in traced.transposed:
                entry["transpose"] = True
            entry |= {"shape": list(shape), "dtype": narrow or STORED[dtype]}
            # In a widened file the graph sees float32 whatever is stored.
            seen = torch.float16 if shared and not widen else dtype
            entry["data"] = files.place(initializers, name, shape, ONNX_TYPES[seen], SIZE[STORED[seen]])
        tensors.append(entry)

    opset = OPSET_RMS if any(n.op_type == "RMSNormalization" for n in traced.nodes) else OPSET
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("com.microsoft", 1)] if quantised else [])
    proto = helper.make_graph(traced.nodes, graph.name, traced.inputs, traced.outputs, traced.constants + initializers)
    model = helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cadenza")
    sizes = [int(next(e.value for e in t.external_data if e.key == "length")) for t in initializers]
    recipe = {
        "graph": graph.name,
        "precision": precision,
        "file": f"{graph.name}.{precision}.onnx",
        **({"widen": WIDEN[narrow]} if widen and narrow else {}),
        "shards": files.shards,
        "tensors": tensors,
    }
    return Variant(model, recipe, max(sizes, default=0), sum(sizes))


class Files:
    """Hands out places in the weight files of one variant. `factor` is how much the loader widens them."""

    def __init__(self, stem: str, factor: int) -> None:
        self.stem, self.factor = stem, factor
        self.shards: list[dict[str, Any]] = []

    def place(
        self, initializers: list[TensorProto], name: str, shape: tuple[int, ...], onnx_type: int, size: int
    ) -> dict[str, Any]:
        """Adds an initializer that points into the files and says where its stored bytes belong."""
        loaded = int(np.prod(shape)) * size
        stored = loaded // self.factor
        end = self.shards[-1]["bytes"] if self.shards else 0
        offset = -(-end // ALIGNMENT) * ALIGNMENT
        if not self.shards or offset + stored > SHARD:
            self.shards.append({"path": f"{self.stem}.{len(self.shards)}.bin", "bytes": 0})
            offset = 0
        shard = self.shards[-1]
        shard["bytes"] = offset + stored
        proto = TensorProto(name=name, data_type=onnx_type, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", shard["path"]), ("offset", offset * self.factor), ("length", loaded)):
            proto.external_data.add(key=key, value=str(value))
        initializers.append(proto)
        return {"shard": len(self.shards) - 1, "offset": offset, "bytes": stored}


@dataclass(frozen=True)
class Quantised:
    n: int
    k: int
    bits: int

    @property
    def blocks(self) -> int:
        return -(-self.k // BLOCK)

    @property
    def codes_shape(self) -> tuple[int, ...]:
        return (self.n, self.blocks, BLOCK * self.bits // 8)

    @property
    def scales_shape(self) -> tuple[int, ...]:
        return (self.n * self.blocks,)


def quantise_products(traced: Traced, bits: int, minimum: int, sensitive: Sequence[str]) -> dict[str, Quantised]:
    """MatMul(x, W) -> MatMulNBits(x, codes, scales) for every linear layer of at least `minimum` weights.

    Symmetric, so no zero points; scales have the type of the activations. Sensitive parameters get 8 bits at least.
    """
    done: dict[str, Quantised] = {}
    for node in traced.nodes:
        if node.op_type != "MatMul" or node.input[1] not in traced.transposed:
            continue
        name = node.input[1]
        k, n = traced.parameters[name][0]
        if k * n < minimum:
            continue
        fragile = any(fragment in name for fragment in sensitive)
        own = 8 if fragile else bits
        done[name] = Quantised(n, k, own)
        node.op_type, node.domain = "MatMulNBits", "com.microsoft"
        node.input[1:] = [f"{name}_q", f"{name}_s"]
        node.attribute.extend(
            helper.make_attribute(a, v) for a, v in (("K", k), ("N", n), ("bits", own), ("block_size", BLOCK))
        )
        if fragile and bits == 8:
            node.attribute.append(helper.make_attribute("accuracy_level", EXACT))
    return done


def widen_in_graph(traced: Traced) -> None:
    """Parameters that the graph wants in float32 are read as float16 and cast."""
    exact = [name for name, (_, dtype) in traced.parameters.items() if dtype == torch.float32]
    for node in traced.nodes:
        for i, name in enumerate(node.input):
            if name in exact:
                node.input[i] = f"{name}_f32"
    casts = [helper.make_node("Cast", [name], [f"{name}_f32"], to=TensorProto.FLOAT) for name in exact]
    traced.nodes[:0] = casts
