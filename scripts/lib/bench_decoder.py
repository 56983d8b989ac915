"""A pack of the 3.5B model's dcae_decoder and vocoder with seeded weights, for scripts/bench/decoder.ts:

python scripts/lib/bench_decoder.py FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "export-scripts"))
from export_onnx.convert import convert
from export_onnx.families import ace_step_v1
from export_onnx.full_size import SeededCheckpoint
from export_onnx.manifest import NAME, graph_entry, manifest, variant_entry, write_json
from export_onnx.variants import make_variant


def main(folder: Path) -> None:
    pack = ace_step_v1.make_pack(ace_step_v1.OFFICIAL, "decoder")
    checkpoint, entries = SeededCheckpoint(pack), {}
    for name in ("dcae_decoder", "vocoder"):
        graph = pack.graph(name)
        variant = make_variant(graph, "fp32")
        (folder / variant.recipe["file"]).write_bytes(variant.model.SerializeToString())
        convert(variant.recipe, checkpoint, folder)
        inputs = [value.name for value in variant.model.graph.input]
        entries[name] = graph_entry(graph, inputs, [variant_entry(variant, folder, None)])
    write_json(folder / NAME, manifest(pack, entries, {}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
