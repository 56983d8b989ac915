"""Writes src/lib/text/fixtures/unigram.json.gz: a small SentencePiece model as a Hugging Face file, and what HF makes of texts.

Run: python export-scripts/tables/golden_unigram.py   (pip install sentencepiece protobuf tokenizers num2words; 10 s)
The model is trained here on number words, so nothing of the real UMT5 vocabulary enters the repository. Its character
map holds the NFKC forms of the alphabets below and is compiled by SentencePiece; the whole nmt_nfkc map, which UMT5
uses, gives equal ids too (`--nfkc`), but would make the fixture 378 kB.
"""

import base64
import gzip
import io
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece as spm
from num2words import num2words
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer

OUT = Path(__file__).parents[2] / "src/lib/text/fixtures/unigram.json.gz"
PROMPTS = ["funk, pop, soul, guitar, 105 BPM", "slow jazz waltz, piano trio, 96 bpm, A minor", "lo-fi  hip hop   beat", ""]
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz   ,.-#0123456789", "ABCÀÉÎÕÜßçñøœæ ", "абвгдежзийклмн ", "日本語の歌を聴く 、。ー", "한국어 노래 ",
    "ｆｕｌｌｗｉｄｔｈ　１２３", "ﬁﬂ½²™①㍿㌔", "e\u0301a\u0308u\u0328\u0301o\u0302", "Ａ\u0301ｂ\u0300", "👍🏽👩‍👩‍👧🇫🇷🎵", "\t\n\r\u00a0\u2003\u200b\ufeff",
    "नमस्ते मैं", "สวัสดี", "العربية ", "</s><unk>▁", "\x00\x01\x7f\u00ad",
]  # fmt: skip


def rules(path: Path) -> None:
    """SentencePiece rule file: code points and what they become, for every character and accented pair of ALPHABETS."""
    characters = {c for alphabet in ALPHABETS for c in alphabet if c not in "\x00▁<>"}
    keys = characters | {a + b for a in "aeouABCｂＡ" for b in characters if unicodedata.combining(b)}
    lines = []
    for key in sorted(keys):
        value = unicodedata.normalize("NFKC", key)
        value = "" if value in "\x01\x7f\u00ad\u200b\ufeff" else " " if value.isspace() else value
        if value != key:
            lines.append(" ".join(f"{ord(c):X}" for c in key) + "\t" + " ".join(f"{ord(c):X}" for c in value))
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    rng = random.Random(7)
    corpus = [num2words(rng.randrange(100000), lang=lang) for lang in ("en", "de", "fr", "ru", "ko", "ja", "es") for _ in range(400)]
    corpus += PROMPTS * 20
    model = io.BytesIO()
    table = Path(tempfile.mkdtemp()) / "rules.tsv"
    rules(table)
    normalizer = {"normalization_rule_name": "nmt_nfkc"} if "--nfkc" in sys.argv else {"normalization_rule_tsv": str(table)}
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, vocab_size=900, model_type="unigram", byte_fallback=True, minloglevel=2,
        character_coverage=0.995, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, **normalizer,
    )  # fmt: skip
    proto = pb.ModelProto.FromString(model.getvalue())
    vocabulary = [[p.piece, p.score] for p in proto.pieces]

    def added(identity: int, content: str, **kind: bool) -> dict:
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        return {"id": identity, "content": content, **flags, **kind}

    tokens = [added(0, "<pad>"), added(1, "</s>"), added(2, "<unk>")]
    tokens += [added(len(vocabulary), "<extra_id_0>", lstrip=True), added(len(vocabulary) + 1, "drum", normalized=True, single_word=True)]
    charsmap = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    steps = [{"type": "Precompiled", "precompiled_charsmap": charsmap}, {"type": "Strip", "strip_left": False, "strip_right": True}]
    steps.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    template = [{"Sequence": {"id": "A", "type_id": 0}}, end]
    file = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens,
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "post_processor": {"type": "TemplateProcessing", "single": template, "pair": [*template, {"Sequence": {"id": "B", "type_id": 0}}, end],
                           "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": None, "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": True},
    }  # fmt: skip
    texts = [*PROMPTS, " ", "drum, drums drum. <extra_id_0> x  <extra_id_0>", "long " * 300]
    for _ in range(400):
        texts.append("".join("".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(1, 6))) for _ in range(rng.randint(1, 8))))
    # The variants differ only in these fields; the second is what older converters wrote.
    variants = [
        {},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, file["pre_tokenizer"]]},
         "model": {**file["model"], "byte_fallback": False}, "normalizer": steps[0]},
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}, "normalizer": None},
    ]  # fmt: skip
    cases = []
    for variant in variants:
        tokenizer = Tokenizer.from_str(json.dumps({**file, **variant}))
        tokenizer.enable_truncation(256)
        cases.append([tokenizer.encode(text).ids for text in texts])
    for variant in variants:  # the vocabulary once
        if "model" in variant:
            variant["model"] = {"byte_fallback": False}
    data = json.dumps({"file": file, "variants": variants, "texts": texts, "ids": cases}, ensure_ascii=False, separators=(",", ":"))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(gzip.compress(data.encode(), 9, mtime=0))
    print(f"{OUT.name}: {len(texts)} texts, {len(variants)} variants, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
