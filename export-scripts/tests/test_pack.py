"""Whole packs of small seeded networks: every graph in every precision, files, hashes, recipes, verify."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from export_onnx import commands, variants
from export_onnx.convert import convert, decode
from export_onnx.families import open_pack
from export_onnx.families.ace_step_v1 import TEXT, TRANSFORMER, official_pack
from export_onnx.measure import measure
from export_onnx.pack import Checkpoint
from export_onnx.variants import PRECISIONS, make_variant

EVERY = 1  # quantise every linear layer, however small
GRAPHS = ("text_encoder", "condition_encoder", "cross_kv", "denoiser", "dcae_encoder", "dcae_decoder", "vocoder")


def export(checkpoint: Path, out: Path, names: list[str], errors: bool = False) -> dict:
    assert commands.export(checkpoint, out, names, "test", EVERY, None, errors) == 0
    return json.loads((out / "manifest.json").read_text())


@pytest.fixture(scope="module")
def pack(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pack")
    export(checkpoint, out, list(PRECISIONS))
    return out


def every_variant() -> list[tuple[str, str]]:
    """Every graph in every precision it has: the codec has no quantised ones."""
    return [(graph.name, precision) for graph in official_pack().graphs for precision in PRECISIONS if precision in graph.precisions]


@pytest.mark.parametrize(("name", "precision"), every_variant())
def test_a_variant_runs_is_finite_and_near_float32(checkpoint: Path, tmp_path: Path, name: str, precision: str) -> None:
    graph, source = open_pack(checkpoint).graph(name), Checkpoint(checkpoint)
    variant = make_variant(graph, precision, EVERY)
    (tmp_path / variant.recipe["file"]).write_bytes(commands.serialized(variant.model))
    convert(variant.recipe, source, tmp_path)
    measured = measure(graph, variant.recipe, tmp_path, source, graph.load(source))
    assert measured.ok, measured
    quantised = [t for t in variant.recipe["tensors"] if t["dtype"].startswith("q")]
    assert bool(quantised) == bool(PRECISIONS[precision].bits)


def test_two_exports_are_the_same_bytes(checkpoint: Path, pack: Path, tmp_path: Path) -> None:
    export(checkpoint, tmp_path, list(PRECISIONS))
    assert contents(tmp_path) == contents(pack)


def test_the_manifest_describes_every_file_and_no_other(pack: Path) -> None:
    manifest = json.loads((pack / "manifest.json").read_text())
    refs = {r["path"]: r for r in refs_of(manifest)}
    assert refs.keys() == {p.name for p in pack.iterdir()} - {"manifest.json"}
    for path, ref in refs.items():
        raw = (pack / path).read_bytes()
        assert (ref["bytes"], ref["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest()), path


def test_the_manifest_names_the_graphs_as_the_contract_does(pack: Path) -> None:
    graphs = json.loads((pack / "manifest.json").read_text())["graphs"]
    assert tuple(graphs) == GRAPHS
    assert {g: (spec["inputs"], spec["outputs"], spec["keep"]) for g, spec in graphs.items()} == {
        "text_encoder": (["input_ids", "rel_bucket", "erg_scale"], ["text"], []),
        "condition_encoder": (["text", "lyric_ids", "rel_pos", "speaker", "erg_scale"], ["condition"], []),
        "cross_kv": (["condition", "rope_cos", "rope_sin"], ["k", "v"], ["k", "v"]),
        "denoiser": (["latents", "time_features", "k", "v", "rope_cos", "rope_sin", "erg_scale"], ["velocity"], []),
        "dcae_encoder": (["mel"], ["z"], []),
        "dcae_decoder": (["z"], ["mel"], []),
        "vocoder": (["mel"], ["waveform"], []),
    }


def test_inputs_and_outputs_have_the_same_types_in_every_variant(pack: Path) -> None:
    for spec in json.loads((pack / "manifest.json").read_text())["graphs"].values():
        kinds = []
        for variant in spec["variants"]:
            graph = onnx.load(str(pack / variant["graph"]["path"]), load_external_data=False).graph
            kinds.append([(v.name, v.type.tensor_type.elem_type) for v in (*graph.input, *graph.output)])
        assert all(kind == kinds[0] for kind in kinds)
        assert {elem for _, elem in kinds[0]} <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


def test_needs_say_what_a_variant_takes(pack: Path) -> None:
    variants_of = json.loads((pack / "manifest.json").read_text())["graphs"]["denoiser"]["variants"]
    needs = {v["precision"]: v["needs"] for v in variants_of}
    assert [v["precision"] for v in variants_of] == ["fp16", "q8", "q4f16", "q4f32", "bf16", "fp32"]
    assert needs["fp16"]["features"] == ["shader-f16"] and needs["fp16"]["providers"] == ["webgpu"]
    assert needs["q4f32"]["features"] == [] and needs["q4f32"]["providers"] == ["webgpu", "wasm"]
    assert needs["bf16"]["memoryBytes"] == needs["fp32"]["memoryBytes"] > 1.8 * needs["fp16"]["memoryBytes"]
    assert 0 < needs["fp32"]["bufferBytes"] < needs["fp32"]["memoryBytes"]


def test_files_hold_what_the_checkpoint_holds(checkpoint: Path, pack: Path) -> None:
    recipe = make_variant(open_pack(checkpoint).graph("text_encoder"), "fp32", EVERY).recipe
    stored, source = decode(recipe, pack), load_file(checkpoint / TEXT)
    attention = "encoder.block.0.layer.0.SelfAttention."
    np.testing.assert_array_equal(
        stored["layers.0.qkv_w"], np.concatenate([source[f"{attention}{x}.weight"] for x in "qkv"])
    )
    np.testing.assert_array_equal(stored["embedding0"], source["shared.weight"])


def test_large_graphs_are_cut_into_files_and_a_large_tensor_has_its_own(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 20_000
    monkeypatch.setattr(variants, "SHARD", limit)
    manifest = export(checkpoint, tmp_path, ["fp32"], errors=True)
    recipe = make_variant(open_pack(checkpoint).graph("denoiser"), "fp32", EVERY).recipe
    assert len(recipe["shards"]) > 5
    tensors: dict[int, int] = {}
    for tensor in recipe["tensors"]:
        tensors[tensor["data"]["shard"]] = tensors.get(tensor["data"]["shard"], 0) + 1
    for i, shard in enumerate(recipe["shards"]):
        assert shard["bytes"] <= limit or tensors[i] == 1
    assert any(shard["bytes"] > limit for shard in recipe["shards"])
    assert manifest["graphs"]["denoiser"]["variants"][0]["error"] < 1e-5


def test_tensors_start_at_multiples_of_64_and_do_not_overlap(checkpoint: Path) -> None:
    for precision in ("fp32", "bf16", "q4f16"):
        recipe = make_variant(open_pack(checkpoint).graph("cross_kv"), precision, EVERY).recipe
        places = [t[part] for t in recipe["tensors"] for part in ("data", "scales") if part in t]
        end = 0
        for place in places:
            assert place["shard"] == 0 and place["offset"] % 64 == 0 and place["offset"] >= end
            end = place["offset"] + place["bytes"]
        assert end == recipe["shards"][0]["bytes"]


def test_offsets_in_a_widened_graph_are_twice_those_in_the_file(checkpoint: Path) -> None:
    variant = make_variant(open_pack(checkpoint).graph("cross_kv"), "bf16", EVERY)
    assert variant.recipe["widen"] == "bf16"
    external = {
        t.name: {e.key: e.value for e in t.external_data} for t in variant.model.graph.initializer if t.external_data
    }
    for tensor in variant.recipe["tensors"]:
        assert int(external[tensor["name"]]["offset"]) == 2 * tensor["data"]["offset"]
        assert int(external[tensor["name"]]["length"]) == 2 * tensor["data"]["bytes"] == 4 * math.prod(tensor["shape"])


def test_the_vocoder_in_bf16_is_stored_as_float16(checkpoint: Path) -> None:
    assert make_variant(open_pack(checkpoint).graph("vocoder"), "bf16", EVERY).recipe["widen"] == "fp16"


def test_converting_by_recipe_gives_the_bytes_of_an_export(checkpoint: Path, pack: Path, tmp_path: Path) -> None:
    recipes, out = tmp_path / "recipes", tmp_path / "out"
    commands.recipe(recipes, checkpoint, ["fp16", "bf16", "q4f16", "q8"], "test", EVERY)
    assert not list(recipes.glob("*.bin"))
    for precision in ("q4f16", "q8"):
        assert commands.convert(checkpoint, out, precision, recipes) == 0
    written = {p.name: p.read_bytes() for p in out.iterdir() if p.name != "manifest.json"}
    assert {"denoiser.q4f16.0.bin", "vocoder.fp16.0.bin", "denoiser.q8.0.bin", "vocoder.bf16.0.bin"} <= written.keys()
    for name, raw in written.items():
        assert raw == (pack / name).read_bytes(), name
    last = json.loads((out / "manifest.json").read_text())
    assert all(ref["sha256"] for ref in refs_of(last))


def test_a_checkpoint_of_another_size_is_converted_by_recipes_made_for_it(
    checkpoint: Path, pack: Path, tmp_path: Path
) -> None:
    assert commands.convert(checkpoint, tmp_path, "fp16", None) == 0
    for file in (*pack.glob("*.fp16.onnx"), *pack.glob("*.fp16.*.bin")):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_a_precision_without_a_recipe_is_named(checkpoint: Path, tmp_path: Path) -> None:
    commands.recipe(tmp_path, checkpoint, ["fp16"], "test", EVERY)
    with pytest.raises(FileNotFoundError, match="no recipe for q8"):
        commands.convert(checkpoint, tmp_path / "out", "q8", tmp_path)


def test_verify_passes_and_notices_damage_and_other_weights(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(checkpoint, out, ["fp32"])
    assert commands.verify(out, checkpoint, EVERY) == 0

    other = tmp_path / "other"
    import shutil

    shutil.copytree(checkpoint, other)
    tensors = load_file(other / TRANSFORMER)
    tensors["final_layer.linear.weight"] *= 1.01
    save_file(tensors, other / TRANSFORMER)
    assert commands.verify(out, other, EVERY) == 1

    raw = bytearray((out / "denoiser.fp32.0.bin").read_bytes())
    raw[1000] ^= 1
    (out / "denoiser.fp32.0.bin").write_bytes(raw)
    with pytest.raises(ValueError, match="is not the file that manifest.json describes"):
        commands.verify(out, checkpoint, EVERY)


def test_the_command_line_reports_faults_and_does_not_raise(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export_onnx.__main__ import main

    monkeypatch.setattr("sys.argv", ["export_onnx", "export", str(tmp_path), str(tmp_path / "out")])
    assert main() == 2
    assert "is no checkpoint folder" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["export_onnx", "export", "x", "y", "--variants", "fp12"])
    with pytest.raises(SystemExit):
        main()
    assert "unknown precision 'fp12'" in capsys.readouterr().err


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def refs_of(manifest: dict) -> list[dict]:
    entries = [v for spec in manifest["graphs"].values() for v in spec["variants"]]
    return [*manifest["files"].values(), *(ref for v in entries for ref in (v["graph"], *v["weights"]))]
