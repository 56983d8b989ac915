"""Words of nano: how a composition is described, and how a description becomes word ids.

Captions are made when a clip is loaded, not when it is rendered: the same music is described in many wordings, so that
prompts in other words than the composer's own still find it. The vocabulary is closed: every word of the tables below,
numbers from 40 to 220 (tempo) and key names; unknown words are dropped.
"""

import random
import re

from model import MAX_WORDS, NULL_WORD

# Genre of the composer -> its other names. The planner recognises the same names in prompts.
GENRE_NAMES: dict[str, tuple[str, ...]] = {
    "lofi hip-hop": ("lo-fi hip hop", "lofi", "lo-fi beats", "chillhop", "hip hop", "boom bap"),
    "ambient": ("ambient music", "drone", "new age", "soundscape", "atmospheric"),
    "techno": ("minimal techno", "acid techno", "electronic", "rave"),
    "house": ("deep house", "piano house", "club", "edm", "dance"),
    "trance": ("uplifting trance", "progressive trance", "eurodance"),
    "synthwave": ("retrowave", "outrun", "80s synth", "synth pop", "synthpop", "new wave"),
    "drum and bass": ("drum n bass", "dnb", "jungle", "breakbeat", "liquid drum and bass"),
    "trap": ("trap beat", "drill", "rap beat", "808 beat"),
    "rock": ("rock music", "indie rock", "alternative rock", "punk", "hard rock", "grunge", "rock and roll"),
    "metal": ("heavy metal", "thrash metal", "metalcore"),
    "pop": ("pop song", "indie pop", "dance pop", "radio pop", "electropop"),
    "jazz swing": ("swing", "swing jazz", "bebop", "jazz", "big band"),
    "jazz ballad": ("slow jazz", "jazz trio", "lounge jazz", "smooth jazz"),
    "blues": ("blues rock", "slow blues", "shuffle blues", "boogie"),
    "funk": ("funk groove", "funky", "slap funk"),
    "disco": ("nu disco", "70s disco", "disco funk"),
    "soul": ("neo soul", "rnb", "r&b", "rhythm and blues", "motown", "gospel"),
    "reggae": ("dub", "roots reggae", "ska", "dancehall"),
    "salsa": ("latin", "mambo", "cuban", "son montuno", "cha cha", "merengue"),
    "bossa nova": ("bossa", "samba", "brazilian", "latin jazz"),
    "country": ("bluegrass", "americana", "country western", "honky tonk"),
    "acoustic folk": ("folk", "indie folk", "singer songwriter", "acoustic", "campfire"),
    "celtic": ("irish", "scottish", "celtic folk", "jig", "medieval", "fantasy"),
    "waltz": ("ballroom", "viennese waltz", "musette"),
    "piano ballad": ("solo piano", "piano solo", "ballad", "piano music", "neoclassical"),
    "orchestral": (
        "cinematic",
        "film score",
        "soundtrack",
        "symphonic",
        "classical",
        "trailer music",
        "epic orchestra",
    ),
    "chiptune": ("8-bit", "8 bit", "video game", "game music", "arcade"),
    "world percussion": ("world music", "african", "afrobeat", "tribal", "ethnic", "caribbean", "indian"),
}

INSTRUMENT_NAMES: dict[str, tuple[str, ...]] = {
    "piano": ("grand piano", "acoustic piano", "keys"),
    "electric piano": ("rhodes", "e piano", "wurlitzer", "keys"),
    "vibraphone": ("vibes", "mallets"),
    "marimba": ("xylophone", "mallets"),
    "tubular bells": ("bells", "chimes"),
    "organ": ("hammond organ", "church organ"),
    "rock organ": ("hammond organ", "organ"),
    "accordion": ("musette accordion", "bandoneon"),
    "harmonica": ("blues harp",),
    "nylon guitar": ("classical guitar", "acoustic guitar", "spanish guitar", "guitar"),
    "steel guitar": ("acoustic guitar", "steel string guitar", "guitar"),
    "jazz guitar": ("hollow body guitar", "guitar"),
    "electric guitar": ("clean guitar", "clean electric guitar", "guitar"),
    "muted guitar": ("palm muted guitar", "rhythm guitar", "guitar"),
    "overdriven guitar": ("overdrive guitar", "crunch guitar", "electric guitar"),
    "distorted guitar": ("distortion guitar", "heavy guitar", "fuzz guitar", "electric guitar"),
    "upright bass": ("double bass", "acoustic bass", "bass"),
    "electric bass": ("bass guitar", "bass", "finger bass"),
    "picked bass": ("bass guitar", "bass"),
    "fretless bass": ("bass guitar", "bass"),
    "slap bass": ("slapped bass", "bass"),
    "synth bass": ("808 bass", "sub bass", "bass"),
    "acid bass": ("303 bass", "synth bass", "bass"),
    "violin": ("solo violin", "strings"),
    "cello": ("solo cello", "strings"),
    "contrabass": ("double bass", "bass"),
    "harp": ("celtic harp",),
    "strings": ("string section", "string ensemble", "orchestra"),
    "slow strings": ("warm strings", "string section", "strings"),
    "synth strings": ("string machine", "strings", "pad"),
    "choir": ("vocal choir", "choral voices", "voices"),
    "trumpet": ("muted trumpet", "horn", "brass"),
    "trombone": ("slide trombone", "brass"),
    "french horn": ("horns", "horn"),
    "brass": ("brass section", "horns", "horn section"),
    "synth brass": ("brass synth", "synth"),
    "saxophone": ("sax", "tenor sax", "alto sax"),
    "oboe": ("woodwind",),
    "clarinet": ("woodwind",),
    "piccolo": ("tin whistle", "whistle"),
    "flute": ("woodwind", "flutes"),
    "pan flute": ("panpipes", "bamboo flute"),
    "square synth": ("pulse synth", "8-bit lead", "chip lead", "synth"),
    "saw synth": ("sawtooth synth", "lead synth", "synth"),
    "synth lead": ("lead synth", "synth", "analog lead"),
    "new age pad": ("synth pad", "pad"),
    "warm pad": ("synth pad", "analog pad", "pad", "pads"),
    "polysynth": ("analog synth", "synth chords", "synth"),
    "choir pad": ("vocal pad", "pad"),
    "halo pad": ("synth pad", "shimmer pad", "pad"),
    "sitar": ("indian sitar",),
    "banjo": ("bluegrass banjo",),
    "kalimba": ("thumb piano", "mbira"),
    "bagpipe": ("bagpipes",),
    "fiddle": ("violin", "country fiddle"),
    "steel drums": ("steelpan", "steel pan"),
    "timpani": ("orchestral percussion", "kettle drums"),
    "drums": ("drum kit", "beat", "percussion", "drum machine", "drum beat"),
}

MOOD_NAMES: dict[str, tuple[str, ...]] = {
    "aggressive": ("angry", "intense", "brutal"),
    "ancient": ("old", "medieval"),
    "anthemic": ("stadium", "epic"),
    "bright": ("cheerful", "sunny"),
    "calm": ("peaceful", "quiet", "serene", "soft"),
    "catchy": ("hooky", "fun"),
    "cheerful": ("happy", "joyful"),
    "chill": ("chilled", "laid-back", "lazy", "cozy"),
    "cinematic": ("dramatic", "epic"),
    "cool": ("stylish", "slick"),
    "dancing": ("lively", "danceable"),
    "dark": ("gloomy", "sinister", "ominous"),
    "dramatic": ("tense", "intense"),
    "dreamy": ("floating", "hazy", "soft"),
    "driving": ("pulsing", "relentless"),
    "elegant": ("refined", "classy"),
    "emotional": ("heartfelt", "moving", "touching"),
    "energetic": ("high energy", "powerful", "upbeat", "exciting"),
    "epic": ("grand", "huge", "majestic"),
    "ethereal": ("airy", "heavenly", "spacey"),
    "euphoric": ("ecstatic", "uplifting"),
    "exotic": ("mysterious", "oriental"),
    "fast": ("quick", "rapid"),
    "festive": ("party", "celebration"),
    "funky": ("groovy", "tight"),
    "futuristic": ("sci-fi", "cyberpunk", "neon"),
    "gentle": ("soft", "tender", "light"),
    "glamorous": ("sparkling", "shiny"),
    "graceful": ("elegant", "flowing"),
    "gritty": ("raw", "rough", "dirty"),
    "groovy": ("danceable", "bouncy"),
    "happy": ("joyful", "cheerful", "feel good"),
    "heavy": ("hard", "massive"),
    "heroic": ("triumphant", "adventurous"),
    "honest": ("simple", "sincere"),
    "hot": ("fiery", "spicy"),
    "hypnotic": ("repetitive", "trancelike"),
    "intimate": ("close", "quiet", "personal"),
    "joyful": ("happy", "merry"),
    "laid-back": ("relaxed", "easy going", "mellow"),
    "late-night": ("midnight", "night"),
    "lively": ("spirited", "upbeat"),
    "meditative": ("meditation", "spiritual", "zen"),
    "melancholic": ("sad", "wistful", "melancholy"),
    "mellow": ("smooth", "soft", "warm"),
    "menacing": ("threatening", "evil"),
    "moody": ("brooding", "atmospheric"),
    "mystical": ("magical", "mysterious", "fantasy"),
    "nostalgic": ("wistful", "rainy", "memories", "vintage"),
    "playful": ("fun", "quirky", "cute"),
    "powerful": ("strong", "intense"),
    "raw": ("rough", "live"),
    "rebellious": ("wild", "defiant"),
    "relaxed": ("relaxing", "calm", "easy"),
    "retro": ("vintage", "80s", "old school"),
    "romantic": ("love", "tender"),
    "rustic": ("rural", "homely"),
    "sad": ("sorrowful", "lonely", "melancholic"),
    "sassy": ("cheeky", "confident"),
    "sensual": ("sexy", "seductive"),
    "smoky": ("bar", "noir"),
    "smooth": ("silky", "polished"),
    "soulful": ("expressive", "heartfelt"),
    "sunny": ("summer", "beach", "bright"),
    "swinging": ("bouncy", "swing"),
    "tender": ("gentle", "delicate"),
    "tribal": ("primal", "ritual"),
    "tropical": ("island", "beach"),
    "uplifting": ("inspiring", "hopeful", "positive"),
    "warm": ("cozy", "rich"),
}

SLOW, FAST = 85, 120  # bpm
TEMPO_NAMES = {
    "slow": ("slow", "slow tempo", "downtempo"),
    "medium": ("medium tempo", "mid tempo", "moderate tempo", "moderate"),
    "fast": ("fast", "fast tempo", "uptempo", "up tempo"),
}
EXTRA_WORDS = "bpm tempo major minor time key of in with a and the music song track instrumental 3 4"
LATER_WORDS = "6"  # after all others, so that older weights keep their rows
NOTES = ("c", "c#", "d", "eb", "e", "f", "f#", "g", "ab", "a", "bb", "b")


def tempo_name(bpm: float) -> str:
    return "slow" if bpm < SLOW else "medium" if bpm < FAST else "fast"


def split(text: str) -> list[str]:
    """Lower-case words and numbers: '92 BPM, F# minor' -> ['92', 'bpm', 'f#', 'minor']."""
    return re.findall(r"[a-z#]+|\d+", text.lower())


def vocabulary() -> list[str]:
    """All words in the order of their ids; 0 is padding, 1 the empty prompt."""
    phrases = [EXTRA_WORDS, *NOTES, *(str(bpm) for bpm in range(40, 221))]
    for table in (GENRE_NAMES, INSTRUMENT_NAMES, MOOD_NAMES, TEMPO_NAMES):
        for name, others in table.items():
            phrases += [name, *others]
    known = sorted({word for phrase in phrases for word in split(phrase)})
    return ["<pad>", "<null>", *known, *split(LATER_WORDS)]


WORDS = vocabulary()
WORD_IDS = {word: i for i, word in enumerate(WORDS)}


def encode(text: str) -> list[int]:
    """Word ids of a caption, at most MAX_WORDS; [NULL_WORD] when no word is known."""
    return [WORD_IDS[w] for w in split(text) if w in WORD_IDS][:MAX_WORDS] or [NULL_WORD]


def caption(meta: dict, rng: random.Random | None = None) -> str:
    """Describes a composition (`compose.compose`'s meta). Without rng: the plain wording that inference uses too."""
    key = f"{meta['key']} {meta['mode']}"
    if rng is None:
        parts = [meta["genre"], meta["mood"], *meta["inst"], f"{meta['bpm']} bpm", key, meta["meter"]]
        return ", ".join([*parts, TEMPO_NAMES[tempo_name(meta["bpm"])][0]])

    def say(table: dict[str, tuple[str, ...]], name: str) -> str:
        return rng.choice(table[name]) if name in table and rng.random() < 0.4 else name

    instruments = [say(INSTRUMENT_NAMES, name) for name in meta["inst"] if rng.random() < 0.85]
    rng.shuffle(instruments)
    parts = [say(MOOD_NAMES, meta["mood"])] if rng.random() < 0.8 else []
    parts += instruments
    parts += [f"{meta['bpm']} bpm"] if rng.random() < 0.7 else []
    parts += [key] if rng.random() < 0.7 else []
    parts += [meta["meter"]] if rng.random() < 0.3 else []
    parts += [rng.choice(TEMPO_NAMES[tempo_name(meta["bpm"])])] if rng.random() < 0.4 else []
    parts.insert(0, say(GENRE_NAMES, meta["genre"]))
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return ", ".join(parts)
