/** Exports: what is asked for, what was chosen the last time, and the one that runs. */
import { asEngineError } from '../lib/errors.ts';
import { recipeOf } from '../lib/recipe.ts';
import type { Region } from '../lib/task.ts';
import type { Track } from '../storage/library.ts';
import { coverPng } from './cover.ts';
import { saveFile } from './download.ts';
import { proxy, withExporter } from './export-client.ts';
import { FORMATS } from './export-formats.ts';
import type { Depth, ExportFormat, FileFormat } from './export-formats.ts';
import { DEFAULT_TEMPLATE, nameFrom } from './export-name.ts';
import type { Piece, Written } from './export.worker.ts';
import { fileName } from './format.ts';
import type { Overlays } from './overlays.svelte.ts';
import { sectionsOf } from './sections.ts';
import { Keep } from './settings.svelte.ts';
import type { Shelf } from './shelf.svelte.ts';
import { TEXT } from './text.ts';
import { genreOf, takeNumber } from './titles.ts';
import type { Toasts } from './toasts.svelte.ts';

const T = TEXT.exporting;

/** Chosen once, kept for the next time. */
export interface ExportPrefs {
  readonly format: ExportFormat;
  readonly wavDepth: FileFormatOf<'wav'>['depth'];
  readonly flacDepth: Depth;
  readonly mp3: number;
  readonly opus: number;
  readonly m4a: number;
  readonly sampleRate: number;
  /** Null: as made. */
  readonly lufs: number | null;
  /** dBTP */
  readonly peak: number;
  readonly template: string;
  readonly artist: string;
  readonly recipe: boolean;
  readonly facts: boolean;
  readonly sidecar: boolean;
}

type FileFormatOf<F> = Extract<FileFormat, { readonly format: F }>;

export const DEFAULT_PREFS: ExportPrefs = {
  format: 'flac',
  wavDepth: 'int24',
  flacDepth: 'int24',
  mp3: FORMATS.mp3.defaultKbps,
  opus: FORMATS.opus.defaultKbps,
  m4a: FORMATS.m4a.defaultKbps,
  // Both families of models make 44.1 kHz: nothing is converted unless it is asked for.
  sampleRate: 44_100,
  lufs: null,
  peak: -1,
  template: DEFAULT_TEMPLATE,
  artist: '',
  recipe: true,
  facts: true,
  sidecar: false,
};

export const LOUDNESSES = [-9, -11, -14, -16, -18, -23] as const;
export const PEAKS = [0, -0.5, -1, -2] as const;

/** What belongs to this export alone. */
export interface Wanted {
  /** One of the song's regions a file; the whole song where there are none. */
  readonly regions: readonly Region[];
  /** Seconds of the song; null: to its end. */
  readonly start: number;
  readonly end: number | null;
  readonly fadeIn: number;
  readonly fadeOut: number;
  /** Instead of the song's own; only where there is one song. */
  readonly title: string | null;
  readonly genre: string | null;
}

export const WHOLE: Wanted = {
  regions: [],
  start: 0,
  end: null,
  fadeIn: 0,
  fadeOut: 0,
  title: null,
  genre: null,
};

export interface Ask {
  readonly tracks: readonly Track[];
  /** Those that are marked on the song, when there is one song. */
  readonly regions: readonly Region[];
}

export interface ExportProgress {
  /** The file in hand, from 0. */
  readonly at: number;
  readonly of: number;
  /** Of everything, 0..1. */
  readonly share: number;
}

/** The parts of showDirectoryPicker that are used; TypeScript's libraries do not carry it. */
type Picker = (options: { mode: 'readwrite'; id: string }) => Promise<FileSystemDirectoryHandle>;

export const canPickFolder = (): boolean => 'showDirectoryPicker' in globalThis;

export class Exports {
  /** What the dialog is about. */
  ask = $state.raw<Ask>({ tracks: [], regions: [] });
  progress = $state.raw<ExportProgress | null>(null);
  /** Formats that this browser can write; null until it was asked. */
  formats = $state.raw<Readonly<Record<ExportFormat, boolean>> | null>(null);
  /** Why the last one came to nothing. */
  trouble = $state('');
  readonly prefs = new Keep('cadenza.export', DEFAULT_PREFS, parsePrefs);

  readonly #shelf: Shelf;
  readonly #toasts: Toasts;
  readonly #overlays: Overlays;
  #abort: AbortController | null = null;

  constructor(shelf: Shelf, toasts: Toasts, overlays: Overlays) {
    this.#shelf = shelf;
    this.#toasts = toasts;
    this.#overlays = overlays;
  }

  /** Opens the dialog for these songs. */
  open(tracks: readonly Track[], regions: readonly Region[] = []): void {
    if (tracks.length === 0) return;
    if (!this.progress) this.trouble = '';
    this.ask = { tracks, regions: tracks.length === 1 ? regions : [] };
    this.#overlays.show('export');
    if (!this.formats) void this.#look();
  }

  cancel(): void {
    this.#abort?.abort();
  }

  /** The files that the present choices give. */
  names(ask: Ask, wanted: Wanted): readonly string[] {
    const { extension } = FORMATS[this.prefs.current.format];
    return partsOf(ask, wanted).map(({ name }) => `${this.#name(name, wanted)}.${extension}`);
  }

  /** Makes them and hands them to the browser's downloads, or into a folder that the user picks. */
  async run(ask: Ask, wanted: Wanted, toFolder: boolean): Promise<void> {
    if (this.progress) return;
    this.trouble = '';
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const folder = toFolder ? await pickFolder() : null;
      if (toFolder && !folder) return; // the user closed the picker
      const parts = partsOf(ask, wanted);
      this.progress = { at: 0, of: parts.length, share: 0 };
      const pieces: Piece[] = [];
      for (const part of parts) pieces.push(await this.#piece(part, wanted));
      const written = await withExporter(
        (exporter) =>
          exporter.run(
            pieces,
            proxy((i: number) => this.#shelf.sound(parts[i]!.track)),
            zipName(ask),
            folder,
            proxy((at: number, share: number) => {
              this.progress = { at, of: pieces.length, share: (at + share) / pieces.length };
            }),
          ),
        abort.signal,
      );
      this.#deliver(written, pieces.length);
    } catch (thrown) {
      const { code, message } = asEngineError(thrown);
      this.trouble = code === 'cancelled' ? T.cancelled : message;
      this.#toasts.say(this.trouble);
    } finally {
      this.progress = null;
      this.#abort = null;
    }
  }

  #deliver({ name, blob, files }: Written, songs: number): void {
    if (name !== null && blob) saveFile(blob, name, blob.type);
    const text = name === null ? T.inFolder(files) : songs > 1 ? T.zipped(songs, name) : T.saved(name);
    this.#overlays.close('export');
    this.#toasts.show({ text });
    this.#toasts.say(text);
  }

  async #look(): Promise<void> {
    try {
      this.formats = await withExporter((exporter) => exporter.formats());
    } catch (thrown) {
      this.trouble = asEngineError(thrown).message;
    }
  }

  async #piece(part: Part, wanted: Wanted): Promise<Piece> {
    const { track, start, end } = part;
    const { current: prefs } = this.prefs;
    const { format, lufs, peak, recipe, facts, sidecar } = prefs;
    const { sampleRates } = FORMATS[format];
    const title = wanted.title ?? track.title;
    const score = track.plan ?? track.task.score;
    const settings = recipeOf(title, track.task, track.seed);
    return {
      name: this.#name(part.name, wanted),
      file: fileOf(prefs),
      edit: {
        start,
        end,
        fadeIn: wanted.fadeIn,
        fadeOut: wanted.fadeOut,
        sampleRate: sampleRates.includes(prefs.sampleRate) ? prefs.sampleRate : sampleRates[0]!,
        loudness: lufs === null ? null : { lufs, peak },
      },
      tags: {
        title: part.name.title,
        artist: prefs.artist,
        genre: wanted.genre ?? genreOf(track.task.prompt),
        bpm: facts ? score.bpm : null,
        key: facts ? score.key : '',
        lyrics: facts ? track.task.lyrics : '',
        cover: facts ? { type: 'image/png', bytes: await coverPng(sectionsOf(track)) } : null,
        settings: recipe ? settings : undefined,
      },
      sidecar: sidecar ? `${JSON.stringify(settings, null, 2)}\n` : null,
    };
  }

  #name({ track, title }: PartName, wanted: Wanted): string {
    const { template, artist } = this.prefs.current;
    const { bpm, key } = track.plan ?? track.task.score;
    return nameFrom(template, {
      title,
      artist,
      take: String(takeNumber(track, this.#shelf.tracks)),
      seed: String(track.seed),
      bpm: bpm === null ? '' : String(Math.round(bpm)),
      key,
      genre: wanted.genre ?? genreOf(track.task.prompt),
      model: track.model,
      date: new Date(track.createdAt).toISOString().slice(0, 10),
    });
  }
}

/** What is chosen, as the file that it stands for. */
export function fileOf(prefs: ExportPrefs): FileFormat {
  const { format } = prefs;
  if (format === 'wav') return { format, depth: prefs.wavDepth };
  if (format === 'flac') return { format, depth: prefs.flacDepth };
  return { format, kbps: prefs[format] };
}

interface PartName {
  readonly track: Track;
  readonly title: string;
}

interface Part {
  readonly track: Track;
  readonly start: number;
  readonly end: number;
  readonly name: PartName;
}

/** One part a file: every song, or every region of one. */
function partsOf({ tracks }: Ask, wanted: Wanted): readonly Part[] {
  const [only] = tracks;
  if (tracks.length === 1 && only && wanted.regions.length > 0) {
    const title = wanted.title ?? only.title;
    return wanted.regions.map(({ start, end }, i) => ({
      track: only,
      start,
      end,
      name: { track: only, title: wanted.regions.length > 1 ? T.regionTitle(title, i + 1) : title },
    }));
  }
  return tracks.map((track) => ({
    track,
    start: tracks.length === 1 ? wanted.start : 0,
    end: tracks.length === 1 && wanted.end !== null ? wanted.end : track.seconds,
    name: { track, title: (tracks.length === 1 ? wanted.title : null) ?? track.title },
  }));
}

function zipName({ tracks }: Ask): string {
  const [first] = tracks;
  const day = new Date().toISOString().slice(0, 10);
  return tracks.length === 1 && first ? fileName(first.title) : `Cadenza ${day}`;
}

async function pickFolder(): Promise<FileSystemDirectoryHandle | null> {
  const picker: unknown = Reflect.get(globalThis, 'showDirectoryPicker');
  try {
    return await (picker as Picker)({ mode: 'readwrite', id: 'export' }); // canPickFolder looked for it
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') return null;
    throw thrown;
  }
}

function parsePrefs(stored: Readonly<Record<string, unknown>>): Partial<ExportPrefs> {
  const { format, wavDepth, flacDepth, sampleRate, lufs, peak, template, artist } = stored;
  const among = <V>(value: unknown, values: readonly V[]): value is V => values.includes(value as V);
  const flags = (['recipe', 'facts', 'sidecar'] as const).flatMap((name) =>
    typeof stored[name] === 'boolean' ? [[name, stored[name]] as const] : [],
  );
  const rates = (['mp3', 'opus', 'm4a'] as const).flatMap((name) =>
    among(stored[name], FORMATS[name].kbps) ? [[name, stored[name]] as const] : [],
  );
  return {
    ...Object.fromEntries([...flags, ...rates]),
    ...(typeof format === 'string' && Object.hasOwn(FORMATS, format) && { format: format as ExportFormat }), // hasOwn
    ...(among(wavDepth, FORMATS.wav.depths) && { wavDepth }),
    ...(among(flacDepth, ['int16', 'int24'] as const) && { flacDepth }),
    ...(among(sampleRate, FORMATS.wav.sampleRates) && { sampleRate }),
    ...(lufs === null || among(lufs, LOUDNESSES) ? { lufs } : {}),
    ...(among(peak, PEAKS) && { peak }),
    ...(typeof template === 'string' && { template: template.slice(0, 200) }),
    ...(typeof artist === 'string' && { artist: artist.slice(0, 200) }),
  };
}
