"""Golden bytes of the converter: what export-scripts writes for small tensors in every source type, way and format.

    PYTHONPATH=export-scripts .venv/bin/python scripts/golden/convert.py > src/lib/convert/convert.golden.json

Values cover both signs, zero rows, subnormal halves, values beyond the range of float16 and ties.
"""

import base64
import json

import numpy as np

from export_onnx.convert import encode
from export_onnx.numbers import from_bf16, to_bf16, to_f16

rng = np.random.default_rng(20)


def values(*shape: int) -> np.ndarray:
    x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 4, shape)).astype(np.float32)
    flat = x.reshape(-1)
    flat[: min(6, flat.size)] = np.array([0.0, -0.0, 70000.0, -1e9, 5.9604645e-8, 6.1e-5], np.float32)[: flat.size]
    return x


STORE = {"F32": lambda x: x, "F16": to_f16, "BF16": to_bf16}
LOAD = {"F32": lambda x: x, "F16": lambda x: x.astype(np.float32), "BF16": from_bf16}


def case(name: str, source: str, arrays: dict[str, np.ndarray], tensor: dict) -> dict:
    stored = {key: np.ascontiguousarray(STORE[source](array)) for key, array in arrays.items()}
    tensor = {"name": name, "file": "f", "keys": list(arrays), "how": "copy", **tensor}
    parts = [np.ascontiguousarray(a).tobytes() for a in encode(tensor, lambda key: LOAD[source](stored[key]))]
    offset = 0
    for part, raw in zip(("data", "scales"), parts):
        tensor[part] = {"shard": 0, "offset": offset, "bytes": len(raw), **tensor.get(part, {})}
        offset += -(-len(raw) // 64) * 64
    text = lambda raw: base64.b64encode(raw).decode()  # noqa: E731
    return {
        "name": f"{name} of {source}",
        "tensor": tensor,
        "sources": {k: {"dtype": source, "shape": list(a.shape), "data": text(stored[k].tobytes())} for k, a in arrays.items()},
        "expected": [text(raw) for raw in parts],
    }


cases = []
for source in ("F32", "F16", "BF16"):
    for dtype in ("f32", "f16", "bf16"):
        cases.append(case(f"copy to {dtype}", source, {"a": values(5, 7)}, {"shape": [5, 7], "dtype": dtype}))
    both = {"a": values(5, 6), "b": values(3, 6)}
    cases.append(case("joined and transposed", source, both, {"shape": [6, 8], "dtype": "f16", "transpose": True}))
    cases.append(case("rows across a border", source, both, {"shape": [4, 6], "dtype": "f16", "rows": [3, 7]}))
    for bits in (4, 8):
        for scale in ("f16", "f32"):
            quantised = {"shape": [8, 70], "dtype": f"q{bits}", "block": 32, "scales": {"dtype": scale}}
            cases.append(case(f"{bits} bits, {scale} scales", source, {"a": values(5, 70), "b": values(3, 70)}, quantised))
    norm = {"g": np.abs(values(6, 1, 1)) + 1, "v": values(6, 4, 8)}
    cases.append(case("weight norm", source, norm, {"how": "weight_norm", "shape": [6, 4, 8], "dtype": "f16"}))
    upsample = {"how": "weight_norm_upsample", "shape": [4 * 4, 6, 3], "dtype": "f32"}
    cases.append(case("weight norm, polyphase", source, norm, upsample))
print(json.dumps(cases, separators=(",", ":")))
