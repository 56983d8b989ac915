"""Writes src/lib/text/fixtures/lyrics.json.gz: random lines, the language the official code finds, and how it spells them.

Run: python export-scripts/tables/golden_lyrics.py PATH_OF_ACE_STEP   (1 min)
Needs a checkout of ACE-Step v1 (its language_segmentation and lyrics_utils packages) and, as the tables do,
pip install num2words==0.5.14 py3langid==0.3.0 pypinyin==0.53.0 hangul-romanize==0.1.0 cutlet==0.5.2 unidic-lite==1.0.8
tokenizers. torch and spacy are imported by the official code but not used here, so empty modules stand in for them.
"""

import gzip
import importlib
import json
import random
import re
import sys
import types
from pathlib import Path

OUT = Path(__file__).parents[2] / "src/lib/text/fixtures/lyrics.json.gz"
LYRICS = {
    "en": "Neon lights they flicker bright|City hums in dead of night|I can't stop believin' in you, Dr. Jones|Hello Mr. Smith & Mrs. Brown @ the Café|"
          "Don't you know that I'm losing my MIND|She said: \"I'll be back\" and walked away|It's a long, long road... from Sgt. Pepper Ltd.",
    "de": "Über den Wolken ist die Freiheit grenzenlos|Ich liebe dich für immer und ewig|Herr Dr. Müller wohnt in St. Gallen|Wir tanzen durch die Straßen der Stadt",
    "fr": "Je t'aime à la folie, mon cœur s'envole|L'été dernier, où étais-tu?|Bonjour Mme. Dupont et Mr. Durand|J'ai froid aujourd'hui",
    "es": "Mañana será otro día, ¿qué pasó?|Corazón, te quiero mucho|La Sra. García y el Dr. López bailan|¡Ay, ay, ay, canta y no llores!",
    "it": "Volare nel cielo dipinto di blu|Perché non mi ami più?|Il Sig. Rossi è qui, c'è anche Dr. Bianchi",
    "pt": "Eu não sei o que dizer, meu coração|Saudade da minha terra|O Sr. Silva e a Dra. Costa dançam no São João",
    "pl": "Kocham cię najbardziej na świecie|Żółta łódź podwodna płynie|Dzień dobry, P. Kowalski i M. Nowak",
    "tr": "Seni çok seviyorum, İstanbul güzel|Gözlerin doğuyor gecelerime|Dr. Ayşe ve B. Yılmaz ÖĞRENCİ",
    "ru": "Вчера я видел сон о тебе|Д-р Смирнов и г-н Иванов, г-жа Петрова|Ёлка, любовь & жизнь",
    "cs": "Miluji tě, příliš žluťoučký kůň|Dr. Novák a P. Svoboda, ing. Dvořák",
    "nl": "Ik hou van jou, mijn liefste schat|Dhr. Jansen en Mevr. de Vries|Het is een lange nacht",
    "ar": "أنا أحبك يا حبيبي|كان هناك جنديًا في البيت|يا ليل يا عين، غني معي",
    "hu": "Szeretlek téged örökké|Tavaszi szél vizet áraszt|Dr. Szabó és b. Nagy, nőv. Kiss",
    "ko": "안녕하세요 세계|사랑해요 너를 영원히 기억할게|너를 사랑해 baby 오늘도|읽다 닭 값이 없어요",
    "ja": "こんにちは世界、今日はいい天気ですね|君の名前を呼びたい|東京タワーで会いましょう|ラララ 夜空の星よ|今日はHappyな日|桜の花びらが舞い散る|涙が止まらない夜に|明日また会えると信じてる",
    "zh": "我走过深夜的街道|冷风吹乱思念的漂亮外套，你好！|行长在银行行走，重庆很重要，音乐使人快乐|愛與夢想永遠在心中|得到了，还给我吧|单于和单独",
    "hi": "मैं तुमसे प्यार करता हूँ|दिल से|तुम ही हो",
    "th": "ฉันรักเธอ", "el": "Σ' αγαπώ για πάντα|Ο ΗΛΙΟΣ", "he": "אני אוהב אותך", "uk": "Я тебе кохаю назавжди", "vi": "Tôi yêu em mãi mãi",
}  # fmt: skip
ORDINALS = {
    "en": "st nd rd th", "es": "º ª er o os", "fr": "er re e ème", "de": ". º", "pt": "º ª o as", "it": "º ° ª i", "pl": "º st", "ar": "ون ث",
    "ru": "-й -я -го", "nl": "de ste e", "tr": ". inci üncü", "hu": ". adik edik", "ko": "번째 차",
}  # fmt: skip
ODD = "3:45|12/5|2024-05-01|90's|24/7|#1|007|36.6°|1/3|50％|2)|V2|1999年10月3日|20块钱|3点30分|5个人|3.5万|200斤|10%|b2b|13800138000"


def number(rng: random.Random, language: str) -> str:
    n = rng.randrange(10 ** rng.choice([1, 2, 3, 4, 6, 9, 13]))
    forms = [
        str(n), f"{n:,}", f"{n:,}".replace(",", "."), f"{n % 10000}.{rng.randrange(1000)}", f"{n % 10000},{rng.randrange(100):02d}",
        rng.choice("$£€") + str(n % 100000), f"{n % 1000}.{rng.randrange(100):02d}" + rng.choice("$£€"), f"{n % 100}%", rng.choice(ODD.split("|")),
    ]  # fmt: skip
    if language in ORDINALS:
        forms += [str(n % 2000) + rng.choice(ORDINALS[language].split())] * 2
    return rng.choice(forms)


def line(rng: random.Random, language: str) -> str:
    parts = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        text = rng.choice(LYRICS[language if rng.random() < 0.8 else rng.choice(list(LYRICS))].split("|"))
        cut = rng.randrange(len(text) // 2)
        text = rng.choice([text, text, text[cut:], text[:-cut] if cut else text, text.upper()])
        if rng.random() < 0.5:
            text = rng.choice(["{0} {1}", "{1} {0}", "{0}{1}", "{0}, {1}"]).format(text, number(rng, language))
        parts.append(rng.choice(["{}"] * 12 + ["({})", '"{}"', "“{}”", "「{}」", "'{}'", "<ja>{}</ja>"]).format(text))
    return rng.choice(["", "", "", "[verse] ", "- ", "🎵 "]) + rng.choice([" ", ", ", "。", "，", " - ", "... ", "! ", ""]).join(parts)


def official(folder: Path) -> types.SimpleNamespace:
    for name, classes in {
        "torch": ["Tensor"], "spacy": [], "spacy.lang": [], "spacy.lang.ar": ["Arabic"], "spacy.lang.en": ["English"],
        "spacy.lang.es": ["Spanish"], "spacy.lang.ja": ["Japanese"], "spacy.lang.zh": ["Chinese"],
    }.items():  # fmt: skip
        sys.modules[name] = module = types.ModuleType(name)
        for item in classes:
            setattr(module, item, type(item, (), {}))
    found = next(folder.rglob("lyrics_utils/lyric_tokenizer.py")).parent
    package = types.ModuleType("lyrics_utils")
    package.__path__ = [str(found)]  # without running its __init__, which loads the network
    sys.modules["lyrics_utils"] = package
    sys.path[:0] = [str(next(folder.rglob("language_segmentation")).parent)]
    tokenizer = importlib.import_module("lyrics_utils.lyric_tokenizer").VoiceBpeTokenizer()
    segmentation = importlib.import_module("language_segmentation")
    segment = segmentation.LangSegment()
    segment.setfilters(segmentation.language_filters.default)
    return types.SimpleNamespace(tokenizer=tokenizer, segment=segment)


def main(folder: Path) -> None:
    code = official(folder)
    rng = random.Random(3)
    supported = set("ar cs de en es fr hi hu it ja ko nl pl pt ru tr zh".split())
    cases = []
    for i in range(900):
        text = line(rng, list(LYRICS)[i % len(LYRICS)]).strip()
        try:
            code.segment.getTexts(text)
            counts = code.segment.getCounts()
            language = counts[1][0] if len(counts) > 1 and counts[0][0] == "en" else counts[0][0]
        except Exception:  # noqa: BLE001 - the official pipeline takes the line for English
            counts, language = None, "en"
        used = "en" if language not in supported or re.match(r"\[.*?\]", text) else language
        cases.append([text, counts, used, code.tokenizer.preprocess_text(text, used)])
    OUT.write_bytes(gzip.compress(json.dumps(cases, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{OUT.name}: {len(cases)} lines, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
