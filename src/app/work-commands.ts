/** Commands that work on the song in the studio: its regions and its tools. Rows of the table in commands.ts. */
import type { Command, CommandId } from './commands.ts';
import { FINE_SECONDS, FREE, type Edge } from './regions.ts';
import type { Studio } from './studio.svelte.ts';
import type { Tool } from './work.svelte.ts';

const onSong = ({ router, work }: Studio): boolean => router.page === 'studio' && work.track !== null;
const onRegion = (studio: Studio): boolean => onSong(studio) && studio.work.regions.selected !== null;

/** An edge of the selected region comes to the playhead; without a region one begins, or ends, there. */
const mark = (id: CommandId, keys: string, edge: Edge): Command => ({
  id,
  keys,
  group: 'regions',
  when: onSong,
  run: ({ player, work: { regions } }) => {
    const { selected, beats } = regions;
    const at = player.time;
    const long = (beats ?? FREE).bar;
    if (selected) regions.setEdge(selected.id, edge, at, false);
    else if (edge === 'start') regions.add(at, at + long);
    else regions.add(at - long, at);
  },
});

const nudge = (id: CommandId, keys: string, sign: 1 | -1, fine: boolean): Command => ({
  id,
  keys,
  group: 'regions',
  when: onRegion,
  palette: false,
  repeats: true,
  run: ({ work: { regions } }) => {
    const { selected, beats } = regions;
    const step = fine ? FINE_SECONDS : (beats ?? FREE).beat;
    // By a beat and not to one: a region that lies off the beat keeps its distance.
    if (selected) regions.move(selected.id, selected.start + sign * step, true);
  },
});

const tool = (id: CommandId, keys: string | null, which: Tool, icon: Command['icon']): Command => ({
  id,
  ...(keys !== null && { keys }),
  group: 'regions',
  ...(icon && { icon }),
  when: (studio) => onSong(studio) && studio.work.tools.includes(which),
  run: ({ work }) => work.open(which),
});

export const WORK_COMMANDS: readonly Command[] = [
  mark('regionStart', 'I', 'start'),
  mark('regionEnd', 'O', 'end'),
  nudge('regionBack', '[', -1, false),
  nudge('regionForward', ']', 1, false),
  nudge('regionBackFine', 'Alt [', -1, true),
  nudge('regionForwardFine', 'Alt ]', 1, true),
  tool('repaint', 'P', 'repaint', 'brush'),
  tool('extend', 'E', 'extend', 'extend'),
  tool('retake', 'R', 'retake', 'retake'),
  tool('edit', null, 'edit', 'edit'),
  tool('reference', null, 'audio2audio', 'ear'),
  {
    id: 'regionRemove',
    keys: 'Delete',
    group: 'regions',
    when: onRegion,
    run: ({ work: { regions } }) => {
      if (regions.selected) regions.remove(regions.selected.id);
    },
  },
  {
    id: 'regionsClear',
    keys: 'Escape',
    group: 'regions',
    when: (studio) =>
      onRegion(studio) && studio.overlays.dialog === null && !studio.overlays.advanced && !studio.work.tool,
    run: ({ work }) => work.regions.clear(),
  },
  {
    id: 'regionsUndo',
    keys: 'Mod Z',
    group: 'regions',
    palette: false,
    // A deletion that can still be taken back is the later and the greater loss.
    when: (studio) => onSong(studio) && studio.work.regions.canUndo && !studio.shelf.canUndo,
    run: ({ work }) => void work.regions.undo(),
  },
  {
    id: 'regionsRedo',
    keys: 'Mod Shift Z',
    group: 'regions',
    palette: false,
    when: (studio) => onSong(studio) && studio.work.regions.canRedo,
    run: ({ work }) => void work.regions.redo(),
  },
];
