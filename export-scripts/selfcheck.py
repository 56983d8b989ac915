"""Writes the start-up self-check: graphs of a few kB with known answers, in the layout of a model pack.

    ../.venv/bin/python selfcheck.py ../public/models/selfcheck        (a second)

Some WebGPU drivers and runtime builds compute attention or transposed convolution wrongly without saying so. The
page runs these graphs on its adapter and compares with the answers below, which are computed in float64.

attention  softmax(q k' / sqrt(d)) v, built from MatMul and Softmax as in the exported models.
upsample   a transposed convolution, stride 2. fp32 is one ConvTranspose. fp16 is its polyphase form (a plain
           convolution whose channels are interleaved), which is what exported fp16 graphs use: ConvTranspose in
           fp16 is known to be wrong in onnxruntime-web 1.30.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
HEADS, QUERIES, KEYS, WIDTH = 2, 8, 12, 16
CHANNELS_IN, CHANNELS_OUT, FRAMES, KERNEL, STRIDE, PADDING = 4, 3, 9, 4, 2, 1

# Largest error allowed, as a share of the largest answer. fp16 keeps 11 bits, sums of a dozen terms lose two.
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}


def values(seed: int, *shape: int) -> np.ndarray:
    """Numbers in -1..1 on a grid of 1/64: exact in float16, so both precisions start from the same inputs."""
    grid = np.random.RandomState(seed).randint(-64, 65, size=shape)
    return grid.astype(np.float32) / 64


def attention_answer(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(WIDTH)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def upsample_answer(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sum of the kernel's copies, one for each input frame, STRIDE apart; PADDING cut off at both ends."""
    whole = np.zeros((1, CHANNELS_OUT, (FRAMES - 1) * STRIDE + KERNEL))
    for t in range(FRAMES):
        whole[0, :, t * STRIDE : t * STRIDE + KERNEL] += np.einsum(
            "i,iok->ok", x[0, :, t], kernel
        )
    return whole[:, :, PADDING : whole.shape[2] - PADDING]


def polyphase(kernel: np.ndarray) -> np.ndarray:
    """ConvTranspose weights (in, out, 4), stride 2, padding 1, as Conv weights (out * 2, in, 3), padding 1.

    Output frame 2t + r of the transposed convolution reads input frame t + d with tap r + 1 - 2d where that tap exists.
    """
    conv = np.zeros((CHANNELS_OUT, STRIDE, CHANNELS_IN, 3), kernel.dtype)
    for r in range(STRIDE):
        for d in (-1, 0, 1):
            tap = r + PADDING - STRIDE * d
            if 0 <= tap < KERNEL:
                conv[:, r, :, d + 1] = kernel[:, :, tap].T
    return conv.reshape(CHANNELS_OUT * STRIDE, CHANNELS_IN, 3)


def model(name, inputs, output, nodes, initializers, precision) -> bytes:
    """A graph with float32 inputs and output; in fp16 everything between them is float16."""
    if precision == "fp16":
        before = [
            helper.make_node("Cast", [f"{n}"], [f"{n}_half"], to=TensorProto.FLOAT16)
            for n in inputs
        ]
        nodes = [
            helper.make_node(
                node.op_type,
                [f"{i}_half" if i in inputs else i for i in node.input],
                [f"{o}_half" if o == output[0] else o for o in node.output],
                **{a.name: helper.get_attribute_value(a) for a in node.attribute},
            )
            for node in nodes
        ]
        after = [
            helper.make_node(
                "Cast", [f"{output[0]}_half"], [output[0]], to=TensorProto.FLOAT
            )
        ]
        nodes = [*before, *nodes, *after]
        initializers = {
            k: v.astype(np.float16) if v.dtype == np.float32 else v
            for k, v in initializers.items()
        }
    graph = helper.make_graph(
        nodes,
        name,
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape)
            for n, x in inputs.items()
        ],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1].shape)],
        [numpy_helper.from_array(v, k) for k, v in initializers.items()],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
    )
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString(deterministic=True)


def attention(precision: str):
    inputs = {
        "q": values(1, 1, HEADS, QUERIES, WIDTH),
        "k": values(2, 1, HEADS, KEYS, WIDTH),
        "v": values(3, 1, HEADS, KEYS, WIDTH),
    }
    answer = attention_answer(*inputs.values())
    nodes = [
        helper.make_node("Transpose", ["k"], ["keys"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "keys"], ["scores"]),
        helper.make_node("Mul", ["scores", "scale"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["mixed"]),
    ]
    scale = {"scale": np.array(WIDTH**-0.5, np.float32)}
    return (
        inputs,
        {"mixed": answer},
        model("attention", inputs, ("mixed", answer), nodes, scale, precision),
    )


def upsample(precision: str):
    inputs = {"x": values(4, 1, CHANNELS_IN, FRAMES)}
    kernel = values(5, CHANNELS_IN, CHANNELS_OUT, KERNEL)
    answer = upsample_answer(inputs["x"], kernel)
    if precision == "fp32":
        attributes = {"strides": [STRIDE], "pads": [PADDING, PADDING]}
        nodes = [
            helper.make_node("ConvTranspose", ["x", "kernel"], ["y"], **attributes)
        ]
        initializers = {"kernel": kernel}
    else:
        nodes = [
            helper.make_node("Conv", ["x", "kernel"], ["phases"], pads=[1, 1]),
            helper.make_node("Reshape", ["phases", "split"], ["apart"]),
            helper.make_node("Transpose", ["apart"], ["woven"], perm=[0, 1, 3, 2]),
            helper.make_node("Reshape", ["woven", "join"], ["y"]),
        ]
        initializers = {
            "kernel": polyphase(kernel),
            "split": np.array([1, CHANNELS_OUT, STRIDE, FRAMES], np.int64),
            "join": np.array([1, CHANNELS_OUT, STRIDE * FRAMES], np.int64),
        }
    return (
        inputs,
        {"y": answer},
        model("upsample", inputs, ("y", answer), nodes, initializers, precision),
    )


def numbers(tensors: dict[str, np.ndarray]) -> dict[str, object]:
    return {
        name: {"dims": list(x.shape), "values": [round(float(v), 9) for v in x.ravel()]}
        for name, x in tensors.items()
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    graphs, answers = {}, {}
    for name, make in (("attention", attention), ("upsample", upsample)):
        variants = []
        for precision in ("fp16", "fp32"):
            inputs, outputs, data = make(precision)
            path = f"{name}.{precision}.onnx"
            (folder / path).write_bytes(data)
            variants.append(
                {
                    "precision": precision,
                    "graph": {
                        "path": path,
                        "bytes": len(data),
                        "sha256": hashlib.sha256(data).hexdigest(),
                    },
                    "weights": [],
                    "needs": {
                        "providers": ["webgpu", "wasm"],
                        "features": ["shader-f16"] if precision == "fp16" else [],
                        "bufferBytes": 0,
                        "memoryBytes": len(data),
                    },
                    "error": None,
                }
            )
        graphs[name] = {
            "inputs": list(inputs),
            "outputs": list(outputs),
            "keep": [],
            "variants": variants,
        }
        answers[name] = {"inputs": numbers(inputs), "outputs": numbers(outputs)}
    manifest = {
        "schema": 1,
        "id": "selfcheck",
        "family": "selfcheck",
        "title": "Self-check",
        "description": "Tiny graphs with known answers; see export-scripts/selfcheck.py.",
        "license": "Apache-2.0",
        "source": {"repo": "cadenza", "revision": "selfcheck.py"},
        "config": {"tolerance": TOLERANCE, "answers": answers},
        "files": {},
        "graphs": graphs,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
