"""Rounding and quantisation. The bytes are pinned, because the application's converter has to write the same ones."""

import hashlib

import numpy as np
import pytest

from export_onnx.net import Source, assemble, polyphase, source_problem, weight_norm
from export_onnx.numbers import dequantize, from_bf16, quantize, to_bf16, to_f16

W = np.random.default_rng(3).standard_normal((6, 80)).astype(np.float32)  # 80: a last block that is half full


@pytest.mark.parametrize(("bits", "bound"), [(4, 0.12), (8, 0.008)])
def test_quantising_keeps_the_weights_within_a_step(bits: int, bound: float) -> None:
    codes, scales = quantize(W, bits)
    error = dequantize(codes, scales, bits, 80) - W
    # half a step; the code above the range of the positive side is clipped, which costs up to a whole one
    assert (np.abs(error).reshape(6, -1) <= np.repeat(np.abs(scales.astype(np.float32)), 32, 1)[:, :80] * 1.02).all()
    assert np.sqrt((error**2).mean() / (W**2).mean()) < bound


def test_the_largest_weight_of_a_block_is_exact_and_the_first_of_equals_decides() -> None:
    w = np.zeros((1, 32), np.float32)
    w[0, 3], w[0, 7] = 2.0, -2.0
    codes, scales = quantize(w, 4)
    assert scales[0, 0] == -0.25
    assert dequantize(codes, scales, 4, 32)[0, 3] == 2.0
    assert dequantize(codes, scales, 4, 32)[0, 7] == -1.75  # beyond the range of the other sign


def test_a_block_of_zeros_and_padding_stay_zero() -> None:
    codes, scales = quantize(np.zeros((1, 40), np.float32), 4)
    assert (codes == 0x88).all() and (scales == 0).all()
    codes, _ = quantize(W, 8)
    assert (codes[:, 2, 16:] == 128).all()


def test_float16_saturates_and_bfloat16_is_exact_for_its_own_values() -> None:
    assert to_f16(np.float32([1e9, -1e9])).tolist() == [65504, -65504]
    bits = np.arange(0, 0x7F80, 7, dtype=np.uint16)
    assert (to_bf16(from_bf16(bits)) == bits).all()
    assert from_bf16(to_bf16(np.float32([1.00390625])))[0] == 1.0  # a tie goes to the even neighbour


def test_the_bytes_are_those_of_the_recipe_format() -> None:
    parts = [*quantize(W, 4), *quantize(W, 8), to_f16(W), to_bf16(W), weight_norm(np.abs(W[:, :1]) + 1, W)]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest()
    assert digest == "b6f3bbe2a636e3495c1fee5e869416f19a71e7aab010e20451b63d256867fdc1"


def test_polyphase_is_the_transposed_convolution() -> None:
    import torch
    import torch.nn.functional as F

    rng = np.random.default_rng(1)
    for stride, kernel in ((4, 8), (2, 4)):
        w = rng.standard_normal((5, 3, kernel)).astype(np.float32)
        x = torch.from_numpy(rng.standard_normal((1, 5, 9)).astype(np.float32))
        want = F.conv_transpose1d(x, torch.from_numpy(w), stride=stride, padding=(kernel - stride) // 2)
        y = F.conv1d(x, torch.from_numpy(polyphase(w, (3 * stride, 5, 3))), padding=1)
        have = y.unflatten(1, (3, stride)).transpose(2, 3).flatten(2)
        torch.testing.assert_close(have, want, atol=1e-5, rtol=1e-5)


def test_weight_norm_is_pytorch_s() -> None:
    import torch

    conv = torch.nn.utils.weight_norm(torch.nn.Conv1d(4, 6, 3))
    g, v = conv.weight_g.detach().numpy(), conv.weight_v.detach().numpy()
    np.testing.assert_allclose(weight_norm(g * 2, v), 2 * conv.weight.detach().numpy(), rtol=1e-6)


def test_sources_concatenate_and_cut_rows() -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(3, 2), "b": np.arange(6, 12, dtype=np.float32).reshape(3, 2)}
    whole = assemble(Source(("a", "b"), rows=(1, 5)), tensors.__getitem__, (4, 2))
    assert whole.tolist() == [[2, 3], [4, 5], [6, 7], [8, 9]]


@pytest.mark.parametrize(
    ("source", "have", "want", "problem"),
    [
        (Source(("a",)), {"a": (4, 6, 1)}, (4, 6), None),
        (Source(("a",)), {"a": (4, 2, 3)}, (4, 6), None),
        (Source(("a",)), {"a": (6, 4)}, (4, 6), r"a \[6, 4\] cannot become \[4, 6\]"),
        (Source(("a", "b")), {"a": (2, 6)}, (4, 6), "missing b"),
        (Source(("a", "b")), {"a": (2, 6), "b": (2, 5)}, (4, 6), "cannot become"),
        (Source(("a",), rows=(2, 4)), {"a": (3, 6)}, (2, 6), "cannot become"),
        (Source(("g", "v"), "weight_norm"), {"g": (4, 1, 1), "v": (4, 2, 3)}, (4, 2, 3), None),
        (Source(("g", "v"), "weight_norm"), {"g": (2, 1, 1), "v": (4, 2, 3)}, (4, 2, 3), "by weight_norm"),
        (Source(("g", "v"), "weight_norm_upsample"), {"g": (5, 1, 1), "v": (5, 3, 8)}, (12, 5, 3), None),
        (Source(("g", "v"), "weight_norm_upsample"), {"g": (3, 1, 1), "v": (3, 5, 8)}, (12, 5, 3), "cannot become"),
    ],
)
def test_shapes_are_compared_before_anything_is_read(
    source: Source, have: dict, want: tuple, problem: str | None
) -> None:
    import re

    found = source_problem(source, have, want)
    assert found is None if problem is None else found is not None and re.search(problem, found)
