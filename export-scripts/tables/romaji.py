"""Writes public/data/lyrics/romaji.bin: UniDic (unidic-lite 1.0.8) as words with their romaji (cutlet 0.5.2).

Run: python export-scripts/tables/romaji.py   (pip install cutlet==0.5.2 unidic-lite==1.0.8 numpy; 1 min, 4 GB)
All words and their exact costs are kept; the 71 MB matrix of connection costs becomes a product of two thin ones.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cutlet
import numpy as np
import unidic_lite
from cutlet.cutlet import has_foreign_lemma, normalize_text
from pack import write

FOLDER = Path(unidic_lite.DICDIR)
RANK = 64  # leaves a root mean square error of 46 in costs that vary by 1580
FIELDS = ["pos1", "pos2", "pos3", "pos4", "cType", "cForm", "lForm", "lemma", "orth", "pron", "orthBase", "pronBase", "goshu", "iType", "iForm", "fType", "fForm", "kana", "kanaBase", "form", "formBase", "iConType", "fConType", "aType", "aConType", "aModType"]
# How a word sits among its neighbours; src/lib/text/japanese.ts has the same bits.
PREFIX, ATTACHED, CONJUNCTION, INFLECTED, AUXILIARY, FOREIGN_PREFIX = 1, 2, 4, 8, 16, 32
TOKEN = np.dtype([("left", "<u2"), ("right", "<u2"), ("pos", "<u2"), ("cost", "<i2"), ("feature", "<u4"), ("compound", "<u4")])


def entries(path: Path) -> Iterator[tuple[str, int, int, int, list[str]]]:
    """surface, left id, right id, cost, feature fields of a compiled MeCab dictionary, in its order per surface."""
    data = path.read_bytes()
    *_, trie_bytes, token_bytes, _, _ = struct.unpack("<10I", data[:40])
    trie = np.frombuffer(data, "<u4", trie_bytes // 4, 72).reshape(-1, 2)
    tokens = np.frombuffer(data, TOKEN, token_bytes // TOKEN.itemsize, 72 + trie_bytes)
    features = 72 + trie_bytes + token_bytes
    # The children of a state are the units whose check value is its base.
    order = np.argsort(trie[:, 1], kind="stable")
    bases, starts = np.unique(trie[order, 1], return_index=True)
    ends = np.append(starts[1:], len(order))
    children = {base: (low, high) for base, low, high in zip(bases.tolist(), starts.tolist(), ends.tolist(), strict=True) if base}
    stack = [(int(trie[0, 0]), b"")]
    while stack:
        base, key = stack.pop()
        low, high = children.get(base, (0, 0))
        for unit in order[low:high].tolist():
            byte = unit - base - 1
            value = int(trie[unit, 0])
            if byte == -1:
                found = 0xFFFFFFFF - value
                for token in tokens[found >> 8 : (found >> 8) + (found & 0xFF)].tolist():
                    left, right, _, cost, feature, _ = token
                    at = features + feature
                    text = data[at : data.index(b"\0", at)].decode()
                    yield key.decode(), left, right, cost, text.split(",")
            elif 0 <= byte < 256:
                stack.append((value, key + bytes([byte])))


def word(surface: str, fields: list[str]) -> SimpleNamespace:
    named = {name: None if i >= len(fields) or fields[i] == "*" else fields[i] for i, name in enumerate(FIELDS)}
    return SimpleNamespace(surface=surface, is_unk=False, char_type=0, feature=SimpleNamespace(**named))


def flags(node: SimpleNamespace, romaji: str) -> int:
    kind, kind2 = node.feature.pos1, node.feature.pos2
    return (
        PREFIX * (kind == "接頭辞")
        + ATTACHED * (kind in ("補助記号", "接尾辞"))
        + CONJUNCTION * (kind2 == "接続助詞")
        + INFLECTED * (kind in ("動詞", "助動詞", "形容詞"))
        + AUXILIARY * (kind == "助動詞" and node.surface != "です")
        + FOREIGN_PREFIX * (romaji.endswith("-") and bool(has_foreign_lemma(node)))
    )


def front_coded(texts: list[str]) -> tuple[np.ndarray, str]:
    """Per text: how many UTF-16 units it shares with the one before, and the rest."""
    shared, rests, before = [], [], b""
    for text in texts:
        units = text.encode("utf-16-be")
        n = 0
        while n < min(len(units), len(before), 510) and units[n : n + 2] == before[n : n + 2]:
            n += 2
        if n and 0xD8 <= units[n - 2] < 0xDC:
            n -= 2  # not through a surrogate pair
        shared.append(n // 2)
        rests.append(units[n:].decode("utf-16-be"))
        before = units
    return np.array(shared, "u1"), "\n".join(rests)


def contexts() -> dict[str, np.ndarray]:
    """cost(right id of the word before, left id of the word after) ~ before[right] . after[left], both scaled integers."""
    size = struct.unpack("<HH", (FOLDER / "matrix.bin").read_bytes()[:4])[0]
    matrix = np.fromfile(FOLDER / "matrix.bin", "<i2", offset=4).reshape(size, size).T.astype(np.float32)  # [right, left]
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((size, RANK + 32)).astype(np.float32)
    for _ in range(2):  # subspace iteration
        basis = np.linalg.qr(matrix.T @ np.linalg.qr(matrix @ basis)[0])[0]
    u, s, vt = np.linalg.svd(matrix @ basis, full_matrices=False)
    before, after = u[:, :RANK] * np.sqrt(s[:RANK]), (vt @ basis.T)[:RANK].T * np.sqrt(s[:RANK])
    out, scales = {}, np.ones(RANK, np.float32)
    for name, half in (("before", before), ("after", after)):
        scale = np.abs(half).max(0) / 32767
        classes, place = np.unique(np.round(half / scale).astype("<i2"), axis=0, return_inverse=True)
        out |= {name: classes, f"{name}Class": place.astype("<u2").ravel()}
        scales *= scale
    error = matrix - (out["before"][out["beforeClass"]] * scales).astype(np.float32) @ out["after"][out["afterClass"]].T.astype(np.float32)
    print(f"connection costs: root mean square error {np.sqrt((error**2).mean()):.0f}")
    return out | {"scales": scales.astype("<f4")}


def characters() -> tuple[list[dict], np.ndarray]:
    """MeCab's character kinds, and the kind of each UTF-16 unit."""
    data = (FOLDER / "char.bin").read_bytes()
    count = struct.unpack("<I", data[:4])[0]
    names = [data[4 + 32 * i : 36 + 32 * i].split(b"\0")[0].decode() for i in range(count)]
    infos, place = np.unique(np.frombuffer(data, "<u4", 0xFFFF, 4 + 32 * count), return_inverse=True)
    unknown: dict[str, list] = {name: [] for name in names}
    for name, left, right, cost, fields in entries(FOLDER / "unk.dic"):
        unknown[name].append([left, right, cost, flags(word("", fields), "")])
    kinds = []
    for info in infos.tolist():
        name = names[info >> 18 & 0xFF]
        kinds.append({
            "name": name, "kinds": info & 0x3FFFF, "length": info >> 26 & 0xF, "group": bool(info >> 30 & 1),
            "invoke": bool(info >> 31), "unknown": unknown[name],
        })  # fmt: skip
    return kinds, np.append(place, place[0]).astype("u1")


def main() -> None:
    katsu = cutlet.Cutlet()
    best: dict[tuple[str, int, int], tuple[int, str, int]] = {}
    for surface, left, right, cost, fields in entries(FOLDER / "sys.dic"):
        if normalize_text(surface) != surface:
            continue  # never met: lines are normalised first
        node = word(surface, fields)
        try:
            romaji = katsu.romaji_word(node).lower()
        except KeyError:
            continue  # four words with kana that Hepburn has no letters for
        key = (surface, left, right)
        if key not in best or cost < best[key][0]:  # of equals the first wins, as in MeCab
            best[key] = (cost, romaji, flags(node, romaji))
    rows = sorted(((*key, *value) for key, value in best.items()), key=lambda r: (r[0].encode("utf-16-be"), r[3]))
    surfaces = list(dict.fromkeys(row[0] for row in rows))
    counts = {surface: 0 for surface in surfaces}
    for row in rows:
        counts[row[0]] += 1
    kinds = sorted({(left, right, bits) for _, left, right, _, _, bits in rows})
    place = {kind: i for i, kind in enumerate(kinds)}
    shared, rests = front_coded(surfaces)
    romaji_shared, romaji_rests = front_coded([row[4] for row in rows])
    character_kinds, character_map = characters()
    arrays = {
        "shared": shared, "rests": rests, "counts": np.array([counts[s] for s in surfaces], "u1"),
        "kind": np.array([place[(r[1], r[2], r[5])] for r in rows], "<u2"), "cost": np.array([r[3] for r in rows], "<i2"),
        "romajiShared": romaji_shared, "romajiRests": romaji_rests,
        "left": np.array([k[0] for k in kinds], "<u2"), "right": np.array([k[1] for k in kinds], "<u2"),
        "flags": np.array([k[2] for k in kinds], "u1"), "characters": character_map, **contexts(),
    }  # fmt: skip
    kana = {k: v for k, v in cutlet.mapping.HEPBURN.items()}
    meta = {"source": "unidic-lite 1.0.8, cutlet 0.5.2", "rank": RANK, "characters": character_kinds, "kana": kana, "exceptions": katsu.exceptions}
    print(f"{len(rows)} words, {len(surfaces)} spellings, {len(kinds)} kinds")
    write("romaji.bin", meta, arrays)


if __name__ == "__main__":
    main()
