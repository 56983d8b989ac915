"""A PyTorch module -> an ONNX graph without weights, by running the module once.

The module runs on meta tensors (shapes without data) under a `TorchFunctionMode`, and every call of the torch API that
makes a tensor writes the ONNX nodes that do the same: one row of HANDLERS a call. What is left out is the point: no
decomposition to tiny operators, no optimiser, no shape arithmetic. The denoiser of ACE-Step v1 takes about a second, its
graph depends on nothing but the module, and nothing is "simplified" behind our back (the stock exporter deletes additions
of very small numbers, which turned zero queries of linear attention into NaN).

Sizes that vary at run time are traced as large primes (`PRIMES`): a dimension of a million or more is dynamic, two equal
ones are the same, and 8 * T is recognised by division. A Reshape needs a shape from the run time only where two dynamic
dimensions change at once.

Equal nodes are written once. An operation without a handler is an error that names it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

DYNAMIC = 1_000_000  # sizes from here on vary at run time; no network of ours has a fixed dimension as large
PRIMES = (10_000_019, 11_000_027, 13_000_027, 17_000_023, 19_000_013, 23_000_009)

# 23 has RMSNormalization. Only graphs that use it say 23: onnxruntime-web 1.30 has no WebGPU kernel for ConvTranspose
# and a few others beyond 21, and falls back to the CPU without a word.
OPSET, OPSET_RMS = 21, 23
IR_VERSION = 10

ONNX_TYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float16: TensorProto.FLOAT16,
    torch.int64: TensorProto.INT64,
    torch.bool: TensorProto.BOOL,
}
NUMPY_TYPES = {torch.float32: np.float32, torch.float16: np.float16, torch.int64: np.int64, torch.bool: np.bool_}


class TraceError(Exception):
    """The module does what a graph cannot say, or what has no handler yet; the message names it and the way out."""


@dataclass(frozen=True)
class Dim:
    """A size that varies at run time: times * symbol + plus. Written as `8 * T` or `2 * M - 1`."""

    symbol: str
    times: int = 1
    plus: int = 0

    def __rmul__(self, n: int) -> "Dim":
        return Dim(self.symbol, self.times * n, self.plus * n)

    def __sub__(self, n: int) -> "Dim":
        return Dim(self.symbol, self.times, self.plus - n)

    def at(self, sizes: Mapping[str, int]) -> int:
        return self.times * sizes[self.symbol] + self.plus

    def __str__(self) -> str:
        text = self.symbol if self.times == 1 else f"{self.times}*{self.symbol}"
        return text if self.plus == 0 else f"{text}{self.plus:+d}"


@dataclass
class Traced:
    """A graph whose parameters have no values yet.

    `parameters` maps the names that the nodes use to (shape, element type) as stored; those in `transposed` are stored
    (in, out) although the module holds them (out, in).
    """

    nodes: list[onnx.NodeProto]
    inputs: list[onnx.ValueInfoProto]
    outputs: list[onnx.ValueInfoProto]
    constants: list[TensorProto]
    parameters: dict[str, tuple[tuple[int, ...], torch.dtype]]
    transposed: frozenset[str] = field(default_factory=frozenset)


def trace(
    module: nn.Module,
    example: Mapping[str, Tensor],
    dynamic: Mapping[str, Mapping[int, Dim]],
    outputs: Sequence[str],
) -> Traced:
    """Traces `module(**example)`; `dynamic` names, per input, the axes that vary. Parameters may lie on any device."""
    symbols = list(dict.fromkeys(dim.symbol for axes in dynamic.values() for dim in axes.values()))
    sizes = dict(zip(symbols, PRIMES, strict=False))
    tracer = Tracer(sizes)
    feeds = {}
    for name, value in example.items():
        axes = dynamic.get(name, {})
        shape = [axes[i].at(sizes) if i in axes else size for i, size in enumerate(value.shape)]
        feeds[name] = tracer.add_input(name, shape, value.dtype, axes)
    with OnMeta(module) as tensors:
        for name, (tensor, values) in tensors.items():
            tracer.add_weight(name, tensor, values)
        with torch.no_grad(), tracer:
            result = module(**feeds)
    return tracer.finish(result if isinstance(result, tuple) else (result,), outputs)


class OnMeta:
    """Moves a module's parameters and buffers to the meta device for a while.

    Yields name -> (meta tensor, values of a buffer or None): buffers are constants of the graph, parameters are not.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.saved: list[tuple[dict[str, Any], str, Tensor]] = []

    def __enter__(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        tensors: dict[str, tuple[Tensor, Tensor | None]] = {}
        for prefix, part in self.module.named_modules():
            for store, is_buffer in ((part._parameters, False), (part._buffers, True)):
                for leaf, tensor in list(store.items()):
                    if tensor is None:
                        continue
                    self.saved.append((store, leaf, tensor))
                    meta = torch.empty_like(tensor, device="meta")
                    store[leaf] = meta if is_buffer else nn.Parameter(meta, requires_grad=False)
                    tensors[f"{prefix}.{leaf}" if prefix else leaf] = (store[leaf], tensor if is_buffer else None)
        return tensors

    def __exit__(self, *_: object) -> None:
        for store, leaf, tensor in self.saved:
            store[leaf] = tensor


class Tracer(TorchFunctionMode):
    """Collects nodes while torch functions run. Values are named by strings, as in ONNX."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.sizes = sizes
        self.names: dict[int, str] = {}
        self.alive: list[Tensor] = []  # ids are only unique among living tensors
        self.nodes: list[onnx.NodeProto] = []
        self.seen: dict[Any, tuple[str, ...]] = {}
        self.constants: dict[str, TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.symbol_at: dict[str, tuple[str, int]] = {}  # symbol -> an input and the axis that has its size
        self.weights: dict[str, Tensor] = {}
        self.transposed: set[str] = set()
        self.counter = 0

    # ------------------------------------------------------------------ what the graph is given
    def add_input(self, name: str, shape: Sequence[int], dtype: torch.dtype, axes: Mapping[int, Dim]) -> Tensor:
        tensor = torch.empty(shape, dtype=dtype, device="meta")
        self.bind(tensor, name)
        dims = [str(axes[i]) if i in axes else size for i, size in enumerate(shape)]
        self.inputs.append(helper.make_tensor_value_info(name, ONNX_TYPES[dtype], dims))
        for axis, dim in axes.items():
            if dim.times == 1 and dim.plus == 0:
                self.symbol_at.setdefault(dim.symbol, (name, axis))
        return tensor

    def add_weight(self, name: str, tensor: Tensor, values: Tensor | None) -> None:
        if values is None:
            self.weights[name] = tensor
            self.bind(tensor, name)
        else:
            self.bind(tensor, self.constant(values.detach().numpy()))

    def bind(self, tensor: Tensor, name: str) -> None:
        self.names[id(tensor)] = name
        self.alive.append(tensor)

    # ------------------------------------------------------------------ building blocks for the handlers
    def name_of(self, tensor: Tensor) -> str:
        name = self.names.get(id(tensor))
        if name is None:
            raise TraceError(
                f"a tensor of shape {tuple(tensor.shape)} was made inside forward(); make it a buffer of the module"
            )
        return name

    def constant(self, values: np.ndarray) -> str:
        values = np.ascontiguousarray(values)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self.seen:
            name = f"c{len(self.constants)}"
            self.constants[name] = numpy_helper.from_array(values, name)
            self.seen[key] = (name,)
        return self.seen[key][0]

    def ints(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64))

    def operand(self, x: Any, dtype: torch.dtype) -> str:
        """The value of a tensor or Python number, in the given type."""
        if isinstance(x, Tensor):
            name = self.name_of(x)
            return name if x.dtype == dtype else self.node("Cast", name, to=ONNX_TYPES[dtype])
        if isinstance(x, int) and abs(x) >= DYNAMIC:
            return self.node("Cast", self.run_time_size(x), to=ONNX_TYPES[dtype])
        return self.constant(np.array(x, NUMPY_TYPES[dtype]))

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        return self.split_node(op, 1, *inputs, domain=domain, **attributes)[0]

    def split_node(self, op: str, count: int, *inputs: str, domain: str = "", **attributes: Any) -> tuple[str, ...]:
        """Writes a node, or finds the equal one that is there already, and gives the names of its outputs."""
        key = (op, domain, inputs, tuple(sorted((k, str(v)) for k, v in attributes.items())), count)
        if key not in self.seen:
            names = tuple(f"v{self.counter + i}" for i in range(count))
            self.counter += count
            self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
            self.seen[key] = names
        return self.seen[key]

    def run_time_size(self, size: int) -> str:
        """An int64 (1,) value that equals a dynamic size, read from the shape of a graph input."""
        dim = self.dim_of(size)
        if dim is None or dim.symbol not in self.symbol_at:
            raise TraceError(f"cannot express the size {size} by one dimension of an input")
        name, axis = self.symbol_at[dim.symbol]
        value = self.node("Shape", name, start=axis, end=axis + 1)
        if dim.times != 1:
            value = self.node("Mul", value, self.ints([dim.times]))
        return value if dim.plus == 0 else self.node("Add", value, self.ints([dim.plus]))

    def dim_of(self, size: int) -> Dim | None:
        for plus in (0, -1, 1, -2, 2):
            for symbol, prime in self.sizes.items():
                if (size - plus) % prime == 0 and abs(size - plus) < prime * prime:
                    return Dim(symbol, (size - plus) // prime, plus)
        return None

    def index(self, value: int) -> str:
        """An int64 (1,) value for Slice."""
        return self.run_time_size(value) if abs(value) >= DYNAMIC else self.ints([value])

    def reshape(self, name: str, before: Sequence[int], after: Sequence[int]) -> str:
        if tuple(before) == tuple(after):
            return name
        target: list[int | None] = [
            size if size < DYNAMIC else 0 if i < len(before) and before[i] == size else None
            for i, size in enumerate(after)
        ]
        unknown = [i for i, size in enumerate(target) if size is None]
        # Of the sizes that are neither fixed nor copied one is inferred; a single symbol can be read from an input.
        inferred = next((i for i in unknown if self.dim_of(after[i]) is None), unknown[-1] if unknown else None)
        if inferred is not None:
            target[inferred] = -1
        if None not in target:
            return self.node("Reshape", name, self.ints([size for size in target if size is not None]))
        parts = [self.run_time_size(after[i]) if size is None else self.ints([size]) for i, size in enumerate(target)]
        return self.node("Reshape", name, self.node("Concat", *parts, axis=0))

    # ------------------------------------------------------------------ the mode
    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        key = func.__name__.strip("_")
        result = func(*lengthened(*args), **kwargs) if key == "getitem" else func(*args, **kwargs)
        results = result if isinstance(result, (tuple, list)) else (result,)
        if not any(isinstance(r, Tensor) for r in results):
            return result  # a shape, a type, a number
        handler = HANDLERS.get(key)
        if handler is None:
            raise TraceError(f"no ONNX handler for torch function {key!r}; add one to HANDLERS in trace.py")
        written = handler(self, result, *args, **kwargs)
        for tensor, name in zip(results, (written,) if isinstance(written, str) else written, strict=True):
            self.bind(tensor, name)
        return result

    def finish(self, results: Sequence[Tensor], outputs: Sequence[str]) -> Traced:
        """Names the outputs, drops what they do not need and declares the rest."""
        made = {name for node in self.nodes for name in node.output}
        renamed: dict[str, str] = {}
        for tensor, name in zip(results, outputs, strict=True):
            value = self.name_of(tensor)
            if value in made and value not in renamed:
                renamed[value] = name
            else:  # an input, or the second output that is the same value
                self.nodes.append(helper.make_node("Identity", [value], [name]))
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]

        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.insert(0, node)
        for node in nodes:
            tied = self.transposed.intersection(node.input) if node.op_type != "MatMul" else set()
            if tied:
                raise TraceError(
                    f"{tied.pop()} is used by a linear layer and by {node.op_type}: it has one layout only"
                )
        return Traced(
            nodes=nodes,
            inputs=self.inputs,
            outputs=[self.declare(name, tensor) for name, tensor in zip(outputs, results, strict=True)],
            constants=[constant for name, constant in self.constants.items() if name in needed],
            parameters={
                name: (tuple(t.shape[::-1]) if name in self.transposed else tuple(t.shape), t.dtype)
                for name, t in self.weights.items()
                if name in needed
            },
            transposed=frozenset(self.transposed),
        )

    def declare(self, name: str, tensor: Tensor) -> onnx.ValueInfoProto:
        """A dynamic size is named by the input dimension that it follows, or after its place."""
        dims = [str(self.dim_of(n) or f"{name}_{i}") if n >= DYNAMIC else n for i, n in enumerate(tensor.shape)]
        return helper.make_tensor_value_info(name, ONNX_TYPES[tensor.dtype], dims)


def per_axis(x: Tensor, key: Any) -> list[Any]:
    """An index without its ellipsis: one entry an axis, and None where an axis is added."""
    keys = list(key) if isinstance(key, tuple) else [key]
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), None)
    if at is not None:
        keys[at : at + 1] = [slice(None)] * (x.dim() - sum(k is not None for k in keys) + 1)
    return keys


def lengthened(x: Tensor, key: Any) -> tuple[Tensor, Any]:
    """For table[:length] with a dynamic length: a table that is long enough, as it will be at run time."""
    shape = list(x.shape)
    for axis, k in enumerate(k for k in per_axis(x, key) if k is not None):
        if isinstance(k, slice) and k.stop is not None and k.stop >= DYNAMIC > shape[axis]:
            shape[axis] = k.stop
    return (x if shape == list(x.shape) else torch.empty(shape, dtype=x.dtype, device=x.device)), key


# ---------------------------------------------------------------------------------------------------- handlers
HANDLERS: dict[str, Callable[..., Any]] = {}


def handles(*names: str) -> Callable[[Callable], Callable]:
    def register(handler: Callable) -> Callable:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def _axes(dims: int | Sequence[int]) -> list[int]:
    return [dims] if isinstance(dims, int) else list(dims)


def _binary(op: str, swapped: bool = False, comparison: bool = False) -> Callable:
    def handler(t: Tracer, out: Tensor, a: Any, b: Any) -> str:
        dtype = torch.result_type(a, b) if comparison else out.dtype
        a, b = t.operand(a, dtype), t.operand(b, dtype)
        return t.node(op, b, a) if swapped else t.node(op, a, b)

    return handler


def _unary(*ops: str) -> Callable:
    def handler(t: Tracer, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
        name = t.name_of(x)
        for op in ops:
            name = t.node(op, name)
        return name

    return handler


def _reduction(op: str) -> Callable:
    def handler(t: Tracer, out: Tensor, x: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> str:
        return t.node(op, t.name_of(x), t.ints(_axes(dim)), keepdims=int(keepdim))

    return handler


for _name, _op in {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "true_divide": "Div", "pow": "Pow"}.items():
    HANDLERS[_name] = _binary(_op)
for _name, _op in {
    "radd": "Add",
    "rsub": "Sub",
    "rmul": "Mul",
    "rdiv": "Div",
    "rtruediv": "Div",
    "rpow": "Pow",
}.items():
    HANDLERS[_name] = _binary(_op, swapped=True)
for _name, _op in {"maximum": "Max", "minimum": "Min", "matmul": "MatMul", "rmatmul": "MatMul"}.items():
    HANDLERS[_name] = _binary(_op, swapped=_name == "rmatmul")
for _name, _op in {"and": "And", "bitwise_and": "And", "or": "Or", "bitwise_or": "Or"}.items():
    HANDLERS[_name] = _binary(_op)
for _name, _op in {"eq": "Equal", "gt": "Greater", "lt": "Less", "ge": "GreaterOrEqual", "le": "LessOrEqual"}.items():
    HANDLERS[_name] = _binary(_op, comparison=True)
for _name, _ops in {
    "abs": ["Abs"], "cos": ["Cos"], "exp": ["Exp"], "log": ["Log"], "neg": ["Neg"], "relu": ["Relu"], "sigmoid": ["Sigmoid"],
    "sin": ["Sin"], "sqrt": ["Sqrt"], "rsqrt": ["Sqrt", "Reciprocal"], "tanh": ["Tanh"], "reciprocal": ["Reciprocal"],
}.items():  # fmt: skip
    HANDLERS[_name] = _unary(*_ops)
for _name in ("contiguous", "detach", "dropout"):
    HANDLERS[_name] = _unary()
HANDLERS |= {"mean": _reduction("ReduceMean"), "sum": _reduction("ReduceSum"), "amax": _reduction("ReduceMax")}


@handles("square")
def _square(t: Tracer, out: Tensor, x: Tensor) -> str:
    return t.node("Mul", t.name_of(x), t.name_of(x))


@handles("float", "half", "long", "to")
def _cast(t: Tracer, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    return t.operand(x, out.dtype)


@handles("where")
def _where(t: Tracer, out: Tensor, condition: Tensor, a: Any, b: Any) -> str:
    return t.node("Where", t.name_of(condition), t.operand(a, out.dtype), t.operand(b, out.dtype))


@handles("clamp", "clip")
def _clamp(t: Tracer, out: Tensor, x: Tensor, min: float | None = None, max: float | None = None) -> str:
    name = t.name_of(x)
    if min is not None:
        name = t.node("Max", name, t.operand(min, out.dtype))
    return name if max is None else t.node("Min", name, t.operand(max, out.dtype))


@handles("silu")
def _silu(t: Tracer, out: Tensor, x: Tensor, inplace: bool = False) -> str:
    return t.node("Mul", t.name_of(x), t.node("Sigmoid", t.name_of(x)))


@handles("gelu")
def _gelu(t: Tracer, out: Tensor, x: Tensor, approximate: str = "none") -> str:
    return t.node("Gelu", t.name_of(x), approximate=approximate)


@handles("leaky_relu")
def _leaky_relu(t: Tracer, out: Tensor, x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> str:
    return t.node("LeakyRelu", t.name_of(x), alpha=negative_slope)


@handles("softmax")
def _softmax(t: Tracer, out: Tensor, x: Tensor, dim: int, *_: Any, **__: Any) -> str:
    return t.node("Softmax", t.name_of(x), axis=dim)


# ------------------------------------------------------------------ shape
@handles("view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze")
def _reshape(t: Tracer, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    return t.reshape(t.name_of(x), x.shape, out.shape)


@handles("transpose")
def _transpose(t: Tracer, out: Tensor, x: Tensor, a: int, b: int) -> str:
    order = list(range(x.dim()))
    order[a], order[b] = order[b], order[a]
    return t.node("Transpose", t.name_of(x), perm=order)


@handles("permute")
def _permute(t: Tracer, out: Tensor, x: Tensor, *dims: Any) -> str:
    order = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return t.node("Transpose", t.name_of(x), perm=[d % x.dim() for d in order])


@handles("get")  # the property .T or .mT; other properties make no tensor
def _property(t: Tracer, out: Tensor, x: Tensor) -> str:
    if tuple(out.shape) != (*x.shape[:-2], x.shape[-1], x.shape[-2]):
        raise TraceError("only the tensor properties .T of a matrix and .mT can be traced")
    return _transpose(t, out, x, -1, -2)


@handles("split", "chunk", "unbind")
def _split(t: Tracer, out: Sequence[Tensor], x: Tensor, *args: Any, dim: int | None = None) -> tuple[str, ...]:
    unbound = out[0].dim() < x.dim()
    axis = dim if dim is not None else args[-1] if unbound and args else args[1] if len(args) > 1 else 0
    sizes = [1] * len(out) if unbound else [part.shape[axis] for part in out]
    names = t.split_node("Split", len(out), t.name_of(x), t.ints(sizes), axis=axis)
    if not unbound:
        return names
    return tuple(t.node("Squeeze", name, t.ints([axis])) for name in names)


@handles("getitem")
def _getitem(t: Tracer, out: Tensor, x: Tensor, key: Any) -> str:
    keys = per_axis(x, key)
    name, axis = t.name_of(x), 0
    for k in keys:
        if k is None:
            continue
        if isinstance(k, Tensor):
            raise TraceError("indexing by a tensor cannot be traced; use index_select or F.embedding")
        start, stop, step = (k, k + 1 or None, 1) if isinstance(k, int) else (k.start or 0, k.stop, k.step or 1)
        if start != 0 or stop is not None or step != 1:
            end = t.ints([np.iinfo(np.int64).max]) if stop is None else t.index(stop)
            name = t.node("Slice", name, t.index(start), end, t.ints([axis]), t.ints([step]))
        axis += 1
    return t.reshape(name, _sliced_shape(lengthened(x, key)[0].shape, [k for k in keys if k is not None]), out.shape)


def _sliced_shape(shape: Sequence[int], keys: Sequence[int | slice]) -> list[int]:
    """The shape after slicing, before single indices drop their axis."""
    sizes = [1 if isinstance(k, int) else len(range(*k.indices(size))) for k, size in zip(keys, shape, strict=False)]
    return [*sizes, *shape[len(keys) :]]


@handles("cat", "concat")
def _cat(t: Tracer, out: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> str:
    return t.node("Concat", *(t.name_of(x) for x in tensors), axis=dim)


@handles("zeros_like")
def _zeros_like(t: Tracer, out: Tensor, x: Tensor) -> str:
    return t.node("Mul", t.name_of(x), t.operand(0.0, x.dtype))


@handles("flip")
def _flip(t: Tracer, out: Tensor, x: Tensor, *dims: Any) -> str:
    name = t.name_of(x)
    for axis in _axes(dims[0]) if len(dims) == 1 else dims:
        name = t.node("Gather", name, t.ints(range(x.shape[axis] - 1, -1, -1)), axis=axis)
    return name


@handles("index_select")
def _index_select(t: Tracer, out: Tensor, x: Tensor, dim: int, index: Tensor) -> str:
    return t.node("Gather", t.name_of(x), t.name_of(index), axis=dim)


@handles("embedding")
def _embedding(t: Tracer, out: Tensor, ids: Tensor, weight: Tensor, *_: Any, **__: Any) -> str:
    return t.node("Gather", t.name_of(weight), t.name_of(ids), axis=0)


@handles("pad")
def _pad(
    t: Tracer, out: Tensor, x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> str:
    before, after = [0] * x.dim(), [0] * x.dim()
    for i, (left, right) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        before[-1 - i], after[-1 - i] = left, right
    fill = [t.operand(value or 0.0, x.dtype)] if mode == "constant" else []
    names = {"constant": "constant", "replicate": "edge", "reflect": "reflect"}
    return t.node("Pad", t.name_of(x), t.ints([*before, *after]), *fill, mode=names[mode])


@handles("interpolate")
def _interpolate(t: Tracer, out: Tensor, x: Tensor, scale_factor: float = 1, mode: str = "nearest", **_: Any) -> str:
    if mode != "nearest":
        raise TraceError(f"interpolate mode {mode!r} cannot be traced; use 'nearest'")
    scales = t.constant(np.array([1.0, 1.0] + [float(scale_factor)] * (x.dim() - 2), np.float32))
    return t.node(
        "Resize",
        t.name_of(x),
        "",
        scales,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )


@handles("pixel_shuffle")
def _pixel_shuffle(t: Tracer, out: Tensor, x: Tensor, factor: int) -> str:
    return t.node("DepthToSpace", t.name_of(x), blocksize=factor, mode="CRD")


# ------------------------------------------------------------------ layers
@handles("linear")
def _linear(t: Tracer, out: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> str:
    """MatMul with the weight stored (in, out), as MatMul wants it: see Traced.transposed."""
    name = t.name_of(weight)
    if name not in t.weights:
        raise TraceError("the weight of a linear layer must be a parameter")
    t.transposed.add(name)
    y = t.node("MatMul", t.name_of(x), name)
    return y if bias is None else t.node("Add", y, t.name_of(bias))


@handles("conv1d", "conv2d")
def _conv(
    t: Tracer, out: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> str:  # fmt: skip
    n = x.dim() - 2
    each = lambda v: [v] * n if isinstance(v, int) else list(v) * (n // len(v))  # noqa: E731
    names = [t.name_of(v) for v in (x, weight, bias) if v is not None]
    return t.node(
        "Conv", *names, kernel_shape=list(weight.shape[2:]), strides=each(stride), pads=each(padding) * 2,
        dilations=each(dilation), group=groups,
    )  # fmt: skip


@handles("layer_norm")
def _layer_norm(
    t: Tracer,
    out: Tensor,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> str:
    scale = t.constant(np.ones(shape, NUMPY_TYPES[x.dtype])) if weight is None else t.name_of(weight)
    rest = [] if bias is None else [t.name_of(bias)]
    return t.node("LayerNormalization", t.name_of(x), scale, *rest, axis=-len(shape), epsilon=eps)


@handles("rms_norm")
def _rms_norm(
    t: Tracer, out: Tensor, x: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> str:
    scale = t.constant(np.ones(shape, NUMPY_TYPES[x.dtype])) if weight is None else t.name_of(weight)
    return t.node("RMSNormalization", t.name_of(x), scale, axis=-len(shape), epsilon=eps)


@handles("instance_norm")
def _instance_norm(t: Tracer, out: Tensor, x: Tensor, *_: Any, eps: float = 1e-5, **__: Any) -> str:
    """Without scale and shift: both are applied by the caller."""
    channels, dtype = x.shape[1], NUMPY_TYPES[x.dtype]
    one, zero = t.constant(np.ones(channels, dtype)), t.constant(np.zeros(channels, dtype))
    return t.node("InstanceNormalization", t.name_of(x), one, zero, epsilon=eps)
