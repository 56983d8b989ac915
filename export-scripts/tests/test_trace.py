"""The tracer: what it writes is what PyTorch computes, at sizes that it has never seen."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor, nn

from export_onnx.families.ace_step_v1.layers import linear_attention
from export_onnx.trace import IR_VERSION, OPSET_RMS, Dim, Traced, TraceError, trace


def run(traced: Traced, feeds: Mapping[str, Tensor], weights: Mapping[str, Tensor] | None = None) -> list[np.ndarray]:
    initializers = [onnx.numpy_helper.from_array(w.numpy(), name) for name, w in (weights or {}).items()]
    graph = helper.make_graph(traced.nodes, "test", traced.inputs, traced.outputs, traced.constants + initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET_RMS)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.numpy() for name, value in feeds.items()})


class Calls(nn.Module):
    """Wraps a function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, **feeds: Tensor) -> Tensor:
        return self.function(**feeds)


X = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(1))
CASES = {
    "arithmetic": lambda x: (2 - x) / (x * x + 1) ** 2 - -x,
    "scalar on the left": lambda x: 1 / (x.abs() + 1),
    "reshape with an inferred size": lambda x: x.unflatten(-1, (2, 4)).transpose(1, 2).flatten(2),
    "length as a number": lambda x: x.sum(1, keepdim=True) / x.shape[1],
    "slices": lambda x: torch.cat([x[:, 1:], x[:, :-1]], 1)[..., 2:5],
    "index drops an axis": lambda x: x[:, 0] + x[:, -1],
    "chunk, split, unbind": lambda x: x.chunk(2, -1)[1] + x.split([4, 4], -1)[0] + x.unflatten(-1, (2, 4)).unbind(2)[0],
    "flip": lambda x: x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2),
    "where and comparisons": lambda x: torch.where((x > -1) & (x < 1), x, 0.0),
    "clamp": lambda x: x.clamp(min=-0.5, max=0.5),
    "softmax": lambda x: torch.softmax(x @ x.transpose(1, 2), -1) @ x,
    "norms": lambda x: F.layer_norm(x, (8,), eps=1e-6) + F.rms_norm(x, (8,), None, 1e-6),
    "activations": lambda x: F.silu(x) + F.gelu(x) + F.gelu(x, approximate="tanh") + F.relu(x) + F.leaky_relu(x, 0.1),
    "padding": lambda x: F.pad(x, (1, 2)).sum(-1, keepdim=True) + F.pad(x, (2, 0), mode="replicate")[..., :8],
    "zeros_like": lambda x: torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], 1),
    "two dynamic sizes at once": lambda x: (
        (x @ x.transpose(1, 2)).flatten(1)[:, x.shape[1] :].unflatten(1, (x.shape[1] - 1, x.shape[1]))
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("length", [3, 6, 11])
def test_a_traced_function_computes_what_torch_does_at_any_length(name: str, length: int) -> None:
    module = Calls(CASES[name])
    traced = trace(module, {"x": X}, {"x": {1: Dim("T")}}, ["y"])
    x = torch.randn(1, length, 8, generator=torch.Generator().manual_seed(length))
    np.testing.assert_allclose(run(traced, {"x": x})[0], module(x=x).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_query_of_zeros_attends_to_nothing_instead_of_becoming_nan(dtype: torch.dtype) -> None:
    module = Calls(lambda q, k, v: linear_attention(F.relu(q), F.relu(k), v).to(dtype))
    q, k = -torch.ones(1, 2, 5, 8, dtype=dtype), torch.ones(1, 2, 5, 8, dtype=dtype)
    axes = {name: {2: Dim("T")} for name in "qkv"}
    (y,) = run(trace(module, {"q": q, "k": k, "v": k}, axes, ["y"]), {"q": q, "k": k, "v": k})
    assert (y == 0).all()


def test_equal_computations_are_written_once() -> None:
    traced = trace(Calls(lambda x: torch.sin(x) * torch.sin(x) + torch.sin(x)), {"x": X}, {}, ["y"])
    assert [node.op_type for node in traced.nodes].count("Sin") == 1


def test_what_no_output_needs_is_left_out() -> None:
    def function(x: Tensor) -> Tensor:
        torch.exp(x)
        return x + 1

    assert [node.op_type for node in trace(Calls(function), {"x": X}, {}, ["y"]).nodes] == ["Add"]


def test_fixed_reshapes_need_no_shape_from_the_run_time() -> None:
    traced = trace(Calls(CASES["reshape with an inferred size"]), {"x": X}, {"x": {1: Dim("T")}}, ["y"])
    assert "Shape" not in {node.op_type for node in traced.nodes}


def test_a_linear_weight_is_stored_as_matmul_reads_it() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    module = Linear()
    traced = trace(module, {"x": X}, {"x": {1: Dim("T")}}, ["y"])
    assert traced.parameters["layer.weight"][0] == (8, 3)
    weights = {"layer.weight": module.layer.weight.detach().T.contiguous(), "layer.bias": module.layer.bias.detach()}
    np.testing.assert_allclose(run(traced, {"x": X}, weights)[0], module(X).detach().numpy(), atol=1e-6)


def test_dimensions_are_named_in_the_graph() -> None:
    traced = trace(
        Calls(lambda x: x.unflatten(1, (-1, 8)).mean(2)), {"x": X.repeat(1, 8, 1)}, {"x": {1: 8 * Dim("T")}}, ["y"]
    )
    shape = lambda value: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]  # noqa: E731
    assert shape(traced.inputs[0]) == [1, "8*T", 8]
    assert shape(traced.outputs[0]) == [1, "T", 8]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: torch.cumsum(x, 1), "no ONNX handler for torch function 'cumsum'"),
        (lambda x: x + torch.ones(8), "no ONNX handler for torch function 'ones'"),
        (lambda x: x[:, x[0, 0].long()], "indexing by a tensor"),
    ],
)
def test_what_cannot_be_traced_is_named(function, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        trace(Calls(function), {"x": X}, {}, ["y"])
