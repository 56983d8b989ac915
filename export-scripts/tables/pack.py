"""The container of public/data/lyrics/*.bin: named arrays and a little JSON, deflated. Read by src/lib/text/table.ts."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[2] / "public/data/lyrics"


def write(name: str, meta: dict, arrays: dict[str, np.ndarray | str]) -> int:
    """Writes DATA/name (u32 "CDT1", u32 unpacked size, raw DEFLATE) and returns its bytes."""
    blobs = {key: value.encode() if isinstance(value, str) else value.tobytes() for key, value in arrays.items()}
    places: dict[str, list[int]] = {}
    payload = bytearray()
    for key, blob in blobs.items():
        payload.extend(b"\0" * (-len(payload) % 4))
        places[key] = [len(payload), len(blob)]
        payload.extend(blob)
    header = json.dumps({"meta": meta, "arrays": places}, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 4)
    body = struct.pack("<I", len(header)) + header + payload
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    DATA.mkdir(parents=True, exist_ok=True)
    out = struct.pack("<4sI", b"CDT1", len(body)) + packer.compress(body) + packer.flush()
    (DATA / name).write_bytes(out)
    print(f"{name}: {len(out)} bytes, {len(body)} unpacked")
    return len(out)
