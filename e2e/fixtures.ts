/**
 * What every journey shares: a server with the built site, a guard that fails a test on any console error, page
 * error or request to another origin, and the words of the page as things to do.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test as base, expect } from '@playwright/test';
import type { BrowserContext, Locator, Page } from '@playwright/test';
import { addressOf, serve } from '../scripts/serve.mjs';
import { SITE } from '../scripts/site.mjs';
import { TEXT } from '../src/app/text.ts';
import { readWav } from './wav.ts';
import type { Wav } from './wav.ts';

export { expect, TEXT };

/** A running copy of the site; `url` ends in a slash. */
export interface Site {
  readonly url: string;
  readonly root: string;
  /** Stops answering, as when the network is gone; connections that are open end too. */
  close(): Promise<void>;
}

export async function openSite(root = SITE, isolation = true, port = 0): Promise<Site> {
  const server = await serve({ root, port, isolation });
  return {
    url: addressOf(server),
    root,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Collects what must never happen. A test that provokes an error names it with `allow` first. */
export class Guard {
  readonly faults: string[] = [];
  private readonly allowed: RegExp[] = [];

  watch(context: BrowserContext): void {
    context.on('console', (message) => {
      if (message.type() === 'error') this.fault(`console: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (error) => this.fault(`page: ${error.error().stack ?? error.error().message}`));
    context.on('request', (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (/^(https?|wss?):$/.test(protocol) && hostname !== 'localhost')
        this.fault(`request: ${request.url()}`);
    });
  }

  allow(pattern: RegExp): void {
    this.allowed.push(pattern);
  }

  private fault(text: string): void {
    this.faults.push(text);
  }

  check(): void {
    const unexpected = this.faults.filter((fault) => !this.allowed.some((pattern) => pattern.test(fault)));
    expect(unexpected, 'nothing may go wrong on the way').toEqual([]);
  }
}

interface PerTest {
  readonly guard: Guard;
  readonly studio: Studio;
  /** A private copy of the site that the test may damage. */
  readonly copy: Site;
}

export const test = base.extend<PerTest, { readonly site: Site }>({
  site: [
    async ({}, use) => {
      const site = await openSite();
      await use(site);
      await site.close();
    },
    { scope: 'worker' },
  ],
  guard: [
    async ({ context }, use) => {
      const guard = new Guard();
      guard.watch(context);
      await use(guard);
      guard.check();
    },
    { auto: true },
  ],
  copy: async ({}, use) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'cadenza-site-'));
    cpSync(SITE, folder, { recursive: true });
    const site = await openSite(folder);
    await use(site);
    await site.close();
    rmSync(folder, { recursive: true });
  },
  studio: async ({ page, site }, use) => {
    await use(new Studio(page, site.url));
  },
});

export interface Wanted {
  readonly prompt?: string;
  readonly seconds?: number;
  readonly seed?: number;
  readonly steps?: number;
}

/** Short enough for a software path on two cores. */
export const SHORT: Required<Wanted> = {
  prompt: 'slow jazz waltz, piano trio, 96 bpm, A minor',
  seconds: 3,
  seed: 7,
  steps: 4,
};

/** The page, in the words that it shows. */
export class Studio {
  readonly page: Page;
  readonly url: string;
  readonly compose: Locator;
  readonly song: Locator;
  readonly queue: Locator;
  readonly generateButton: Locator;

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
    this.compose = page.getByRole('region', { name: TEXT.compose.region });
    this.song = page.getByRole('region', { name: TEXT.song.region });
    this.queue = page.getByRole('region', { name: TEXT.queue.region });
    this.generateButton = this.compose.getByRole('button', { name: new RegExp(`^${TEXT.generate.one}`) });
  }

  async open(hash = ''): Promise<void> {
    await this.page.goto(this.url + hash);
    await expect(this.generateButton).toBeVisible();
  }

  /** Opens one of the pages by its name in the main menu. */
  async go(name: keyof typeof TEXT.pages): Promise<void> {
    await this.page
      .getByRole('navigation', { name: TEXT.app.main })
      .getByRole('link', { name: TEXT.pages[name] })
      .click();
    await expect(this.page).toHaveTitle(new RegExp(TEXT.pages[name]));
  }
}

export const wavOf = (file: string): Wav => readWav(readFileSync(file));
