"""Small seeded networks, so that most tests need nothing outside the repository."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from export_onnx.families import ace_step_v1
from export_onnx.families.ace_step_v1 import DCAE, TEXT, TRANSFORMER, VOCODER
from export_onnx.net import sources_of

torch.set_num_threads(1)  # networks this small lose more to waiting threads than they gain

SHARED = Path(__file__).resolve().parents[3] / "shared"
GOLDEN = SHARED / "golden" / "ace-step-v1"
KEYS = SHARED / "reference" / "ace-step-v1" / "state_dict_keys.tsv"

# As small as the layouts allow; 48 is no multiple of the quantisation block, so padding is exercised.
CONFIGS: dict[str, dict[str, Any]] = {
    TRANSFORMER: {
        "num_attention_heads": 3, "attention_head_dim": 16, "num_layers": 2, "mlp_ratio": 2.5, "text_embedding_dim": 24,
        "speaker_embedding_dim": 512, "lyric_hidden_size": 32, "lyric_encoder_vocab_size": 60, "early_channels": 64,
        "in_channels": 8, "patch_size": [16, 1], "rope_theta": 1e6,
        "tiny_lyric_encoder": {"attention_heads": 2, "linear_units": 64, "num_blocks": 6},
    },
    DCAE: {
        "in_channels": 2, "latent_channels": 8, "attention_head_dim": 8,
        "encoder_block_types": ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
        "decoder_block_types": ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
        "encoder_block_out_channels": [8, 16, 16, 32], "decoder_block_out_channels": [8, 16, 16, 32],
        "encoder_layers_per_block": [1, 1, 1, 1], "decoder_layers_per_block": [1, 1, 1, 1],
    },
    VOCODER: {
        "input_channels": 128, "depths": [1, 1, 1, 1], "dims": [16, 16, 24, 24], "kernel_sizes": [7], "num_mels": 24,
        "upsample_initial_channel": 128, "pre_conv_kernel_size": 13, "post_conv_kernel_size": 13,
        "upsample_rates": [4, 4, 2, 2, 2, 2, 2], "upsample_kernel_sizes": [8, 8, 4, 4, 4, 4, 4],
        "resblock_kernel_sizes": [3, 7], "resblock_dilation_sizes": [[1, 3], [1, 3]],
    },
    TEXT: {
        "d_model": 24, "d_kv": 8, "num_heads": 3, "num_layers": 2, "d_ff": 48, "vocab_size": 90,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
    },
}  # fmt: skip


def key_shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Checkpoint key -> shape, for the keys that a module declares: the inverse of `net.assemble`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, source in sources_of(module).items():
        shape = tuple(module.get_parameter(name).shape)
        owner = module.get_submodule(name.rpartition(".")[0])
        if source.how == "copy":
            rows = max(source.rows[1], shapes.get(source.keys[0], (0,))[0]) if source.rows else shape[0]
            for key in source.keys:
                shapes[key] = (rows // len(source.keys), *shape[1:])
        else:
            up = getattr(owner, "upsample", 1)
            v = shape if up == 1 else (shape[1], shape[0] // up, 2 * up)
            shapes |= {source.keys[0]: (v[0], 1, 1), source.keys[1]: v}
    return shapes


def write_checkpoint(folder: Path) -> Path:
    """An official checkpoint folder with small random weights, norms near 1."""
    pack = ace_step_v1.make_pack(CONFIGS, "test")
    rng = np.random.default_rng(5)
    for file, config in CONFIGS.items():
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
