"""Writes public/data/lyrics/langid.bin: the language model of py3langid 0.3.0.

Run: python export-scripts/tables/langid.py   (pip install py3langid==0.3.0 numpy; 5 s)
Kept in full float32: the best two languages of a short line often differ by less than half precision shows.
"""

import lzma
import pickle
from pathlib import Path

import numpy as np
import py3langid.langid as source
from pack import write


def main() -> None:
    with lzma.open(Path(source.__file__).parent / "data/model.plzma") as file:
        likelihood, prior, languages, moves, outputs = pickle.load(file)
    table = np.array(moves, "<u2").reshape(-1, 256)
    # Most moves of a state are those of the start state: only the exceptions are kept, a row per state.
    state, byte = np.nonzero(table != table[0])
    rows = np.searchsorted(state, np.arange(len(table) + 1))
    lists = [outputs.get(i, ()) for i in range(len(table))]
    arrays = {
        "root": table[0],
        "rows": rows.astype("<u4"),
        "bytes": byte.astype("<u2"),
        "targets": table[state, byte],
        "outputs": np.cumsum([0, *map(len, lists)]).astype("<u2"),
        "features": np.array([feature for found in lists for feature in found], "<u2"),
        "prior": np.array(prior, "<f4"),
        "likelihood": np.array(likelihood, "<f4"),
    }
    write("langid.bin", {"source": "py3langid 0.3.0", "languages": languages}, arrays)


if __name__ == "__main__":
    main()
