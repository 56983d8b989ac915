/** Hangul in Latin letters, syllable by syllable: the "academic" rule of hangul-romanize 0.1.0. */

const INITIALS = 'g kk n d tt l m b pp s ss  j jj ch k t p h'.split(' ');
const VOWELS = 'a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i'.split(' ');
const FINALS = ' g kk gs n nj nh d l lg lm lb ls lt lp lh m b bs s ss ng j ch k t p h'.split(' ');
const SILENT = INITIALS.indexOf('');
const FIRST = 0xac00;
const LAST = 0xd7a3;

/** Consonants between two vowels that could be split at more than one place, so that a hyphen has to tell. */
const AMBIGUOUS = new Set(
  FINALS.flatMap((final) => INITIALS.map((initial) => final + initial)).filter((letters) => {
    const splits = [...letters].filter(
      (_, i) => FINALS.includes(letters.slice(0, i)) && INITIALS.includes(letters.slice(i)),
    );
    return splits.length > 1;
  }),
);

/** Romanizes the Hangul of a text; everything else stays. */
export function romanizeHangul(text: string): string {
  let out = '';
  let before = -1;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const index = code >= FIRST && code <= LAST ? code - FIRST : -1;
    if (index < 0) out += character;
    else {
      const initial = Math.floor(index / 588);
      const final = before < 0 ? '' : FINALS[before % 28]!;
      if (before >= 0 && (initial === SILENT || AMBIGUOUS.has(final + INITIALS[initial]!))) out += '-';
      out += INITIALS[initial]! + VOWELS[Math.floor(index / 28) % 21]! + FINALS[index % 28]!;
    }
    before = index;
  }
  return out;
}
