"""Our modules against the official code's outputs on tiny networks (../shared/golden/ace-step-v1)."""

import json
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN
from torch import Tensor, nn

from export_onnx import commands
from export_onnx.families import open_pack
from export_onnx.families.ace_step_v1 import TRANSFORMER, tables
from export_onnx.families.ace_step_v1.transformer import Sizes
from export_onnx.pack import Checkpoint, check
from export_onnx.safetensors import SafeTensors

pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the golden data is not beside the repository")
CHECKPOINT = GOLDEN / "checkpoints"
FULL, WEAK = torch.tensor(1.0), torch.tensor(0.01)  # erg_scale


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def modules() -> dict[str, nn.Module]:
    pack, source = open_pack(CHECKPOINT), Checkpoint(CHECKPOINT)
    check(pack, source)
    return {graph.name: graph.load(source) for graph in pack.graphs}


@pytest.fixture(scope="module")
def sizes() -> Sizes:
    return Sizes.of(json.loads((CHECKPOINT / TRANSFORMER).with_name("config.json").read_text()))


class Golden:
    def __init__(self, name: str) -> None:
        self.file = SafeTensors(GOLDEN / "modules" / f"{name}.safetensors")

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(self.file.array(key).copy())

    def names(self, ending: str) -> list[str]:
        return sorted(key.removesuffix(ending) for key in self.file.shapes if key.endswith(ending))


def assert_near(have: Tensor, want: Tensor, tolerance: float) -> None:
    assert float((have - want).abs().max()) <= tolerance


@pytest.mark.parametrize(("suffix", "erg"), [("", FULL), ("_erg_tag", WEAK)])
@pytest.mark.parametrize("case", ["empty", "single", "long"])
def test_text_encoder(modules: dict[str, nn.Module], case: str, suffix: str, erg: Tensor) -> None:
    golden = Golden("text_encoder")
    ids, want = golden[f"{case}.input_ids"], golden[f"{case}.last_hidden_state{suffix}"]
    have = modules["text_encoder"](ids, tables.relative_buckets(ids.shape[1]), erg)
    assert_near(have[:, : want.shape[1]], want, 1e-4)


@pytest.mark.parametrize(("suffix", "erg"), [("out", FULL), ("erg_lyric", WEAK)])
@pytest.mark.parametrize(("case", "item"), [("b1", 0), ("b2", 0), ("b2", 1), ("instrumental", 0)])
def test_condition_encoder(
    modules: dict[str, nn.Module], sizes: Sizes, case: str, item: int, suffix: str, erg: Tensor
) -> None:
    golden = Golden("transformer_encode")
    of = lambda name: golden[f"{case}.in.{name}"][item : item + 1]  # noqa: E731
    texts, lyrics = int(of("text_attention_mask").sum()), int(of("lyric_mask").sum())
    ids = of("lyric_token_idx")[:, : max(1, lyrics)]
    have = modules["condition_encoder"](
        of("encoder_text_hidden_states")[:, :texts],
        ids,
        tables.lyric_positions(ids.shape[1], sizes.lyric),
        of("speaker_embeds"),
        erg,
    )
    want = golden[f"{case}.{suffix}.encoder_hidden_states"][item : item + 1]
    padded = of("text_attention_mask").shape[1]
    rows = [*range(1 + texts), *(1 + padded + i for i in range(lyrics))]  # masked tokens are dropped, not masked
    assert_near(have[:, : len(rows)], want[:, rows], 1e-4)


def test_denoiser_with_cross_kv(modules: dict[str, nn.Module], sizes: Sizes) -> None:
    golden, compared = Golden("transformer_decode"), 0
    rope = lambda n: tables.rope(n, sizes.head, sizes.rope_theta)  # noqa: E731
    for case in golden.names(".in.hidden_states"):
        latents, frames = golden[f"{case}.in.hidden_states"], golden[f"{case}.in.attention_mask"]
        states, mask = golden[f"{case}.in.encoder_hidden_states"], golden[f"{case}.in.encoder_hidden_mask"]
        for item in range(latents.shape[0]):
            if not bool(frames[item].all()):
                continue  # batches of different lengths: we run one song at a time
            rows = mask[item].nonzero()[:, 0]
            cos, sin = rope(states.shape[1])  # a token keeps its position when masked ones before it are dropped
            k, v = modules["cross_kv"](states[item : item + 1, rows], cos[rows], sin[rows])
            for step in golden.names(".in.timestep"):
                if not step.startswith(f"{case}.t"):
                    continue
                time = tables.timestep_features(golden[f"{step}.in.timestep"][item : item + 1].numpy())
                for suffix, erg in (("", FULL), ("_erg_diffusion", WEAK)):
                    have = modules["denoiser"](latents[item : item + 1], time, k, v, *rope(latents.shape[3]), erg)
                    assert_near(have, golden[f"{step}.out.sample{suffix}"][item : item + 1], 2e-4)
                    compared += 1
    assert compared >= 20


@pytest.mark.parametrize("case", ["a", "b"])
def test_dcae(modules: dict[str, nn.Module], case: str) -> None:
    golden = Golden("dcae")
    assert_near(modules["dcae_encoder"](golden[f"enc.{case}.in"]), golden[f"enc.{case}.out"], 1e-4)
    assert_near(modules["dcae_decoder"](golden[f"dec.{case}.in"]), golden[f"dec.{case}.out"], 1e-4)


@pytest.mark.parametrize("channel", [0, 1])
def test_vocoder(modules: dict[str, nn.Module], channel: int) -> None:
    golden = Golden("vocoder")
    have = modules["vocoder"](golden["in.mel"][channel : channel + 1])
    assert_near(have, golden["out.wav"][channel], 1e-4)


def test_the_exported_pack_verifies(tmp_path: Path) -> None:
    assert commands.export(CHECKPOINT, tmp_path, ["fp32"], None, 1, None, False) == 0
    assert commands.verify(tmp_path, CHECKPOINT, 1) == 0
