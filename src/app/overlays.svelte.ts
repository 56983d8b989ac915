/** What lies over the page: one dialog at a time, and the Advanced drawer. A dialog's code comes when it is first opened. */
import type { Component } from 'svelte';

type DialogComponent = Component<{ onclose: () => void }>;

/** A new dialog is a component that takes `onclose`, and a row here. */
export const DIALOGS = {
  batch: () => import('./pages/BatchDialog.svelte'),
  palette: () => import('./pages/Palette.svelte'),
  shortcuts: () => import('./pages/Shortcuts.svelte'),
  settings: () => import('./pages/SettingsDialog.svelte'),
  export: () => import('./pages/ExportDialog.svelte'),
  drop: () => import('./pages/DropDialog.svelte'),
  link: () => import('./pages/LinkDialog.svelte'),
  backup: () => import('./pages/BackupDialog.svelte'),
  source: () => import('./pages/SourceDialog.svelte'),
  presets: () => import('./pages/Presets.svelte'),
  lyrics: () => import('./pages/LyricsDialog.svelte'),
} as const satisfies Record<string, () => Promise<{ readonly default: DialogComponent }>>;

export type DialogId = keyof typeof DIALOGS;

/** One showing of a dialog: a second of the same is another. */
export interface Shown {
  readonly id: DialogId;
}

export class Overlays {
  shown = $state.raw<Shown | null>(null);
  /** The Advanced drawer of the Studio. */
  advanced = $state(false);
  /** A control of the drawer that wants the focus as soon as it is there. */
  goTo = $state<string | null>(null);

  get dialog(): DialogId | null {
    return this.shown?.id ?? null;
  }

  show(id: DialogId): void {
    // One that is already being closed has shut its element, and its end comes in an event: this is a new showing then.
    if (this.dialog === id && document.querySelector('dialog[open]')) return;
    this.shown = { id };
  }

  /** A dialog that another one has followed says late that it is closed. */
  close(which: Shown | DialogId): void {
    if (which === this.shown || which === this.dialog) this.shown = null;
  }
}
