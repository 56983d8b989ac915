/** Files that come in anywhere: dropped on the window, pasted, or chosen. Each goes where its content belongs. */
import { asEngineError } from '../lib/errors.ts';
import { readRecipe } from '../lib/recipe.ts';
import type { TaskLimits } from '../lib/task.ts';
import type { Compose } from './compose.svelte.ts';
import type { Overlays } from './overlays.svelte.ts';
import type { Router } from './router.svelte.ts';
import { TEXT } from './text.ts';
import type { Toasts } from './toasts.svelte.ts';

const T = TEXT.drop;
export const MOST_FILES = 20;

export type SoundUse = 'reference' | 'work';

/** What takes the files that are more than settings and words. */
export interface Hands {
  /** Limits of the model in use, after changing to this one if it is here; null until one is known. */
  limits(model: unknown): TaskLimits | null;
  lora(file: File): Promise<void>;
  /** The form as it was, said in words. */
  back(draft: Compose['draft']): void;
  /** Null: there is nothing yet that takes a sound in. */
  readonly sound: ((file: File, use: SoundUse) => Promise<void>) | null;
  backup(file: File): Promise<void>;
  /** @throws EngineError 'bad-task' when it is no list of songs */
  batch(text: string): void;
}

export class Drops {
  /** Files hang over the window. */
  over = $state(false);
  working = $state(false);
  /** A sound without settings, which the dialog asks about. */
  sound = $state.raw<File | null>(null);

  readonly #compose: Compose;
  readonly #overlays: Overlays;
  readonly #router: Router;
  readonly #toasts: Toasts;
  readonly #hands: Hands;

  constructor(parts: { compose: Compose; overlays: Overlays; router: Router; toasts: Toasts }, hands: Hands) {
    this.#compose = parts.compose;
    this.#overlays = parts.overlays;
    this.#router = parts.router;
    this.#toasts = parts.toasts;
    this.#hands = hands;
  }

  /** Follows the window until the returned function is called. */
  listen(): () => void {
    let depth = 0; // each element that is entered is left again
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      this.over = true;
    };
    const leave = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      this.over = depth > 0;
    };
    const hover = (event: DragEvent): void => {
      // Without this the browser would open the file in place of the page.
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      depth = 0;
      this.over = false;
      // A part of the page that takes files itself has them by now.
      if (!hasFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      void this.take([...(event.dataTransfer?.files ?? [])]);
    };
    const paste = (event: ClipboardEvent): void => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return; // words go where the caret is
      event.preventDefault();
      void this.take(files);
    };
    const ends = [
      on('dragenter', enter),
      on('dragleave', leave),
      on('dragover', hover),
      on('drop', drop),
      on('paste', paste),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  async take(files: readonly File[]): Promise<void> {
    if (files.length > MOST_FILES) return this.#refuse(T.tooMany(MOST_FILES));
    this.working = true;
    try {
      for (const file of files) await this.#one(file);
    } finally {
      this.working = false;
    }
  }

  /** The answer to the question about a sound. */
  async use(use: SoundUse): Promise<void> {
    const { sound } = this;
    this.#overlays.close('drop');
    this.sound = null;
    if (!sound) return;
    if (!this.#hands.sound) return this.#refuse(T.noSound);
    try {
      await this.#hands.sound(sound, use);
      this.#tell(T.taken(sound.name));
    } catch (thrown) {
      this.#refuse(T.bad(sound.name, asEngineError(thrown).message));
    }
  }

  /**
   * Settings of any origin into the form, with the way back.
   * @throws EngineError 'bad-task' when they are none, or do not fit
   */
  fill(settings: unknown, name: string): void {
    const model = modelOf(settings);
    const before = this.#compose.draft;
    const limits = this.#hands.limits(model);
    if (!limits) return this.#refuse(T.wait);
    const { task, title, left } = readRecipe(settings, limits);
    this.#compose.reuse(task);
    this.#router.show('compose');
    const notes = { source: T.leftSource, loras: T.leftLoras, sampling: T.leftSampling };
    this.#withUndo([T.restored(title || name), ...left.map((part) => notes[part])], before);
  }

  async #one(file: File): Promise<void> {
    try {
      const { look } = await import('./drop.ts');
      const found = await look(file);
      switch (found.kind) {
        case 'recipe':
          return this.fill(found.settings, file.name);
        case 'sound':
          this.sound = file;
          return this.#overlays.show('drop');
        case 'lyrics': {
          const before = this.#compose.draft;
          this.#compose.set({ lyrics: found.text, instrumental: false });
          this.#router.show('compose');
          return this.#withUndo([T.lyrics(file.name)], before);
        }
        case 'lora':
          return await this.#hands.lora(file);
        case 'batch':
          return this.#hands.batch(found.text);
        case 'backup':
          return await this.#hands.backup(file);
      }
    } catch (thrown) {
      const { message } = asEngineError(thrown);
      this.#refuse(message.startsWith(file.name) ? message : T.bad(file.name, message));
    }
  }

  #withUndo(texts: readonly string[], before: Compose['draft']): void {
    const run = (): void => this.#hands.back(before);
    const text = texts.join(' ');
    this.#toasts.show({ text, action: { label: TEXT.library.undo, run } });
    this.#toasts.say(text);
  }

  #tell(text: string): void {
    this.#toasts.show({ text });
    this.#toasts.say(text);
  }

  /** A refusal stays until it is read. */
  #refuse(text: string): void {
    this.#toasts.show({ text, sticky: true });
    this.#toasts.say(text);
  }
}

function modelOf(settings: unknown): unknown {
  if (typeof settings !== 'object' || settings === null) return undefined;
  const task: unknown = Reflect.get(settings, 'task') ?? settings;
  return typeof task === 'object' && task !== null ? Reflect.get(task, 'model') : undefined;
}

function on<K extends keyof WindowEventMap>(type: K, heard: (event: WindowEventMap[K]) => void): () => void {
  addEventListener(type, heard);
  return () => removeEventListener(type, heard);
}
