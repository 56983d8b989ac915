/** One line and at most one way out, for six seconds, ten with an undo; and the one polite voice of the page. */

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
  /** Stays until it is used or dismissed. */
  readonly sticky?: boolean;
}

const SECONDS = { plain: 6, action: 10 } as const;

export class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  /** What screen readers hear next. */
  spoken = $state('');
  #next = 1;
  readonly #timers = new Map<number, { timer: ReturnType<typeof setTimeout>; expired: () => void }>();

  /** `expired` runs when the time is over without the action having been used. */
  show(toast: Omit<Toast, 'id'>, expired: () => void = () => undefined): number {
    const id = this.#next++;
    this.list = [...this.list.slice(-2), { ...toast, id }];
    if (!toast.sticky) {
      const seconds = toast.action ? SECONDS.action : SECONDS.plain;
      this.#timers.set(id, { timer: setTimeout(() => this.dismiss(id), 1000 * seconds), expired });
    }
    return id;
  }

  /** Runs the action instead of what expiry would do. */
  use(id: number): void {
    const toast = this.list.find((one) => one.id === id);
    const timer = this.#timers.get(id);
    if (timer) clearTimeout(timer.timer);
    this.#timers.delete(id);
    this.list = this.list.filter((one) => one.id !== id);
    toast?.action?.run();
  }

  dismiss(id: number): void {
    const timer = this.#timers.get(id);
    if (timer) clearTimeout(timer.timer);
    this.#timers.delete(id);
    this.list = this.list.filter((one) => one.id !== id);
    timer?.expired();
  }

  /** The same words twice in a row are heard twice: a space that does not break makes them new. */
  say(text: string): void {
    this.spoken = this.spoken === text ? `${text}\u00a0` : text;
  }
}
