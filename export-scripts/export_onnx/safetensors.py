"""A minimal safetensors reader: header first, tensors on demand, half-size floats widened to float32."""

import json
import struct
from pathlib import Path

import numpy as np

_TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64}
MAX_HEADER = 100_000_000  # the format's own limit


class SafeTensors:
    """One open-on-demand file. `shapes` maps every key to its shape, `dtypes` to the format's type name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such checkpoint file")
        with path.open("rb") as f:
            prefix = f.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            if not 2 <= length <= min(MAX_HEADER, path.stat().st_size - 8):
                raise ValueError(
                    f"{path}: not a safetensors file (header of {length} bytes, file of {path.stat().st_size})"
                )
            header = json.loads(f.read(length))
        header.pop("__metadata__", None)
        self._base = 8 + length
        self._spans: dict[str, tuple[int, int]] = {k: tuple(h["data_offsets"]) for k, h in header.items()}
        self.shapes: dict[str, tuple[int, ...]] = {k: tuple(h["shape"]) for k, h in header.items()}
        self.dtypes: dict[str, str] = {k: h["dtype"] for k, h in header.items()}

    def array(self, key: str) -> np.ndarray:
        """The tensor as float32 (or int64)."""
        dtype = self.dtypes[key]
        if dtype not in _TYPES:
            raise ValueError(f"{self.path}: {key} has the type {dtype}; only {', '.join(_TYPES)} are read")
        begin, end = self._spans[key]
        with self.path.open("rb") as f:
            f.seek(self._base + begin)
            raw = np.frombuffer(f.read(end - begin), _TYPES[dtype])
        if dtype == "BF16":
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return (raw if dtype == "I64" else raw.astype(np.float32)).reshape(self.shapes[key])
