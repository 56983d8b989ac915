"""Small seeded networks, so that most tests need nothing outside the repository."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from export_onnx.families import ace_step_v1
from export_onnx.seeded import SMALL, key_shapes

torch.set_num_threads(1)  # networks this small lose more to waiting threads than they gain

SHARED = Path(__file__).resolve().parents[3] / "shared"
GOLDEN = SHARED / "golden" / "ace-step-v1"
KEYS = SHARED / "reference" / "ace-step-v1" / "state_dict_keys.tsv"

def write_checkpoint(folder: Path) -> Path:
    """An official checkpoint folder with small random weights, norms near 1."""
    pack = ace_step_v1.make_pack(SMALL, "test")
    rng = np.random.default_rng(5)
    for file, config in SMALL.items():
        shapes: dict[str, tuple[int, ...]] = {}
        for graph in pack.graphs:
            if graph.file == file:
                shapes |= key_shapes(graph.build(torch.float32))
        tensors = {}
        for key, shape in sorted(shapes.items()):
            fan = int(np.prod(shape[1:])) if len(shape) > 1 else 16
            around = 1.0 if (len(shape) == 1 and key.endswith("weight")) or key.endswith("weight_g") else 0.0
            tensors[key] = (around + rng.standard_normal(shape) * min(0.3, fan**-0.5)).astype(np.float32)
        (folder / file).parent.mkdir(parents=True)
        save_file(tensors, folder / file)
        (folder / file).with_name("config.json").write_text(json.dumps(config))
    (folder / ace_step_v1.TOKENIZER).write_text("{}")
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))
