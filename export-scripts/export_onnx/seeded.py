"""Checkpoints in the official layout with seeded random weights: what installing, converting and loading are tested on.

`official` has the 3.5B model's files, keys, shapes and types, those that inference never reads included; `small` has
the same structure, as small as the layouts allow. Values are normal with a spread that keeps activations finite.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .families import ace_step_v1
from .families.ace_step_v1 import DCAE, TEXT, TOKENIZER, TRANSFORMER, VOCODER
from .net import sources_of
from .numbers import to_bf16
from .pack import Pack

# As small as the layouts allow; 48 is no multiple of the quantisation block, so padding is exercised.
SMALL: dict[str, dict[str, Any]] = {
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
SIZES = {"small": SMALL, "official": ace_step_v1.OFFICIAL}
# As published: everything in bfloat16 but the text encoder.
TYPES = {TRANSFORMER: "BF16", DCAE: "BF16", VOCODER: "BF16", TEXT: "F32"}
POOL = 16_000_057  # values that are drawn once; tensors are stretches of them


def write(folder: Path, size: str, seed: int) -> None:
    configs = SIZES[size]
    pack = ace_step_v1.make_pack(configs, "seeded")
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal(POOL, dtype=np.float32)
    for file, config in configs.items():
        shapes = file_shapes(pack, file) | (unread_shapes(config) if file == TRANSFORMER else {})
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_file(folder / file, shapes, TYPES[file], pool, rng)
        (folder / file).with_name("config.json").write_text(json.dumps(config))
        print(f"{file}: {len(shapes)} tensors, {(folder / file).stat().st_size / 1e6:.1f} MB", flush=True)
    (folder / TOKENIZER).write_text(json.dumps(tokenizer(configs[TEXT]["vocab_size"])))


def write_file(path: Path, shapes: dict[str, tuple[int, ...]], dtype: str, pool: np.ndarray, rng: Any) -> None:
    """A safetensors file, tensors in the order of their names, written one after the other."""
    size = {"BF16": 2, "F32": 4}[dtype]
    header, at = {}, 0
    for key, shape in sorted(shapes.items()):
        header[key] = {
            "dtype": dtype, "shape": list(shape), "data_offsets": [at, at := at + size * int(np.prod(shape))],
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for key, shape in sorted(shapes.items()):
            around = 1.0 if (len(shape) == 1 and key.endswith("weight")) or key.endswith("weight_g") else 0.0
            spread = min(0.3, (int(np.prod(shape[1:])) if len(shape) > 1 else 16) ** -0.5)
            for part in stretch(pool, int(rng.integers(pool.size)), int(np.prod(shape))):
                values = part * np.float32(spread) + np.float32(around)
                f.write((to_bf16(values) if dtype == "BF16" else values).tobytes())


def stretch(pool: np.ndarray, start: int, count: int) -> Iterator[np.ndarray]:
    """`count` values from `start` on, around the end of the pool as often as needed."""
    while count > 0:
        part = pool[start : start + count]
        yield part
        count -= part.size
        start = 0


def file_shapes(pack: Pack, file: str) -> dict[str, tuple[int, ...]]:
    """Checkpoint key -> shape, for all keys of a file that some graph reads."""
    shapes: dict[str, tuple[int, ...]] = {}
    for graph in pack.graphs:
        if graph.file == file:
            for key, shape in key_shapes(graph.build(torch.float32)).items():
                rows = max(shape[0], shapes.get(key, (0,))[0]) if shape else 0
                shapes[key] = (rows, *shape[1:])
    return shapes


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


def unread_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """What the official transformer file holds beside what inference reads: projections of the cross-attention that are
    never called, and the projectors of training."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(key: str, outputs: int, inputs: int) -> None:
        shapes.update({f"{key}.weight": (outputs, inputs), f"{key}.bias": (outputs,)})

    for layer in range(config["num_layers"]):
        for name in ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"):
            linear(f"transformer_blocks.{layer}.cross_attn.{name}", width, width)
    for projector, outputs in enumerate((1024, 768)):
        for layer, (rows, columns) in enumerate(((2 * width, width), (2 * width, 2 * width), (outputs, 2 * width))):
            linear(f"projectors.{projector}.{2 * layer}", rows, columns)
    return shapes


def tokenizer(vocabulary: int) -> dict[str, Any]:
    """A tokenizer.json of the official kind with single letters for pieces."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [str(n) for n in range(10)] + [",", ".", "-", "\u2581"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -3.0) for letter in letters)]
    pieces += [(f"<extra_{n}>", -20.0) for n in range(max(0, min(vocabulary, 90) - len(pieces)))]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": n, "content": pieces[n][0], **special} for n in range(3)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces, "byte_fallback": False},
    }
