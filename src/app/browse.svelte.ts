/** What the Library page looks at: a place, a query, an order, and which songs are chosen. It outlives the page. */
import type { Track } from '../storage/library.ts';
import { ALL, countsOf, isIn, samePlace, type Place } from './places.ts';
import { found, type Sort } from './search.ts';
import { NOTHING, type Selection } from './selection.ts';
import type { Shelf } from './shelf.svelte.ts';

export class Browse {
  place = $state.raw<Place>(ALL);
  query = $state('');
  sort = $state<Sort>('newest');
  selection = $state.raw<Selection>(NOTHING);
  /** Taps choose instead of opening. */
  choosing = $state(false);
  /** Id of the song whose details are open. */
  openId = $state<string | null>(null);

  readonly #shelf: Shelf;
  #now = Date.now();

  constructor(shelf: Shelf) {
    this.#shelf = shelf;
  }

  readonly inTrash: boolean = $derived(this.place.type === 'trash');
  readonly counts = $derived.by(() => countsOf(this.#shelf.tracks, this.#now));
  readonly shown: readonly Track[] = $derived.by(() => {
    const all = this.inTrash ? this.#shelf.trash : this.#shelf.tracks;
    const here = this.place.type === 'all' ? all : all.filter((track) => isIn(track, this.place, this.#now));
    // Of the trash the latest deletion comes first, as it is kept.
    return this.inTrash && this.query === '' && this.sort === 'newest'
      ? here
      : found(here, this.query, this.sort);
  });
  readonly ids: readonly string[] = $derived(this.shown.map(({ id }) => id));
  /** The chosen songs in the order of the list. */
  readonly chosen: readonly Track[] = $derived(this.shown.filter(({ id }) => this.selection.chosen.has(id)));
  readonly open: Track | null = $derived.by(() => (this.inTrash ? null : this.#shelf.find(this.openId)));

  go(place: Place): void {
    // The same place again leads out of it.
    this.place = samePlace(place, this.place) ? ALL : place;
    this.#now = Date.now();
    this.clear();
  }

  showAll(): void {
    this.place = ALL;
    this.query = '';
  }

  clear(): void {
    this.selection = NOTHING;
    this.choosing = false;
  }
}
