/**
 * The gallery: whole styles to start from, in groups as a record shop would sort them. Each is a task, so "Listen" makes
 * it once with the embedded model and plays it from the library afterwards. Names are those that genres have
 * everywhere and are not translated.
 */
import type { Track } from '../storage/library.ts';
import type { Draft } from './compose.svelte.ts';

export const PRESET_GROUPS = [
  'popular',
  'rock',
  'groove',
  'electronic',
  'jazz',
  'folk',
  'calm',
  'orchestral',
] as const;
export type PresetGroup = (typeof PRESET_GROUPS)[number];

export interface Preset {
  readonly id: string;
  readonly name: string;
  readonly group: PresetGroup;
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** Words for models that sing. */
  readonly lyrics?: string;
}

/** The seed that presets are heard with; using one leaves the user's own. */
export const LISTEN_SEED = 7;
/** Long enough for a verse and a turn, short enough to wait for. */
export const LISTEN_SECONDS = 12;

const row = (
  group: PresetGroup,
  id: string,
  name: string,
  prompt: string,
  rest: Partial<Preset> = {},
): Preset => ({
  id,
  name,
  group,
  prompt,
  ...rest,
});

const POP_LYRICS = `[verse]
Streetlights count the rain for me,
one for every word you said.
I rehearse a melody,
you are humming it instead.

[chorus]
Turn it up until it's ours,
turn it up and let it run.
We can hold for sixteen bars,
then we start it all again.
`;

const RAP_LYRICS = `[verse]
Morning on the rooftop and the tape begins to roll,
coffee in the sampler, put the city through the bowl.
Kick drum like a heartbeat, snare drum like a door,
every bar I leave you with has room for seven more.

[hook]
Keep it close, keep it low,
let the needle find the groove and go.
`;

const COUNTRY_LYRICS = `[verse]
There's dust upon the dashboard and a letter on the seat,
a mile of yellow barley bending down to meet the heat.

[chorus]
Slow down, river road,
I am carrying a lighter load.
`;

export const PRESETS: readonly Preset[] = [
  row(
    'popular',
    'modern-pop',
    'Modern Pop',
    'pop, catchy, bright, polished, piano, synth bass, drums, 118 bpm, C major',
    {
      lyrics: POP_LYRICS,
    },
  ),
  row('popular', 'summer-pop', 'Summer Pop', 'pop, sunny, happy, acoustic guitar, claps, 104 bpm, G major'),
  row('popular', 'piano-pop', 'Piano Ballad', 'piano ballad, tender, romantic, cello, 68 bpm, Eb major', {
    lyrics: POP_LYRICS,
  }),
  row('popular', 'rnb', 'R&B', 'rnb, soul, smooth, sensual, electric piano, bass, 82 bpm, F minor'),
  row('popular', 'hip-hop', 'Hip Hop', 'hip hop, boom bap, gritty, piano, upright bass, 90 bpm, A minor', {
    lyrics: RAP_LYRICS,
  }),
  row('popular', 'trap', 'Trap', 'trap, dark, 808, bells, menacing, 140 bpm, C# minor'),

  row('rock', 'rock', 'Rock', 'rock, energetic, electric guitar, bass, drums, 132 bpm, E minor'),
  row('rock', 'indie-rock', 'Indie Rock', 'indie rock, hopeful, clean electric guitar, 120 bpm, D major'),
  row('rock', 'punk', 'Punk', 'punk rock, fast, raw, distorted guitar, 176 bpm, A major'),
  row(
    'rock',
    'metal',
    'Metal',
    'metal, heavy, aggressive, distortion guitar, double bass drums, 168 bpm, E minor',
  ),
  row('rock', 'grunge', 'Grunge', 'grunge, moody, fuzz guitar, 112 bpm, F# minor'),
  row('rock', 'blues-rock', 'Blues', 'blues, shuffle, electric guitar, hammond organ, 96 bpm, A major'),

  row('groove', 'funk', 'Funk', 'funk, groovy, slap bass, muted guitar, brass section, 106 bpm, E minor'),
  row('groove', 'soul', 'Soul', 'soul, motown, warm, horns, organ, 100 bpm, Bb major'),
  row('groove', 'disco', 'Disco', 'disco, glamorous, strings, rhythm guitar, 118 bpm, A minor'),
  row('groove', 'reggae', 'Reggae', 'reggae, roots, laid back, organ, bass, 76 bpm, G minor'),
  row('groove', 'ska', 'Ska', 'ska, cheerful, brass, fast, 160 bpm, C major'),
  row('groove', 'afrobeat', 'Afrobeat', 'afrobeat, african, percussion, horns, danceable, 110 bpm, D minor'),
  row('groove', 'salsa', 'Salsa', 'salsa, cuban, montuno piano, brass, percussion, 184 bpm, C minor'),

  row('electronic', 'edm', 'EDM', 'edm, euphoric, saw lead, club, 128 bpm, F minor'),
  row('electronic', 'house', 'House', 'house, deep, groovy, electric piano, 122 bpm, A minor'),
  row('electronic', 'techno', 'Techno', 'techno, dark, driving, acid bass, 132 bpm, F minor'),
  row('electronic', 'trance', 'Trance', 'trance, ecstatic, saw synth, pads, 138 bpm, A minor'),
  row(
    'electronic',
    'drum-and-bass',
    'Drum and Bass',
    'drum and bass, liquid, pads, sub bass, 172 bpm, D minor',
  ),
  row('electronic', 'synthwave', 'Synthwave', 'synthwave, retro, neon, saw synth, 100 bpm, E minor'),
  row('electronic', 'chiptune', 'Chiptune', 'chiptune, playful, square synth, game, 150 bpm, C major'),
  row('electronic', 'downtempo', 'Downtempo', 'downtempo, hazy, rhodes, vibraphone, 84 bpm, G minor'),

  row('jazz', 'jazz', 'Jazz', 'jazz swing, saxophone, piano, upright bass, 148 bpm, Bb major'),
  row('jazz', 'jazz-waltz', 'Jazz Waltz', 'slow jazz waltz, piano trio, 96 bpm, A minor, 3/4'),
  row(
    'jazz',
    'jazz-ballad',
    'Jazz Ballad',
    'jazz ballad, smoky, late night, muted trumpet, 62 bpm, Db major',
  ),
  row('jazz', 'bebop', 'Bebop', 'jazz, bebop, fast, alto saxophone, 210 bpm, F major'),
  row('jazz', 'bossa-nova', 'Bossa Nova', 'bossa nova, relaxed, nylon guitar, flute, 126 bpm, D minor'),
  row('jazz', 'big-band', 'Big Band', 'big band, swing, brass section, exciting, 164 bpm, Eb major'),
  row('jazz', 'gospel', 'Gospel', 'gospel, choir, hammond organ, joyful, 88 bpm, Ab major'),

  row('folk', 'country', 'Country', 'country, americana, steel guitar, fiddle, honest, 112 bpm, G major', {
    lyrics: COUNTRY_LYRICS,
  }),
  row(
    'folk',
    'acoustic-folk',
    'Acoustic Folk',
    'acoustic folk, warm, steel guitar, harmonica, 104 bpm, G major',
  ),
  row('folk', 'bluegrass', 'Bluegrass', 'bluegrass, lively, banjo, fiddle, 140 bpm, A major'),
  row('folk', 'celtic', 'Celtic', 'celtic, irish jig, fiddle, flute, 116 bpm, D major'),
  row('folk', 'musette', 'Musette', 'waltz, french, musette, accordion, 168 bpm, G minor, 3/4'),
  row('folk', 'tango', 'Tango', 'latin, bandoneon, violin, dramatic, 118 bpm, D minor'),
  row('folk', 'mbira', 'Kalimba Circle', 'world percussion, kalimba, mbira, hypnotic, 108 bpm, C major'),

  row('calm', 'lofi', 'Lo-fi Study', 'lofi hip-hop, mellow, electric piano, vibraphone, 74 bpm, F major'),
  row('calm', 'ambient', 'Ambient', 'ambient, dreamy, warm pad, choir, 62 bpm, D major', {
    negativePrompt: 'drums',
  }),
  row('calm', 'meditation', 'Meditation', 'new age, meditation, panpipes, harp, peaceful, 60 bpm, C major', {
    negativePrompt: 'drums',
  }),
  row('calm', 'music-box', 'Nocturne', 'solo piano, quiet, lonely, midnight, 58 bpm, C# minor', {
    negativePrompt: 'drums',
  }),
  row('calm', 'dream-pop', 'Dream Pop', 'dreamy, shimmer, clean guitar, pads, airy, 92 bpm, D major', {
    lyrics: POP_LYRICS,
  }),

  row('orchestral', 'classical', 'Classical', 'classical, string ensemble, oboe, elegant, 108 bpm, G major'),
  row('orchestral', 'waltz', 'Ballroom Waltz', 'waltz, orchestral, strings, graceful, 176 bpm, D major, 3/4'),
  row('orchestral', 'film-score', 'Film Score', 'orchestral, epic, strings, french horn, 92 bpm, D minor'),
  row('orchestral', 'adventure', 'Adventure', 'orchestral, heroic, brass, kettle drums, 124 bpm, Bb major'),
  row('orchestral', 'mystery', 'Mystery', 'cinematic, mysterious, harp, clarinet, strings, 72 bpm, B minor'),
  row('orchestral', 'medieval', 'Medieval', 'medieval, fantasy, flute, harp, percussion, 96 bpm, D minor'),
];

/** What a preset puts into the form: the words; length, seed and settings stay as they are. */
export const draftOf = (preset: Preset): Partial<Draft> => ({
  prompt: preset.prompt,
  negativePrompt: preset.negativePrompt ?? '',
  ...(preset.lyrics !== undefined && { lyrics: preset.lyrics, instrumental: false }),
  bpm: '',
  key: '',
  meter: '',
  chords: '',
});

/** The song that "Listen" made of this preset before; null where there is none. */
export const heard = (preset: Preset, model: string, tracks: readonly Track[]): Track | null =>
  tracks.find(
    ({ task, seed, ...track }) =>
      track.model === model && seed === LISTEN_SEED && task.prompt === preset.prompt,
  ) ?? null;

/** Fields of the form that a preset of the user's own keeps. */
export const OWN_FIELDS = [
  'prompt',
  'negativePrompt',
  'lyrics',
  'instrumental',
  'language',
  'seconds',
  'randomLength',
  'bpm',
  'key',
  'meter',
  'chords',
  'preset',
  'sampling',
  'loras',
  'strength',
] as const satisfies readonly (keyof Draft)[];

export interface OwnPreset {
  readonly id: string;
  readonly name: string;
  readonly draft: Partial<Draft>;
}

export const ownFields = (draft: Draft): Partial<Draft> =>
  Object.fromEntries(OWN_FIELDS.map((field) => [field, draft[field]]));
