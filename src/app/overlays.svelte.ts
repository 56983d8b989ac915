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

export class Overlays {
  dialog = $state<DialogId | null>(null);
  /** The Advanced drawer of the Studio. */
  advanced = $state(false);
  /** A control of the drawer that wants the focus as soon as it is there. */
  goTo = $state<string | null>(null);

  show(dialog: DialogId): void {
    this.dialog = dialog;
  }

  /** A dialog that another one has followed says late that it is closed. */
  close(dialog: DialogId): void {
    if (this.dialog === dialog) this.dialog = null;
  }
}
