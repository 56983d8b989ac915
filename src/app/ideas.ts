/** Words for the style text that models of this kind know, grouped as a musician would look for them. */
export const IDEAS = [
  {
    group: 'genre',
    tags: [
      'lofi hip-hop',
      'ambient',
      'techno',
      'house',
      'synthwave',
      'drum and bass',
      'rock',
      'pop',
      'jazz swing',
      'jazz ballad',
      'blues',
      'funk',
      'soul',
      'reggae',
      'bossa nova',
      'acoustic folk',
      'celtic',
      'waltz',
      'piano ballad',
      'orchestral',
      'chiptune',
    ],
  },
  {
    group: 'mood',
    tags: [
      'calm',
      'dreamy',
      'dark',
      'driving',
      'uplifting',
      'nostalgic',
      'playful',
      'romantic',
      'epic',
      'warm',
    ],
  },
  {
    group: 'instruments',
    tags: [
      'piano',
      'electric piano',
      'nylon guitar',
      'electric guitar',
      'upright bass',
      'synth bass',
      'strings',
      'violin',
      'flute',
      'saxophone',
      'trumpet',
      'vibraphone',
      'warm pad',
      'choir',
      'accordion',
      'marimba',
    ],
  },
] as const;

/** Sixteen whole styles for "Surprise me". */
export const STARTERS = [
  'lofi hip-hop, mellow, electric piano, vibraphone, 74 bpm',
  'slow waltz, piano, violin, romantic, 96 bpm, A minor, 3/4',
  'chiptune, playful, square synth, 150 bpm, C major',
  'bossa nova, nylon guitar, flute, relaxed, 126 bpm',
  'ambient, dreamy, warm pad, choir, 62 bpm',
  'techno, dark, driving, acid bass, 132 bpm, F minor',
  'jazz swing, saxophone, piano, upright bass, 148 bpm',
  'orchestral, epic, strings, french horn, 92 bpm, D minor',
  'acoustic folk, steel guitar, harmonica, gentle, 66 bpm, G major, 6/8',
  'synthwave, retro, saw synth, 100 bpm, E minor',
  'funk, slap bass, muted guitar, groovy, 106 bpm',
  'piano ballad, tender, cello, 68 bpm, Eb major',
  'celtic jig, lively, fiddle, harp, 84 bpm, D major, 6/8',
  'drum and bass, energetic, synth bass, 172 bpm, B minor',
  'salsa, festive, piano, trumpet, brass, 104 bpm',
  'blues, gritty, harmonica, piano, 92 bpm, E major',
] as const;

const TAGS: readonly string[] = [...new Set(IDEAS.flatMap(({ tags }): readonly string[] => tags))];
const MOST_SUGGESTED = 5;

/** Tags that go on from what stands at the caret, after the last comma before it; empty below two letters. */
export function suggest(text: string, caret: number): readonly string[] {
  const begun = begunTag(text, caret).toLowerCase();
  if (begun.length < 2) return [];
  const used = new Set(text.split(',').map((part) => part.trim().toLowerCase()));
  const begins = TAGS.filter((tag) => tag.startsWith(begun));
  const holds = TAGS.filter((tag) => !tag.startsWith(begun) && tag.includes(` ${begun}`));
  return [...begins, ...holds].filter((tag) => !used.has(tag)).slice(0, MOST_SUGGESTED);
}

/** The text with the begun tag written out, and where the caret goes. */
export function complete(
  text: string,
  caret: number,
  tag: string,
): { readonly text: string; readonly caret: number } {
  const start = caret - begunTag(text, caret).length;
  const after = text.slice(caret).replace(/^[^,]*/u, '');
  const written = `${tag}${after === '' ? ', ' : ''}`;
  return { text: text.slice(0, start) + written + after, caret: start + written.length };
}

const begunTag = (text: string, caret: number): string =>
  text
    .slice(0, caret)
    .slice(text.slice(0, caret).lastIndexOf(',') + 1)
    .replace(/^\s+/u, '');
