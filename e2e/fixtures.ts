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
  readonly preset?: 'Draft' | 'Standard' | 'High';
}

/** Short, so that a software path on two cores is quick. */
export const SHORT: Required<Wanted> = {
  prompt: 'slow jazz waltz, piano trio, 96 bpm, A minor',
  seconds: 3,
  seed: 7,
  preset: 'Draft',
};
const SONG_MS = 120_000;

/** The page, in the words that it shows. */
export class Studio {
  readonly page: Page;
  readonly url: string;
  readonly compose: Locator;
  readonly style: Locator;
  readonly song: Locator;
  readonly queue: Locator;
  readonly generate: Locator;
  readonly cancel: Locator;
  /** Stands on the card of a job that failed. */
  readonly again: Locator;

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
    this.compose = page.getByRole('form', { name: TEXT.compose.region });
    this.style = this.compose.getByRole('textbox', { name: new RegExp(`^${TEXT.compose.style}`) });
    this.song = page.getByRole('region', { name: TEXT.song.region });
    this.queue = page.getByRole('complementary', { name: TEXT.queue.region });
    this.generate = this.compose.locator('button.generate');
    this.cancel = this.queue.getByRole('button', { name: TEXT.job.cancel });
    // A song that failed after a step was saved goes on from there.
    this.again = this.queue.getByRole('button', {
      name: new RegExp(`^(${TEXT.job.again}|${TEXT.line.goOn(0).replace('0', '\\d+')})$`),
    });
  }

  /** Opens the app and waits until the engine has answered. */
  async open(hash = ''): Promise<void> {
    await this.page.goto(this.url + hash);
    if (hash === '')
      await expect(this.compose.getByRole('slider', { name: TEXT.compose.length })).toBeVisible();
  }

  /** Opens one of the pages by its name in the main menu. */
  async go(name: keyof typeof TEXT.pages): Promise<void> {
    const menu = this.page.getByRole('navigation', { name: TEXT.app.main });
    const link = menu.getByRole('link', { name: TEXT.pages[name] });
    await link.click();
    await expect(link).toHaveAttribute('aria-current', 'page');
    // A page that is opened for the first time comes over the network.
    await expect(this.page.locator('main > [aria-busy]')).toHaveCount(0);
  }

  /** A row of the Device page's list of abilities. */
  ability(name: string): Locator {
    return this.page.getByRole('main').getByRole('listitem').filter({ hasText: name });
  }

  async fill(wanted: Wanted = {}): Promise<void> {
    const { prompt, seconds, seed, preset } = { ...SHORT, ...wanted };
    await this.style.fill(prompt);
    await this.compose.getByRole('slider', { name: TEXT.compose.length }).fill(String(seconds));
    const quality = TEXT.compose.qualities[preset];
    await this.compose.getByRole('radio', { name: quality }).check({ force: true });
    await this.compose.getByLabel(TEXT.compose.seed, { exact: true }).fill(String(seed));
  }

  /** Presses Generate whatever it says; where it cannot start a song it says why and leads to the cause. */
  async press(): Promise<void> {
    await this.generate.click({ force: true });
  }

  /** Presses Generate and waits until the song has begun. */
  async start(wanted: Wanted = {}): Promise<void> {
    await this.fill(wanted);
    await this.generate.click();
    await expect(this.cancel).toBeVisible();
  }

  /** Waits until nothing is being made any more. */
  async idle(timeout = SONG_MS): Promise<void> {
    await expect(this.cancel).toHaveCount(0, { timeout });
  }

  /** Makes a song and stays until it stands in the studio. */
  async make(wanted: Wanted = {}): Promise<void> {
    await this.start(wanted);
    await this.idle();
    await expect(this.again, 'the song was made').toHaveCount(0);
    await expect(this.song.getByRole('button', { name: TEXT.song.download })).toBeVisible();
  }

  /** The song in the studio, through the download button, read by code that is not the product's. */
  async download(): Promise<Wav> {
    const waiting = this.page.waitForEvent('download');
    await this.song.getByRole('button', { name: TEXT.song.download }).click();
    const download = await waiting;
    expect(download.suggestedFilename()).toMatch(/\.wav$/);
    return readWav(readFileSync(await download.path()));
  }

  async makeAndDownload(wanted: Wanted = {}): Promise<Wav> {
    await this.make(wanted);
    return this.download();
  }
}
