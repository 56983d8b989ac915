"""What the commands do."""

import dataclasses
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import save_file

from . import seeded as checkpoints
from .convert import convert as write_weights
from .convert import decode
from .families import ace_step_v1, nano, open_pack
from .full_size import structure as structure
from .manifest import NAME, copy_file, file_ref, graph_entry, manifest, variant_entry, write_json
from .measure import measure
from .pack import Checkpoint, Graph, Pack, check
from .variants import MIN_QUANTISED, make_variant

OFFICIAL_RECIPES = Path(__file__).resolve().parents[2] / "public" / "models" / ace_step_v1.OFFICIAL_ID
RECIPE_SCHEMA = 1
SOURCES = "sources.json"

# What the codec graphs take when the others are quantised: float16 products where they are float16 anyway, else float32
# on weights stored in half the bytes.
INSTEAD = {"q4f16": "fp16", "q4f32": "bf16", "q8": "bf16"}


def export(
    checkpoint: Path, out: Path, variants: list[str] | None, id: str | None, min_quantised: int,
    lyric_vocab: Path | None, errors: bool,
) -> int:  # fmt: skip
    started = time.time()
    pack = named(open_pack(checkpoint), id)
    source = Checkpoint(checkpoint)
    for file, keys in check(pack, source).items():
        if keys:
            print(f"{file}: {len(keys)} keys known as unused, such as {keys[0]}")
    out.mkdir(parents=True, exist_ok=True)
    wanted = variants or (["fp16", "fp32"] if pack.shared else ["fp32"])
    graphs: dict[str, Any] = {}
    recipes: dict[str, list[dict[str, Any]]] = {}
    for graph in pack.graphs:
        reference = graph.load(source) if errors else None
        entries, inputs = [], []
        for precision in suited(graph, wanted):
            variant = make_variant(graph, precision, min_quantised, pack.shared)
            (out / variant.recipe["file"]).write_bytes(serialized(variant.model))
            write_weights(variant.recipe, source, out)
            recipes.setdefault(precision, []).append(variant.recipe)
            measured = measure(graph, variant.recipe, out, source, reference) if reference else None
            entries.append(variant_entry(variant, out, float(f"{measured.error:.2e}") if measured else None))
            inputs = [value.name for value in variant.model.graph.input]
            print(measured or f"{graph.name:18s} {precision:6s}", flush=True)
        graphs[graph.name] = graph_entry(graph, inputs, entries)
    files = {name: copy_file(checkpoint / path, out) for name, path in pack.files.items()}
    if lyric_vocab:
        files["lyric_vocab"] = copy_file(lyric_vocab, out)
    if not pack.shared:  # LoRAs find their weights by it; packs that share one copy of weights take none
        files |= {f"recipe.{p}": write_recipe(out, pack, p, steps) for p, steps in recipes.items()}
    write_json(out / NAME, manifest(pack, graphs, files))
    size = sum(f.stat().st_size for f in out.iterdir())
    print(f"{out / NAME}: {len(graphs)} graphs, {size / 1e6:.1f} MB, {time.time() - started:.0f} s")
    return 0


def verify(out: Path, checkpoint: Path, min_quantised: int) -> int:
    pack, source = open_pack(checkpoint), Checkpoint(checkpoint)
    check(pack, source)
    listed = json.loads((out / NAME).read_text())
    failed = 0
    for graph in pack.graphs:
        reference = graph.load(source)
        for entry in listed["graphs"][graph.name]["variants"]:
            variant = make_variant(graph, entry["precision"], min_quantised, pack.shared)
            for ref in (entry["graph"], *entry["weights"]):
                if file_ref(out, ref["path"]) != {k: ref[k] for k in ("path", "bytes", "sha256")}:
                    raise ValueError(f"{out / ref['path']} is not the file that {NAME} describes; export again")
            if serialized(variant.model) != (out / variant.recipe["file"]).read_bytes():
                raise ValueError(
                    f"{variant.recipe['file']} was written by another version or --min-quantised; export again"
                )
            measured = measure(graph, variant.recipe, out, source, reference)
            failed += not measured.ok
            print(measured, flush=True)
    print(f"{failed} beyond tolerance" if failed else "all within tolerance")
    return 1 if failed else 0


def recipe(out: Path, checkpoint: Path | None, variants: list[str], id: str | None, min_quantised: int) -> int:
    pack = named(open_pack(checkpoint) if checkpoint else ace_step_v1.official_pack(), id)
    out.mkdir(parents=True, exist_ok=True)
    graphs: dict[str, Any] = {}
    recipes: dict[str, list[dict[str, Any]]] = {}
    for graph in pack.graphs:
        entries, inputs = [], []
        for precision in suited(graph, variants):
            variant = make_variant(graph, precision, min_quantised, pack.shared)
            (out / variant.recipe["file"]).write_bytes(serialized(variant.model))
            recipes.setdefault(precision, []).append(variant.recipe)
            entries.append(variant_entry(variant, out, None))
            inputs = [value.name for value in variant.model.graph.input]
        graphs[graph.name] = graph_entry(graph, inputs, entries)
        print(f"{graph.name}: {', '.join(e['precision'] for e in entries)}", flush=True)
    for precision, steps in recipes.items():
        write_recipe(out, pack, precision, steps)
    files = {name: {"path": path, "bytes": None, "sha256": None} for name, path in pack.files.items()}
    write_json(out / NAME, manifest(pack, graphs, files))
    write_json(out / SOURCES, ace_step_v1.OFFICIAL_SOURCES if checkpoint is None else local_sources(pack, checkpoint))
    return 0


def convert(
    checkpoint: Path, out: Path, precision: str, recipes: Path | None, lyric_vocab: Path | None = None
) -> int:  # fmt: skip
    pack, source = open_pack(checkpoint), Checkpoint(checkpoint)
    check(pack, source)
    if recipes is None and pack.id != ace_step_v1.OFFICIAL_ID:  # of another size: write fitting recipes first
        with tempfile.TemporaryDirectory() as folder:
            recipe(Path(folder), checkpoint, [precision, INSTEAD.get(precision, precision)], None, MIN_QUANTISED)
            return convert(checkpoint, out, precision, Path(folder), lyric_vocab)
    recipes = recipes or OFFICIAL_RECIPES
    listed = json.loads((recipes / NAME).read_text())
    out.mkdir(parents=True, exist_ok=True)
    for graph in pack.graphs:
        (chosen,) = suited(graph, [precision])
        steps = read_recipe(recipes, chosen)[graph.name]
        shutil.copyfile(recipes / steps["file"], out / steps["file"])
        write_weights(steps, source, out)
        entry = next(v for v in listed["graphs"][graph.name]["variants"] if v["precision"] == chosen)
        entry["weights"] = [w | file_ref(out, w["path"]) for w in entry["weights"]]
        listed["graphs"][graph.name]["variants"] = [entry]
        print(f"{graph.name:18s} {chosen:6s} {sum(w['bytes'] for w in entry['weights']) / 1e6:8.1f} MB", flush=True)
    listed["files"] |= {name: copy_file(checkpoint / path, out) for name, path in pack.files.items()}
    if lyric_vocab:
        listed["files"]["lyric_vocab"] = copy_file(lyric_vocab, out)
    write_json(out / NAME, listed)
    return 0


def seeded(out: Path, size: str, seed: int) -> int:
    checkpoints.write(out, size, seed)
    return 0


def restore(folder: Path, out: Path) -> int:
    stored = json.loads((folder / nano.SIZES).read_text())
    weights: dict[str, np.ndarray] = {}
    for graph in nano.graphs(stored):
        recipe = make_variant(graph, "fp16", shared=True).recipe
        weights |= {name: values.astype(np.float16) for name, values in decode(recipe, folder).items()}
    out.mkdir(parents=True, exist_ok=True)
    for name in nano.FILES.values():
        shutil.copyfile(folder / name, out / name)
    save_file({name: np.ascontiguousarray(values) for name, values in weights.items()}, out / nano.WEIGHTS)
    print(f"{out}: {sum(values.size for values in weights.values()) / 1e6:.2f} M parameters")
    return 0


# ---------------------------------------------------------------------------------------------------- helpers
def named(pack: Pack, id: str | None) -> Pack:
    return dataclasses.replace(pack, id=id) if id else pack


def suited(graph: Graph, wanted: list[str]) -> list[str]:
    """The wanted precisions that this graph has; a graph that has none of them takes the nearest of its own."""
    have = [p for p in wanted if p in graph.precisions]
    return have or list(dict.fromkeys(INSTEAD[p] for p in wanted if INSTEAD.get(p) in graph.precisions))


def serialized(model: onnx.ModelProto) -> bytes:
    return model.SerializeToString(deterministic=True)


def local_sources(pack: Pack, checkpoint: Path) -> dict[str, Any]:
    """sources.json of a checkpoint folder: what the application needs to install it from wherever it is served."""
    weights = dict.fromkeys(graph.file for graph in pack.graphs)
    files: list[dict[str, Any]] = [file_ref(checkpoint, path) for path in weights]
    files += [{**file_ref(checkpoint, path), "as": name} for name, path in pack.files.items()]
    return {"schema": 1, "base": "", "files": files}


def recipe_name(precision: str) -> str:
    return f"recipe.{precision}.json"


def write_recipe(folder: Path, pack: Pack, precision: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"schema": RECIPE_SCHEMA, "id": pack.id, "precision": precision, "graphs": steps}
    (folder / recipe_name(precision)).write_text(json.dumps(body, separators=(",", ":")) + "\n")
    return file_ref(folder, recipe_name(precision))


def read_recipe(folder: Path, precision: str) -> dict[str, dict[str, Any]]:
    """Graph name -> recipe."""
    path = folder / recipe_name(precision)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no recipe for {precision}; write it with `recipe --variants {precision}`")
    body = json.loads(path.read_text())
    if body["schema"] != RECIPE_SCHEMA:
        raise ValueError(f"{path}: recipe schema {body['schema']}, this exporter reads {RECIPE_SCHEMA}; write it again")
    return {steps["graph"]: steps for steps in body["graphs"]}
