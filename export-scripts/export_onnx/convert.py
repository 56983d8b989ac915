"""Checkpoint + recipe -> weight files. The application's converter writes the same bytes in the browser."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .net import Source, assemble
from .numbers import CAST, NUMPY, dequantize, from_bf16, quantize
from .pack import Checkpoint


def convert(recipe: dict[str, Any], checkpoint: Checkpoint, folder: Path) -> None:
    """Writes the weight files of one graph. `recipe` is as `variants.make_variant` returns it."""
    opened: list[BinaryIO] = []
    try:
        for shard in recipe["shards"]:
            opened.append((folder / shard["path"]).open("wb"))
            opened[-1].truncate(shard["bytes"])
        for tensor in recipe["tensors"]:
            for place, array in zip(
                _places(tensor), encode(tensor, partial(checkpoint.read, tensor["file"])), strict=True
            ):
                raw = np.ascontiguousarray(array).tobytes()
                if len(raw) != place["bytes"]:
                    raise ValueError(
                        f"{tensor['name']}: {len(raw)} bytes where the recipe has room for {place['bytes']}"
                    )
                opened[place["shard"]].seek(place["offset"])
                opened[place["shard"]].write(raw)
    finally:
        for f in opened:
            f.close()


def encode(tensor: dict[str, Any], read: Callable[[str], np.ndarray]) -> list[np.ndarray]:
    """The stored form of one parameter: [values], or [codes, scales].

    Raises ValueError naming file and key where a value is infinite or no number: rounding would hide it.
    """

    def read_sound(key: str) -> np.ndarray:
        values = read(key)
        broken = np.flatnonzero(~np.isfinite(values))
        if broken.size:
            raise ValueError(
                f"{tensor['file']}: {key} is infinite or no number at element {broken[0]}: the file is damaged, or its "
                "training failed. Get it again, or take another checkpoint."
            )
        return values

    rows = tensor.get("rows")
    source = Source(tuple(tensor["keys"]), tensor["how"], tuple(rows) if rows else None)
    shape = tensor["shape"][::-1] if tensor.get("transpose") else tensor["shape"]
    values = assemble(source, read_sound, shape)
    if tensor["dtype"].startswith("q"):
        codes, scales = quantize(values, int(tensor["dtype"][1:]), tensor["block"])
        return [codes, CAST[tensor["scales"]["dtype"]](scales.astype(np.float32))]
    return [CAST[tensor["dtype"]](values.T if tensor.get("transpose") else values)]


def decode(recipe: dict[str, Any], folder: Path) -> dict[str, np.ndarray]:
    """What the weight files hold, as float32 in the module's layout: parameter name -> values."""
    values = {}
    for tensor in recipe["tensors"]:
        parts = [_read(folder / recipe["shards"][p["shard"]]["path"], p) for p in _places(tensor)]
        shape = tensor["shape"]
        if tensor["dtype"].startswith("q"):
            bits, (n, k) = int(tensor["dtype"][1:]), shape
            scales = np.frombuffer(parts[1], NUMPY[tensor["scales"]["dtype"]]).reshape(n, -1)
            codes = np.frombuffer(parts[0], np.uint8).reshape(n, scales.shape[1], -1)
            values[tensor["name"]] = dequantize(codes, scales, bits, k)
            continue
        stored = np.frombuffer(parts[0], NUMPY[tensor["dtype"]])
        array = from_bf16(stored) if tensor["dtype"] == "bf16" else stored.astype(np.float32)
        array = array.reshape(shape)
        values[tensor["name"]] = array.T if tensor.get("transpose") else array
    return values


def _places(tensor: dict[str, Any]) -> list[dict[str, Any]]:
    return [tensor[part] for part in ("data", "scales") if part in tensor]


def _read(path: Path, place: dict[str, Any]) -> bytes:
    with path.open("rb") as f:
        f.seek(place["offset"])
        return f.read(place["bytes"])
