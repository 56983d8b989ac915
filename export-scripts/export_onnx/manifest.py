"""manifest.json of a pack, as src/lib/manifest.ts reads it (schema 1)."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .pack import Graph, Pack
from .variants import PRECISIONS, Variant

SCHEMA = 1
NAME = "manifest.json"


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_ref(folder: Path, path: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    with (folder / path).open("rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return {"path": path, "bytes": (folder / path).stat().st_size, "sha256": digest.hexdigest()}


def variant_entry(variant: Variant, folder: Path, error: float | None) -> dict[str, Any]:
    """One element of GraphSpec.variants. Weight files that are not there yet (a recipe) have the hash null."""
    recipe, spec = variant.recipe, PRECISIONS[variant.recipe["precision"]]
    weights = []
    for shard in recipe["shards"]:
        exists = (folder / shard["path"]).exists()
        ref = (
            file_ref(folder, shard["path"])
            if exists
            else {"path": shard["path"], "bytes": shard["bytes"], "sha256": None}
        )
        widen = {"widen": recipe["widen"]} if "widen" in recipe else {}
        weights.append({**ref, "location": shard["path"], **widen})
    return {
        "precision": recipe["precision"],
        "graph": file_ref(folder, recipe["file"]),
        "weights": weights,
        "needs": {
            "providers": spec.providers,
            "features": spec.features,
            "bufferBytes": variant.largest,
            "memoryBytes": variant.memory,
        },
        "error": error,
    }


def graph_entry(graph: Graph, inputs: Sequence[str], variants: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One GraphSpec, with the variants in the graph's order of preference."""
    order = {precision: i for i, precision in enumerate(graph.precisions)}
    return {
        "inputs": list(inputs),
        "outputs": list(graph.outputs),
        "keep": list(graph.keep),
        "variants": sorted(variants, key=lambda v: order[v["precision"]]),
    }


def manifest(pack: Pack, graphs: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": pack.id,
        "family": pack.family,
        "title": pack.title,
        "description": pack.description,
        "license": pack.license,
        "source": {"repo": pack.repo, "revision": pack.revision},
        "config": pack.config,
        "files": files,
        "graphs": graphs,
    }


def copy_file(source: Path, folder: Path) -> dict[str, Any]:
    """Copies a tokenizer or the like beside the manifest and describes it."""
    shutil.copyfile(source, folder / source.name)
    return file_ref(folder, source.name)
