"""What rounding does to one block of the real model's width, with seeded weights: the gates for fp16 and q8, in PyTorch."""

import numpy as np
import pytest
import torch
from torch import Tensor

from export_onnx.families.ace_step_v1 import OFFICIAL, TRANSFORMER, tables
from export_onnx.families.ace_step_v1.denoiser import Block
from export_onnx.families.ace_step_v1.layers import swap_index
from export_onnx.families.ace_step_v1.transformer import Sizes
from export_onnx.measure import fill
from export_onnx.numbers import dequantize, quantize

LATENTS, CONDITION = 24, 12
SIZES = Sizes.of(OFFICIAL[TRANSFORMER] | {"mlp_ratio": 1.0})  # full width; a smaller feed-forward keeps the test short


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {name: tuple(p.shape) for name, p in Block(SIZES, 3, torch.float32).named_parameters()}
    return {name: rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02) for name, shape in shapes.items()}


def update(weights: dict[str, np.ndarray], dtype: torch.dtype) -> Tensor:
    """What the block adds to its input: the residual itself would hide the error."""
    block, g = fill(Block(SIZES, 3, dtype), weights), torch.Generator().manual_seed(5)
    normal = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    x = normal(1, LATENTS, SIZES.width)
    modulation = normal(1, 6, SIZES.width) * 0.3 + torch.tensor([0.0, 1, 0, 0, 1, 0]).view(1, 6, 1)
    k = normal(1, SIZES.heads, SIZES.head, CONDITION) * SIZES.head**-0.5
    v = normal(1, SIZES.heads, CONDITION, SIZES.head)
    cos, sin = tables.rope(LATENTS, SIZES.head, SIZES.rope_theta)
    with torch.no_grad():
        return block(x, modulation, k, v, cos, sin, cos, sin, swap_index(SIZES.head)) - x


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0))


def test_fp16_q8_and_q4_keep_the_direction_of_a_full_width_block(weights: dict[str, np.ndarray]) -> None:
    want = update(weights, torch.float32)
    assert want.isfinite().all() and want.std() > 0.05

    def quantised(bits: int) -> dict[str, np.ndarray]:
        matrix = lambda w: dequantize(*quantize(w, bits), bits, w.shape[1])  # noqa: E731
        return {name: matrix(w) if w.ndim == 2 else w for name, w in weights.items()}

    assert cosine(update(weights, torch.float16), want) >= 0.999
    assert cosine(update(quantised(8), torch.float32), want) >= 0.999
    assert cosine(update(quantised(4), torch.float32), want) >= 0.98
