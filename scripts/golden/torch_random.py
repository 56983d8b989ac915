"""Writes src/lib/random.golden.json: numbers of torch's CPU generator that src/lib/random.test.ts compares with.

    .venv/bin/python scripts/golden/torch_random.py          # torch 2.7.1, under a second

Every case draws its counts one after the other from one generator. Long draws are thinned: values[::97].
"""
import json
from pathlib import Path

import torch

THIN = 97
CASES = [  # seed, counts drawn in order
    (0, [16, 16]),
    (42, [17, 31, 1000]),
    (7, [8, 16, 7, 1, 1, 15, 16]),  # the scalar path keeps a spare value across calls, also across long draws
    (2**32 + 5, [33]),
    (2**63 - 1, [20]),
    (2**64 - 1, [20, 3]),
    (-1, [20, 3]),
    (-(2**40) - 3, [18]),
    (4216380740, [8 * 16 * 645]),
]


def draw(seed: int, counts: list[int]) -> dict:
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(n, generator=generator).tolist() for n in counts]
    return {"seed": str(seed), "counts": counts, "values": [v if len(v) < THIN else v[::THIN] for v in values]}


target = Path(__file__).resolve().parents[2] / "src/lib/random.golden.json"
golden = {"torch": torch.__version__.split("+")[0], "thin": THIN, "cases": [draw(*case) for case in CASES]}
target.write_text(json.dumps(golden))
print(target, target.stat().st_size, "bytes")
