"""Writes public/data/lyrics/pinyin.bin: readings of Chinese characters and phrases from pypinyin 0.53.0.

Run: python export-scripts/tables/pinyin.py   (pip install pypinyin==0.53.0 numpy; 20 s)
Syllables are stored as the lyric reference writes them: tone digit at the end, 5 for the neutral tone, v for ü.
"""

import numpy as np
from pack import write
from pypinyin import Style
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT, RE_HANS
from pypinyin.converter import UltimateConverter
from pypinyin.core import Pinyin

CONVERTER = Pinyin(UltimateConverter(neutral_tone_with_five=True))._converter


def read(word: str) -> list[str]:
    """A word's syllables, first reading each; without segmenting it."""
    return [p[0] for p in CONVERTER.convert(word, Style.TONE3, False, "default", strict=True)]


def main() -> None:
    syllables: dict[str, int] = {"": 0}
    characters = {ord(c): read(c)[0] for c in map(chr, sorted(PINYIN_DICT)) if RE_HANS.match(c)}
    for syllable in sorted(set(characters.values())):
        syllables.setdefault(syllable, len(syllables))
    # A phrase with punctuation inside is never met whole, but the segmentation follows its beginning.
    phrases = sorted((p for p in PHRASES_DICT), key=lambda p: p.encode("utf-16-be"))
    readings: list[int] = []
    for phrase in phrases:
        spoken = read(phrase) if RE_HANS.match(phrase) else list(phrase)
        if len(spoken) != len(phrase):
            spoken = ["".join(spoken)] + [""] * (len(phrase) - 1)
        for character, syllable in zip(phrase, spoken, strict=True):
            # 0: as the character alone; mostly so, which packs well.
            same = characters.get(ord(character), character) == syllable
            readings.append(0 if same else 1 + syllables.setdefault(syllable, len(syllables)))
    codes = np.array(list(characters), "<u4")
    arrays = {
        "syllables": "\n".join(syllables),
        "steps": np.diff(codes, prepend=np.uint32(0)).astype("<u4"),
        "spoken": np.array([syllables[s] for s in characters.values()], "<u2"),
        "phrases": "\n".join(phrases),
        "readings": np.array(readings, "<u2"),
    }
    write("pinyin.bin", {"source": "pypinyin 0.53.0"}, arrays)


if __name__ == "__main__":
    main()
