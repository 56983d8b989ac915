/** Presets of the user's own: named copies of the form, in the browser's storage. */
import { parseDraft, type Draft } from './compose.svelte.ts';
import { ownFields, type OwnPreset } from './presets.ts';
import { Keep } from './settings.svelte.ts';

interface Stored {
  readonly list: readonly OwnPreset[];
}

export const MAX_NAME = 60;

export class OwnPresets {
  readonly #keep = new Keep<Stored>('cadenza.presets', { list: [] }, parse);

  get list(): readonly OwnPreset[] {
    return this.#keep.current.list;
  }

  /** Keeps the form under a name; the same name again replaces what it held. */
  save(name: string, draft: Draft): void {
    const others = this.list.filter((preset) => preset.name !== name);
    this.#set([...others, { id: crypto.randomUUID(), name, draft: ownFields(draft) }]);
  }

  rename(id: string, name: string): void {
    this.#set(this.list.map((preset) => (preset.id === id ? { ...preset, name } : preset)));
  }

  /** Returns what takes it back. */
  remove(id: string): () => void {
    const before = this.list;
    this.#set(before.filter((preset) => preset.id !== id));
    return () => this.#set(before);
  }

  #set(list: readonly OwnPreset[]): void {
    this.#keep.set({ list: list.toSorted((a, b) => a.name.localeCompare(b.name)) });
  }
}

/** What is there of the list, with whatever does not fit left out. */
function parse({ list }: Readonly<Record<string, unknown>>): Partial<Stored> {
  if (!Array.isArray(list)) return {};
  return {
    list: list.flatMap((item: unknown): OwnPreset[] => {
      if (typeof item !== 'object' || item === null) return [];
      const { id, name, draft } = item as Readonly<Record<string, unknown>>; // each is looked at below
      if (typeof id !== 'string' || typeof name !== 'string' || typeof draft !== 'object' || draft === null)
        return [];
      return [{ id, name: name.slice(0, MAX_NAME), draft: parseDraft({ ...draft }) }];
    }),
  };
}
