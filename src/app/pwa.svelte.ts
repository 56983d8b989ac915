/**
 * The page's end of the service worker: registers it, hands it the list of what music needs offline, offers the
 * browser's installation, and tells of a waiting version with the event `cadenza:update` on the window. A new version
 * takes over only when `apply` is called, which the app does when no song is being made.
 */
import type { PageMessage, PrecacheAnswer } from '../lib/offline.ts';

/** Not in TypeScript's library: Chromium's offer to install. */
interface InstallPrompt extends Event {
  prompt(): Promise<{ outcome: 'accepted' | 'dismissed' }>;
}

export const UPDATE_EVENT = 'cadenza:update';

/** Set before the one reload that gives the page its isolation headers, so that there is never a second one. */
const RELOADED = 'cadenza.isolated';

/**
 * Fetching and hashing everything for later takes the network and a processor core: the page that is opening goes first.
 * Not where the worker has to bring the isolation headers: there the page opens again with them.
 */
const OPENING_MS = 2000;

export class Pwa {
  /** The browser offers to install the app. */
  canInstall = $state(false);
  offlineReady = $state(false);
  #prompt: InstallPrompt | null = null;
  #registration: ServiceWorkerRegistration | null = null;
  #registering: Promise<void> | null = null;
  /** This tab asked for the new version: it reloads when that takes over. Other tabs keep what they run. */
  #applying = false;

  /** Follows installation and updates until the returned function is called. */
  listen(): () => void {
    const off = new AbortController();
    const { signal } = off;
    addEventListener(
      'beforeinstallprompt',
      (event) => {
        event.preventDefault(); // the app has a button of its own for it
        this.#prompt = event as InstallPrompt; // what this event is
        this.canInstall = true;
      },
      { signal },
    );
    addEventListener(
      'appinstalled',
      () => {
        this.canInstall = false;
        this.#prompt = null;
      },
      { signal },
    );
    // The development server has no service worker.
    if ('serviceWorker' in navigator && import.meta.env.PROD) {
      navigator.serviceWorker.addEventListener('controllerchange', () => this.#taken(), { signal });
      const first = crossOriginIsolated ? OPENING_MS : 0;
      this.#registering = new Promise((resolve) => setTimeout(resolve, first))
        .then(() => (signal.aborted ? undefined : this.#register()))
        .catch(() => undefined); // denied: the app works without, online
    }
    return () => off.abort();
  }

  async install(): Promise<void> {
    const prompt = this.#prompt;
    this.#prompt = null;
    this.canInstall = false;
    await prompt?.prompt();
  }

  /** Lets the waiting version take over; the page reloads with it. */
  apply(): void {
    this.#applying = true;
    this.#registration?.waiting?.postMessage({ type: 'skip' } satisfies PageMessage);
  }

  /** Keeps these files for later without a network. Resolves when they are there; rejects with the worker's words. */
  async keep(urls: readonly string[]): Promise<void> {
    await this.#registering;
    if (!this.#registration) return;
    // On the first visit this is where the worker is still fetching the shell.
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    try {
      await new Promise<void>((resolve, reject) => {
        port1.onmessage = ({ data }: MessageEvent<PrecacheAnswer>) => {
          if (data.type === 'ready') resolve();
          if (data.type === 'failed') reject(new Error(data.message));
        };
        active?.postMessage({ type: 'precache', urls } satisfies PageMessage, [port2]);
      });
      this.offlineReady = true;
    } finally {
      port1.close();
    }
  }

  async #register(): Promise<void> {
    const registration = await navigator.serviceWorker.register('./sw.js', { scope: './' });
    this.#registration = registration;
    if (registration.waiting && navigator.serviceWorker.controller) this.#tell();
    registration.addEventListener('updatefound', () => {
      const { installing } = registration;
      installing?.addEventListener('statechange', () => {
        if (installing.state === 'installed' && navigator.serviceWorker.controller) this.#tell();
      });
    });
    // Where the host sends no isolation headers, the first load under the worker's control gets them.
    if (navigator.serviceWorker.controller) this.#isolate();
  }

  #tell(): void {
    dispatchEvent(new CustomEvent(UPDATE_EVENT));
  }

  #taken(): void {
    if (this.#applying) location.reload();
    else this.#isolate();
  }

  #isolate(): void {
    if (crossOriginIsolated || sessionStorage.getItem(RELOADED)) return;
    sessionStorage.setItem(RELOADED, 'yes');
    location.reload();
  }
}
