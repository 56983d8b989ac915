"""Writes src/lib/text/fixtures/numbers.json.gz: what num2words 0.5.14 makes of numbers in 13 languages.

Run: python export-scripts/tables/golden_numbers.py   (pip install num2words==0.5.14; 20 s)
Each case is [language, kind, number, words], words null where num2words raises.
"""

import gzip
import json
import random
import sys
from pathlib import Path

from num2words import num2words

OUT = Path(__file__).parents[2] / "src/lib/text/fixtures/numbers.json.gz"
LANGUAGES = ["ar", "de", "en", "es", "fr", "hu", "it", "ko", "nl", "pl", "pt", "ru", "tr"]
KINDS = {
    "cardinal": lambda n, lang: num2words(int(n), lang=lang),
    "ordinal": lambda n, lang: num2words(int(n), lang=lang, ordinal=True),
    "decimal": lambda n, lang: num2words(float(n), lang=lang),
    **{c: lambda n, lang, c=c: num2words(float(n), to="currency", currency=c, lang=lang) for c in ("USD", "EUR", "GBP")},
}


def main(count: int) -> None:
    rng = random.Random(11)
    steps = [10**k * m for k in range(25) for m in (1, 2, 3, 5, 8, 11, 12, 21, 100, 101, 200)]
    near = [n + d for n in steps for d in (0, 1, 2, 100, 1000, 20000)]
    cases = []
    for language in LANGUAGES:
        whole = [*range(35), *rng.sample(range(35, 2100), count), *rng.sample(near, count)]
        whole += [rng.randrange(10 ** rng.randint(4, 24)) for _ in range(count)] + [10**70, 10**200, 10**700]
        small = [f"{rng.randrange(10 ** rng.randint(1, 7))}.{rng.randrange(10 ** (d := rng.randint(1, 4))):0{d}d}" for _ in range(count)]
        small += ["0.0", "0.5", "0.05", "1.0", "2.0", "0.001", "1.005", "2.675", "1000000.0", "12345678.9", "0.00001", "0.125", "100.01", "1.99"]
        kinds = {"cardinal": whole, "ordinal": whole, "decimal": small, "USD": small, "EUR": small, "GBP": small}
        for kind, numbers in kinds.items():
            if language == "tr" and kind == "decimal":
                continue  # the lyric rules never ask for it
            for n in numbers:
                try:
                    words = KINDS[kind](n, language)
                except Exception:  # noqa: BLE001 - whatever num2words raises counts as "cannot say"
                    words = None
                cases.append([language, kind, str(n), words])
    data = json.dumps(cases, ensure_ascii=False, separators=(",", ":")).encode()
    OUT.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{OUT.name}: {len(cases)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
