/** "Send to": where a song can go on, as rows of its menu. A tool opens with the song's own words and settings. */
import type { Track } from '../storage/library.ts';
import type { IconName } from './icons.ts';
import type { MenuItem } from './parts/Menu.svelte';
import type { Studio } from './studio.svelte.ts';
import { TEXT } from './text.ts';
import type { Tool } from './work.svelte.ts';

export const TOOL_ICONS: Readonly<Record<Tool, IconName>> = {
  repaint: 'brush',
  extend: 'extend',
  edit: 'edit',
  retake: 'retake',
  audio2audio: 'ear',
};

/** What a tool is called for a model: one without a voice has no lyrics to edit. */
export const toolName = (tool: Tool, sings: boolean): string =>
  tool === 'edit' && !sings ? TEXT.work.tools.remix : TEXT.work.tools[tool];

export function sendItems(studio: Studio, track: Track): readonly MenuItem[] {
  const { work, compose } = studio;
  const T = TEXT.send;
  const sings = studio.limitsOf(track.model)?.sings ?? false;
  const tools = work.toolsFor(track).map((tool): MenuItem => ({
    label: toolName(tool, sings),
    icon: TOOL_ICONS[tool],
    run: () => void studio.sendTo(track, tool),
  }));
  const parts = work.track?.id === track.id ? work.regions.list : [];
  const follows = compose.limits?.kinds.includes('audio2audio') ?? false;
  const items: readonly (MenuItem | false)[] = [
    ...tools,
    follows && { label: T.reference, icon: 'ear', run: () => void work.toCompose(track, []) },
    follows &&
      parts.length > 0 && {
        label: T.regions(parts.length),
        icon: 'ear',
        run: () => void work.toCompose(track, parts),
      },
    track.model !== '' && { label: T.settings, icon: 'reuse', run: () => studio.reuse(track) },
  ];
  return items.filter((item) => item !== false).map((item) => ({ ...item, group: T.title }));
}
