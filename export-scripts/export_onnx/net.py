"""Parameters that know where they come from.

A module of ours declares each parameter with its source: the checkpoint key(s) and how to get from them to the module's
tensor. One declaration loads the PyTorch module and writes the recipe by which a browser builds its weights, so the two
cannot disagree.

How a source becomes a tensor (`Source.how`); several keys are concatenated along axis 0 first:
  copy                 reshape to the target shape
  weight_norm          keys are [weight_g, weight_v]; w = g * v / ||v||, the norm over all axes but 0
  weight_norm_upsample weight_norm of a ConvTranspose1d weight, then written as a Conv1d weight (see `polyphase`)
`rows` keeps rows [begin, end) of the (concatenated) axis 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Source:
    keys: tuple[str, ...]
    how: str = "copy"
    rows: tuple[int, int] | None = None


class Net(nn.Module):
    """Base of the modules that are loaded from official checkpoints.

    `dtype` is what large matrix products and convolutions are computed in. Everything that adds up long sums (norms,
    attention, the residual stream) stays float32 whatever `dtype` says; so do parameters declared with `exact`.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.sources: dict[str, Source] = {}

    def weight(
        self, name: str, shape: Sequence[int], keys: str | Sequence[str], how: str = "copy",
        rows: tuple[int, int] | None = None, exact: bool = False,
    ) -> None:  # fmt: skip
        """Declares a parameter. It is born on the meta device, without data: `load` fills it, an export never needs it."""
        dtype = torch.float32 if exact else self.dtype
        self.register_parameter(
            name, nn.Parameter(torch.empty(tuple(shape), dtype=dtype, device="meta"), requires_grad=False)
        )
        self.sources[name] = Source((keys,) if isinstance(keys, str) else tuple(keys), how, rows)

    def linear(
        self, name: str, inputs: int, outputs: int, keys: str | Sequence[str], bias: bool = True,
        rows: tuple[int, int] | None = None, exact: bool = False,
    ) -> None:  # fmt: skip
        """Declares `name_w` (outputs, inputs) and `name_b`; several key prefixes make one wide projection."""
        prefixes = [keys] if isinstance(keys, str) else list(keys)
        self.weight(f"{name}_w", (outputs, inputs), [f"{p}.weight" for p in prefixes], rows=rows, exact=exact)
        if bias:
            self.weight(f"{name}_b", (outputs,), [f"{p}.bias" for p in prefixes], rows=rows, exact=exact)
        else:
            setattr(self, f"{name}_b", None)

    def norm_weights(self, name: str, size: int, key: str, bias: bool = True) -> None:
        """Declares scale `name_w` and shift `name_b` of a norm, in float32."""
        self.weight(f"{name}_w", (size,), f"{key}.weight", exact=True)
        if bias:
            self.weight(f"{name}_b", (size,), f"{key}.bias", exact=True)

    def apply_linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, getattr(self, f"{name}_w"), getattr(self, f"{name}_b"))


def sources_of(module: nn.Module) -> dict[str, Source]:
    """Parameter name -> source. In modules that are not `Net`s a parameter's key is its name."""
    sources = {}
    for path, part in module.named_modules():
        for leaf, parameter in part._parameters.items():
            if parameter is not None:
                name = f"{path}.{leaf}" if path else leaf
                sources[name] = part.sources[leaf] if isinstance(part, Net) else Source((name,))
    return sources


def assemble(source: Source, read: Callable[[str], np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """The float32 tensor that a source stands for. The browser's converter does the same arithmetic."""
    arrays = [read(key) for key in source.keys]
    if source.how == "weight_norm":
        return weight_norm(*arrays).reshape(shape)
    if source.how == "weight_norm_upsample":
        return polyphase(weight_norm(*arrays), shape)
    whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return (whole if source.rows is None else whole[slice(*source.rows)]).reshape(shape)


def weight_norm(g: np.ndarray, v: np.ndarray) -> np.ndarray:
    rows = v.reshape(v.shape[0], -1).astype(np.float64)
    norm = np.sqrt(np.cumsum(rows * rows, axis=1)[:, -1:])  # cumsum adds from left to right, sum() does not
    return (rows * (g.reshape(-1, 1).astype(np.float64) / norm)).astype(np.float32).reshape(v.shape)


def polyphase(w: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """ConvTranspose1d weight (in, out, k), stride u, padding (k - u) / 2 -> Conv1d weight (out * u, in, 3), padding 1.

    Output channel o * u + p of the convolution is sample p of every u of channel o. ConvTranspose in float16 gives
    wrong sums on the WebGPU provider of onnxruntime-web 1.30; Conv is right.
    """
    inputs, outputs, k = w.shape
    u = shape[0] // outputs
    phases = np.zeros((outputs, u, inputs, 3), np.float32)
    for p in range(u):
        for s in (-1, 0, 1):
            tap = p + (k - u) // 2 - s * u
            if 0 <= tap < k:
                phases[:, p, :, s + 1] = w[:, :, tap].T
    return phases.reshape(shape)


def source_problem(source: Source, shapes: dict[str, tuple[int, ...]], shape: Sequence[int]) -> str | None:
    """What is wrong with a source, given the shapes in the checkpoint: a missing key or a size that cannot fit."""
    missing = [key for key in source.keys if key not in shapes]
    if missing:
        return f"missing {missing[0]}"
    first = shapes[source.keys[-1]]  # of [weight_g, weight_v] the second
    if source.how == "copy":
        rows = sum(shapes[key][0] for key in source.keys)
        begin, end = source.rows or (0, rows)
        same_rest = all(shapes[key][1:] == first[1:] for key in source.keys)
        ok = same_rest and end <= rows and _is_reshape((end - begin, *first[1:]), shape)
    elif source.how == "weight_norm":
        ok = shapes[source.keys[0]][0] == first[0] and _is_reshape(first, shape)
    else:
        inputs, outputs, taps = first
        ok = (
            shapes[source.keys[0]][0] == inputs == shape[1]
            and shape[0] % outputs == 0
            and taps <= 3 * (shape[0] // outputs)
        )
    if ok:
        return None
    have = " + ".join(f"{key} {list(shapes[key])}" for key in source.keys)
    return f"{have} cannot become {list(shape)}" + (f" by {source.how}" if source.how != "copy" else "")


def _is_reshape(have: Sequence[int], want: Sequence[int]) -> bool:
    """True if one shape splits axes of the other: (2560, 8, 16) and (2560, 128), but not (128, 2560)."""
    edges = [set(np.cumprod([n for n in shape if n != 1], dtype=np.int64).tolist()) for shape in (have, want)]
    return int(np.prod(have)) == int(np.prod(want)) and (edges[0] <= edges[1] or edges[1] <= edges[0])


def load(module: nn.Module, read: Callable[[str], np.ndarray]) -> None:
    """Fills every declared parameter. Check the checkpoint first: see `pack.check`."""
    for name, source in sources_of(module).items():
        path, _, leaf = name.rpartition(".")
        owner, old = module.get_submodule(path), module.get_parameter(name)
        values = torch.from_numpy(np.array(assemble(source, read, tuple(old.shape))))
        setattr(owner, leaf, nn.Parameter(values.to(old.dtype), requires_grad=False))
