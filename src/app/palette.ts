/** What the command palette finds: commands, settings, presets and songs that hold every word of the query. */
import { COMMANDS } from './commands.ts';
import type { Draft } from './compose.svelte.ts';
import { clock, plain } from './format.ts';
import type { IconName } from './icons.ts';
import { draftOf, PRESETS } from './presets.ts';
import { fold } from './search.ts';
import type { Studio } from './studio.svelte.ts';
import { fieldWords, named, TEXT } from './text.ts';

export interface Entry {
  readonly id: string;
  readonly group: keyof typeof TEXT.palette.groups;
  readonly title: string;
  /** Beside the title: a value, a length. */
  readonly detail?: string;
  /** Found by these words too. */
  readonly also?: string;
  readonly keys?: string;
  readonly icon: IconName;
  readonly run: () => void;
}

type Source = (studio: Studio) => readonly Entry[];

const commands: Source = (studio) =>
  COMMANDS.filter(({ palette, when }) => palette !== false && (when?.(studio) ?? true)).map((command) => ({
    id: command.id,
    group: command.group === 'settings' ? 'settings' : 'actions',
    title: TEXT.commands[command.id],
    icon: command.icon ?? 'note',
    ...(command.keys !== undefined && { keys: command.keys }),
    run: () => command.run(studio),
  }));

const settings: Source = ({ compose, overlays, router }) => {
  const { sampling } = compose;
  if (!sampling) return [];
  return compose.fields.map((field) => {
    const { label, hint, options } = fieldWords(field.id);
    const value = field.get(sampling);
    const shown =
      typeof value === 'number'
        ? plain(value)
        : typeof value === 'boolean'
          ? value
            ? TEXT.palette.on
            : TEXT.palette.off
          : typeof value === 'string'
            ? named(options ?? {}, value)
            : value.join(', ');
    return {
      id: `field.${field.id}`,
      group: 'settings',
      title: TEXT.palette.field(TEXT.advanced.groups[field.group].title, label),
      also: `${hint} ${field.id}`,
      detail: shown,
      icon: 'studio',
      run: () => {
        router.show('compose');
        compose.set({ simple: false });
        overlays.advanced = true;
        overlays.goTo = field.id;
      },
    };
  });
};

const presets: Source = (studio) => {
  const { compose, gallery } = studio;
  const use = (draft: Partial<Draft>, name: string): void =>
    studio.refill(TEXT.presets.used(name), () => compose.set(draft));
  return [
    ...gallery.own.list.map((preset): Entry => ({
      id: `own.${preset.id}`,
      group: 'presets',
      title: preset.name,
      icon: 'heart',
      run: () => use(preset.draft, preset.name),
    })),
    ...PRESETS.map((preset): Entry => ({
      id: `preset.${preset.id}`,
      group: 'presets',
      title: preset.name,
      also: preset.prompt,
      detail: TEXT.presets.groups[preset.group],
      icon: 'note',
      run: () => use(draftOf(preset), preset.name),
    })),
  ];
};

const songs: Source = (studio) =>
  studio.shelf.tracks.map((track) => ({
    id: `song.${track.id}`,
    group: 'songs',
    title: track.title,
    also: track.task.prompt,
    detail: clock(Math.round(track.seconds)),
    icon: 'note',
    run: () => {
      studio.router.show('song');
      void studio.show(track, false);
    },
  }));

/** In the order in which they are shown. What comes later is found only by a query. */
const SOURCES: readonly { readonly of: Source; readonly always: boolean }[] = [
  { of: commands, always: true },
  { of: settings, always: false },
  { of: presets, always: false },
  { of: songs, always: false },
];

/** Rows of a group at most, so that songs do not bury commands. */
const MOST = 8;

/** Best first within a group: the title begins with the query, a word of it does, it is in the title, it is elsewhere. */
export function rank(entry: Pick<Entry, 'title' | 'also'>, query: string): number | null {
  const wanted = fold(query.trim());
  if (wanted === '') return 0;
  const title = fold(entry.title);
  const words = wanted.split(/\s+/u);
  const text = `${title}\n${fold(entry.also ?? '')}`;
  if (!words.every((word) => text.includes(word))) return null;
  if (title.startsWith(wanted)) return 0;
  if (title.includes(` ${wanted}`)) return 1;
  return words.every((word) => title.includes(word)) ? 2 : 3;
}

/** What fits the query, by group. */
export function find(studio: Studio, query: string): readonly Entry[] {
  const asked = query.trim() !== '';
  const entries = SOURCES.filter(({ always }) => asked || always).flatMap(({ of }) => of(studio));
  const ranked = entries.flatMap((entry) => {
    const at = rank(entry, query);
    return at === null ? [] : [{ entry, at }];
  });
  return (Object.keys(TEXT.palette.groups) as Entry['group'][]).flatMap((group) =>
    ranked
      .filter(({ entry }) => entry.group === group)
      .toSorted((a, b) => a.at - b.at)
      .slice(0, asked ? MOST : Infinity)
      .map(({ entry }) => entry),
  );
}

/** The title cut at the query: [before, found, after]; nothing found gives the whole title as `before`. */
export function marked(title: string, query: string): readonly [string, string, string] {
  const wanted = query.trim().toLowerCase();
  const at = wanted === '' ? -1 : title.toLowerCase().indexOf(wanted);
  if (at < 0) return [title, '', ''];
  return [title.slice(0, at), title.slice(at, at + wanted.length), title.slice(at + wanted.length)];
}
