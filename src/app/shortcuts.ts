/** The keyboard as a table: what is pressed, and what the app does. Single keys never work while somebody types. */
import type { Studio } from './studio.svelte.ts';

interface Press {
  readonly key: string;
  readonly shift: boolean;
}

type Does = (studio: Studio, press: Press) => void;

const SMALL_STEP = 0.05;

const seek =
  (sign: 1 | -1): Does =>
  ({ player }, { shift }) =>
    player.seek(player.time + sign * (shift ? 1 : 5));
const louder =
  (by: number): Does =>
  ({ player }) =>
    player.setVolume(player.volume + by);

/** Keys without Ctrl. */
const SINGLE: Readonly<Record<string, Does>> = {
  ' ': ({ player }) => void player.toggle(),
  ArrowLeft: seek(-1),
  ArrowRight: seek(1),
  ArrowUp: louder(SMALL_STEP),
  ArrowDown: louder(-SMALL_STEP),
  Home: ({ player }) => player.seek(0),
  End: ({ player }) => player.seek(player.duration),
  l: ({ player }) => player.setLoop(!player.loop),
  m: ({ player }) => player.setMuted(!player.muted),
  j: (studio) => void studio.skip(-1),
  k: (studio) => void studio.skip(1),
  f: (studio) => {
    const { track } = studio.player;
    if (track) void studio.change(track, { favourite: !track.favourite });
  },
  Delete: (studio) => {
    const { track } = studio.player;
    if (track) void studio.remove(track);
  },
};

/** Keys with Ctrl, or ⌘. */
const COMMAND: Readonly<Record<string, Does>> = {
  Enter: (studio) => studio.generate(),
  '.': (studio) => void studio.stopAndKeep(),
  s: (studio) => {
    const { track } = studio.player;
    if (track) void studio.download(track);
  },
  z: ({ shelf }) => shelf.undo(),
};

/** True where a control has a use of its own for arrows, Space and letters. */
function taken(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest('dialog')) return true;
  if (
    target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  )
    return true;
  if (target instanceof HTMLInputElement) {
    const typed = !['range', 'checkbox', 'radio'].includes(target.type);
    return typed || key.startsWith('Arrow') || key === 'Home' || key === 'End' || key === ' ';
  }
  return key === ' ' && target.closest('button, a, summary') !== null;
}

/** Answers the keyboard until the returned function is called. `?` opens the list of shortcuts. */
export function listenKeys(studio: Studio, showList: () => void): () => void {
  const keydown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const press = { key, shift: event.shiftKey };
    const typing = taken(event.target, key);
    if (event.ctrlKey || event.metaKey) {
      if (typing && key === 'z') return; // undo belongs to the text
      const does = COMMAND[key];
      if (!does) return;
      event.preventDefault();
      return does(studio, press);
    }
    if (typing || !studio.settings.current.singleKeys) return;
    if (key === '?') return showList();
    const does = SINGLE[key];
    if (!does || !studio.player.track) return;
    event.preventDefault();
    does(studio, press);
  };
  addEventListener('keydown', keydown);
  return () => removeEventListener('keydown', keydown);
}
