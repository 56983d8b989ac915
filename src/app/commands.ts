/**
 * Everything that can be done with a key or by name, as one table: it serves the keyboard, the `?` list and the command
 * palette. A new command is a row here and its words in TEXT.commands; an area with many rows keeps them in a module of
 * its own and spreads them in. Of several rows with the same key, the first that can be done now is done.
 */
import type { IconName } from './icons.ts';
import { PAGES } from './router.svelte.ts';
import { THEMES } from './settings.svelte.ts';
import type { Studio } from './studio.svelte.ts';
import type { Words } from './text.ts';
import { WORK_COMMANDS } from './work-commands.ts';

export type CommandId = keyof Words['commands'];
export const GROUPS = ['play', 'make', 'regions', 'everywhere'] as const;
export type CommandGroup = (typeof GROUPS)[number] | 'settings';

export interface Command {
  readonly id: CommandId;
  readonly group: CommandGroup;
  /**
   * As `KeyboardEvent.key` names it, letters as capitals, with "Mod" (Ctrl, or ⌘ on Apple), "Alt" and "Shift" before it,
   * single spaces between: 'Mod Shift Z', 'Shift ArrowLeft', 'Space', '?'. Without Mod it is a single key: it does
   * nothing while somebody types, and a setting turns it off (WCAG 2.1.4).
   */
  readonly keys?: string;
  readonly icon?: IconName;
  /** False: it makes no sense now. It is not in the palette, and its key is free for another row. */
  readonly when?: (studio: Studio) => boolean;
  /** False: of use only as a key (seeking, volume). */
  readonly palette?: false;
  /** True: goes on while the key is held. */
  readonly repeats?: true;
  readonly run: (studio: Studio) => void;
}

const SMALL_STEP = 0.05;
const hasSong = ({ player }: Studio): boolean => player.track !== null;

const seek = (id: CommandId, keys: string, by: number): Command => ({
  id,
  keys,
  group: 'play',
  when: hasSong,
  palette: false,
  repeats: true,
  run: ({ player }) => player.seek(player.time + by),
});

const louder = (id: CommandId, keys: string, by: number): Command => ({
  id,
  keys,
  group: 'play',
  when: hasSong,
  palette: false,
  repeats: true,
  run: ({ player }) => player.setVolume(player.volume + by),
});

const PAGE_COMMANDS = {
  studio: 'goStudio',
  library: 'goLibrary',
  models: 'goModels',
  device: 'goDevice',
} as const satisfies Record<(typeof PAGES)[number], CommandId>;

const THEME_COMMANDS = {
  system: 'themeSystem',
  light: 'themeLight',
  dark: 'themeDark',
  contrast: 'themeContrast',
} as const satisfies Record<(typeof THEMES)[number], CommandId>;

export const COMMANDS: readonly Command[] = [
  {
    id: 'playPause',
    keys: 'Space',
    group: 'play',
    when: hasSong,
    run: ({ player }) => void player.toggle(),
  },
  seek('back5', 'ArrowLeft', -5),
  seek('forward5', 'ArrowRight', 5),
  seek('back1', 'Shift ArrowLeft', -1),
  seek('forward1', 'Shift ArrowRight', 1),
  {
    id: 'toStart',
    keys: 'Home',
    group: 'play',
    when: hasSong,
    palette: false,
    run: ({ player }) => player.seek(0),
  },
  {
    id: 'toEnd',
    keys: 'End',
    group: 'play',
    when: hasSong,
    palette: false,
    run: ({ player }) => player.seek(player.duration),
  },
  louder('louder', 'ArrowUp', SMALL_STEP),
  louder('softer', 'ArrowDown', -SMALL_STEP),
  {
    id: 'loop',
    keys: 'L',
    group: 'play',
    icon: 'loop',
    when: hasSong,
    run: ({ player }) => player.setLoop(!player.loop),
  },
  {
    id: 'mute',
    keys: 'M',
    group: 'play',
    icon: 'muted',
    when: hasSong,
    run: ({ player }) => player.setMuted(!player.muted),
  },
  {
    id: 'previousSong',
    keys: 'J',
    group: 'play',
    icon: 'previous',
    when: hasSong,
    run: (studio) => void studio.skip(-1),
  },
  {
    id: 'nextSong',
    keys: 'K',
    group: 'play',
    icon: 'next',
    when: hasSong,
    run: (studio) => void studio.skip(1),
  },
  {
    id: 'compareSwap',
    keys: 'B',
    group: 'play',
    when: ({ player }) => player.comparison !== null,
    run: ({ player }) => player.act({ type: 'swap' }),
  },
  {
    id: 'zoomIn',
    keys: '+',
    group: 'play',
    icon: 'zoom-in',
    when: hasSong,
    repeats: true,
    run: ({ player, view }) => view.step(1, player.time),
  },
  {
    id: 'zoomOut',
    keys: '-',
    group: 'play',
    icon: 'zoom-out',
    when: hasSong,
    repeats: true,
    run: ({ player, view }) => view.step(-1, player.time),
  },

  { id: 'generate', keys: 'Mod Enter', group: 'make', icon: 'note', run: (studio) => studio.generate() },
  {
    id: 'stopAndKeep',
    keys: 'Mod .',
    group: 'make',
    icon: 'stop',
    when: ({ queue }) => queue.running !== null,
    run: ({ queue }) => queue.stopAndKeep(),
  },
  {
    id: 'presets',
    group: 'make',
    icon: 'note',
    run: ({ overlays }) => overlays.show('presets'),
  },
  {
    id: 'surprise',
    group: 'make',
    icon: 'dice',
    run: (studio) => studio.surprise(),
  },
  {
    id: 'lyrics',
    group: 'make',
    icon: 'edit',
    run: ({ overlays }) => overlays.show('lyrics'),
  },
  {
    id: 'advanced',
    group: 'make',
    icon: 'studio',
    when: ({ compose }) => compose.limits !== null,
    run: ({ compose, router, overlays }) => {
      router.show('compose');
      compose.set({ simple: false });
      overlays.advanced = true;
    },
  },
  {
    id: 'reuse',
    group: 'make',
    icon: 'reuse',
    when: hasSong,
    run: (studio) => {
      if (studio.player.track) studio.reuse(studio.player.track);
    },
  },

  {
    id: 'source',
    group: 'make',
    icon: 'mic',
    when: ({ compose }) => compose.limits !== null,
    run: ({ overlays }) => overlays.show('source'),
  },
  ...WORK_COMMANDS,

  {
    id: 'palette',
    keys: 'Mod K',
    group: 'everywhere',
    palette: false,
    run: ({ overlays }) => overlays.show('palette'),
  },
  {
    id: 'export',
    keys: 'Mod S',
    group: 'everywhere',
    icon: 'export',
    when: hasSong,
    run: ({ exports, player, work }) => {
      if (player.track) exports.open([player.track], work.regions.list);
    },
  },
  {
    id: 'copyLink',
    group: 'everywhere',
    icon: 'link',
    when: hasSong,
    run: (studio) => {
      if (studio.player.track) void studio.copyLink(studio.player.track);
    },
  },
  { id: 'backup', group: 'everywhere', icon: 'disk', run: ({ backup }) => backup.open() },
  {
    id: 'download',
    group: 'everywhere',
    icon: 'download',
    when: hasSong,
    run: (studio) => {
      if (studio.player.track) void studio.download(studio.player.track);
    },
  },
  {
    id: 'favourite',
    keys: 'F',
    group: 'everywhere',
    icon: 'heart',
    when: hasSong,
    run: (studio) => {
      const { track } = studio.player;
      if (track) void studio.change(track, { favourite: !track.favourite });
    },
  },
  {
    id: 'delete',
    keys: 'Delete',
    group: 'everywhere',
    icon: 'trash',
    when: hasSong,
    run: (studio) => {
      if (studio.player.track) void studio.remove(studio.player.track);
    },
  },
  { id: 'undo', keys: 'Mod Z', group: 'everywhere', palette: false, run: ({ shelf }) => shelf.undo() },
  ...PAGES.map((page): Command => ({
    id: PAGE_COMMANDS[page],
    group: 'everywhere',
    icon: page,
    when: ({ router }) => router.page !== page,
    run: ({ router }) => router.go(page),
  })),
  {
    id: 'settings',
    keys: 'Mod ,',
    group: 'everywhere',
    icon: 'settings',
    run: ({ overlays }) => overlays.show('settings'),
  },
  {
    id: 'shortcuts',
    keys: '?',
    group: 'everywhere',
    icon: 'keyboard',
    run: ({ overlays }) => overlays.show('shortcuts'),
  },
  ...THEMES.map((theme): Command => ({
    id: THEME_COMMANDS[theme],
    group: 'settings',
    icon: 'theme',
    when: ({ settings }) => settings.current.theme !== theme,
    run: ({ settings }) => settings.set({ theme }),
  })),
];

export const commandOf = (id: CommandId): Command | undefined =>
  COMMANDS.find((command) => command.id === id);
