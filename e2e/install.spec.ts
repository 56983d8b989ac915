import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Locator, Page } from '@playwright/test';
import { convertFolder } from '../scripts/convert.ts';
import { drop } from './dropping.ts';
import { expect, openSite, Studio, test as base, TEXT } from './fixtures.ts';
import type { Site } from './fixtures.ts';
import { Origin, siteWith, SMALL, smallModel } from './small-model.ts';
import type { Fault } from './small-model.ts';
import { level } from './wav.ts';

const T = TEXT.install;
const TRANSFORMER = 'ace_step_transformer/diffusion_pytorch_model.safetensors';

interface PerTest {
  readonly published: boolean;
  readonly origin: Origin;
  readonly place: Site;
  readonly shelf: Shelf;
}

/** SHA-256 of the weight files that the converter in Node writes, by name. */
let expected: Record<string, string>;

const test = base.extend<PerTest>({
  published: [true, { option: true }],
  origin: async ({}, use) => {
    const origin = new Origin(smallModel().checkpoint);
    await origin.open();
    await use(origin);
    await origin.close();
  },
  place: async ({ origin, published }, use) => {
    const root = siteWith(smallModel(), origin.address, published);
    const site = await openSite(root);
    await use(site);
    await site.close();
    rmSync(root, { recursive: true });
  },
  shelf: async ({ page, place }, use) => {
    const shelf = new Shelf(page, place.url);
    await shelf.open();
    await use(shelf);
  },
});

test.beforeAll(async () => {
  test.setTimeout(300_000);
  const { checkpoint, recipes } = smallModel();
  const out = mkdtempSync(path.join(os.tmpdir(), 'cadenza-converted-'));
  await convertFolder(checkpoint, out, 'q8', recipes);
  expected = Object.fromEntries(
    readdirSync(out)
      .filter((name) => name.endsWith('.bin'))
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(path.join(out, name)))
          .digest('hex'),
      ]),
  );
  rmSync(out, { recursive: true });
});

/** The Models page, in the words that it shows. */
class Shelf {
  readonly page: Page;
  readonly url: string;
  readonly card: Locator;
  readonly alert: Locator;
  /** Takes the folder of one's own copy of the official files. */
  readonly copy: Locator;

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
    this.card = page.locator(`section[aria-labelledby="model-${SMALL}"]`);
    this.alert = this.card.getByRole('alert');
    this.copy = page.locator(`input[data-for="${SMALL}"]`);
  }

  async open(): Promise<void> {
    await this.page.goto(`${this.url}#models`);
    await expect(this.card).toBeVisible();
  }

  row(precision: string): Locator {
    return this.card
      .locator('li.prow')
      .filter({ has: this.page.locator('b', { hasText: new RegExp(`^${precision}$`) }) });
  }

  async start(precision: string): Promise<void> {
    await this.row(precision)
      .getByRole('button', { name: new RegExp(`^(${T.resume}|${T.repair}|Install )`) })
      .click();
  }

  async installed(precision: string): Promise<void> {
    await expect(this.row(precision).getByText(T.here)).toBeVisible({ timeout: 60_000 });
  }

  /** Deletes it; its notice still offers a way back. */
  async delete(precision: string): Promise<void> {
    await this.row(precision)
      .getByRole('button', { name: T.delete(precision) })
      .click();
  }

  /** Deletes it for good: nothing goes before its notice does. */
  async forget(precision: string): Promise<void> {
    await this.delete(precision);
    await this.page
      .getByRole('region', { name: TEXT.toast.region })
      .getByRole('button', { name: TEXT.app.dismiss })
      .last()
      .click();
    await expect.poll(() => this.hashes()).toBeNull();
  }

  /** How much of an interrupted installation is noted as done, 0 to 1. */
  async noted(): Promise<number> {
    return this.page.evaluate(async (id) => {
      try {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        const file = await (await models.getDirectoryHandle(id)).getFileHandle('install.json');
        const { done, total } = JSON.parse(await (await file.getFile()).text()) as Record<string, number>;
        return done! / total!;
      } catch {
        return 0; // not begun, or being written
      }
    }, SMALL);
  }

  /** Hashes of weight files as the installed manifest names them; null where no pack is installed. */
  async hashes(): Promise<Record<string, string> | null> {
    return this.page.evaluate(async (id) => {
      try {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        const folder = await models.getDirectoryHandle(id);
        const text = await (await (await folder.getFileHandle('manifest.json')).getFile()).text();
        const { graphs } = JSON.parse(text) as {
          graphs: Record<
            string,
            { variants: { precision: string; weights: { path: string; sha256: string }[] }[] }
          >;
        };
        const hashes: Record<string, string> = {};
        for (const { variants } of Object.values(graphs))
          for (const { weights } of variants)
            for (const { path: name } of weights) {
              // What lies there, not what is said of it.
              const bytes = await (await (await folder.getFileHandle(name)).getFile()).arrayBuffer();
              const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
              hashes[name] = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
            }
        return hashes;
      } catch {
        return null;
      }
    }, SMALL);
  }
}

test('a model is installed, makes a song with the network off, is verified, repaired and deleted', async ({
  page,
  context,
  origin,
  place,
  shelf,
}) => {
  await shelf.start('q8');
  await shelf.installed('q8');
  expect(await shelf.hashes()).toEqual(expected);
  await origin.close();

  const studio = new Studio(page, place.url);
  await shelf.card.getByRole('button', { name: TEXT.models.use }).click();
  await studio.go('studio');
  expect(level(await studio.makeAndDownload({ seconds: 1 }))).toBeGreaterThan(0);

  await studio.go('models');
  await page.evaluate(async (id) => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
    const folder = await models.getDirectoryHandle(id);
    const handle = await folder.getFileHandle('denoiser.q8.0.bin');
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    bytes[bytes.length >> 1]! ^= 1;
    const stream = await handle.createWritable();
    await stream.write(bytes);
    await stream.close();
  }, SMALL);
  await page.reload();
  await expect(shelf.card).toContainText(T.broken(1));
  await origin.open();
  await shelf.start('q8');
  await shelf.installed('q8');
  expect(await shelf.hashes()).toEqual(expected);
  await shelf.row('q8').getByRole('button', { name: T.verify, exact: true }).click();
  await expect(page.getByText(T.sound('ACE-Step v1, another size')).first()).toBeVisible();

  await shelf.delete('q8');
  await expect(shelf.row('q8').getByText(T.here)).toHaveCount(0);
  await page.getByRole('button', { name: T.undo }).click();
  await shelf.installed('q8');
  expect(await shelf.hashes(), 'nothing is gone before its notice is').toEqual(expected);
  await shelf.forget('q8');
  expect(context.pages()).toHaveLength(1);
});

test('a pack goes out to a folder and comes in again; official files come from a folder, too', async ({
  page,
  origin,
  shelf,
}) => {
  await origin.close();
  await shelf.copy.setInputFiles(smallModel().checkpoint);
  await shelf.installed('q8');
  expect(await shelf.hashes()).toEqual(expected);

  // A folder of the browser's own stands in for one on the disk: the picker cannot be driven.
  await page.evaluate(() => {
    const pick = async (): Promise<FileSystemDirectoryHandle> =>
      (await navigator.storage.getDirectory()).getDirectoryHandle('out', { create: true });
    Object.assign(window, { showDirectoryPicker: pick });
  });
  await shelf.card.getByRole('button', { name: T.export }).click();
  await expect(page.getByText(T.exported('ACE-Step v1, another size')).first()).toBeVisible();
  const files = await page.evaluate(async (id) => {
    const out = await (await navigator.storage.getDirectory()).getDirectoryHandle('out');
    const found: { name: string; base64: string }[] = [];
    for await (const handle of (await out.getDirectoryHandle(id)).values()) {
      const bytes = new Uint8Array(await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer());
      let text = '';
      for (const byte of bytes) text += String.fromCharCode(byte);
      found.push({ name: handle.name, base64: btoa(text) });
    }
    return found;
  }, SMALL);
  await shelf.forget('q8');

  const folder = mkdtempSync(path.join(os.tmpdir(), 'cadenza-pack-'));
  for (const { name, base64 } of files) writeFileSync(path.join(folder, name), Buffer.from(base64, 'base64'));
  await page.locator('input[data-for="packs"]').setInputFiles(folder);
  await shelf.installed('q8');
  expect(await shelf.hashes()).toEqual(expected);
  rmSync(folder, { recursive: true });
});

test('a bad copy of the official files is refused in words, and then a good one goes in', async ({
  page,
  origin,
  shelf,
}) => {
  await origin.close();
  const whole = readFileSync(path.join(smallModel().checkpoint, TRANSFORMER));
  // What is offered as the transformer, and what is said of it. A folder that lacks it is a bad copy, too.
  const copies: Record<string, [Buffer | null, string | RegExp]> = {
    'not there': [null, `The folder has no ${TRANSFORMER}`],
    'of no bytes': [Buffer.alloc(0), `${TRANSFORMER} has 0 bytes`],
    'cut short': [whole.subarray(0, -1), `${TRANSFORMER} has ${whole.length - 1} bytes`],
    'of another kind': [
      Buffer.alloc(whole.length, '<script>document.title="broken"</script>'),
      /\.safetensors file/,
    ],
    'with one bit changed': [
      Buffer.concat([whole.subarray(0, -1), Buffer.of(whole.at(-1)! ^ 1)]),
      /its SHA-256 is/,
    ],
  };
  for (const [name, [bytes, why]] of Object.entries(copies)) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'cadenza-copy-'));
    cpSync(smallModel().checkpoint, folder, { recursive: true });
    rmSync(path.join(folder, TRANSFORMER));
    if (bytes) writeFileSync(path.join(folder, TRANSFORMER), bytes);
    await shelf.copy.setInputFiles(folder);
    await expect(shelf.alert, name).toContainText(why);
    expect(await shelf.hashes(), name).toBeNull();
    rmSync(folder, { recursive: true });
  }
  // Files that are none of the model's, let go over its card.
  await drop(page, [{ name: 'paper.pdf', bytes: '%PDF-1.7 …' }], 'drop', shelf.card);
  await expect(shelf.alert).toContainText('The folder has no ');
  expect(await page.title()).not.toBe('broken');
  await shelf.copy.setInputFiles(smallModel().checkpoint);
  await expect(shelf.alert).toHaveCount(0);
  await shelf.installed('q8');
  expect(await shelf.hashes()).toEqual(expected);
});

/** Faults that pass: the installation comes to its end by itself. */
const PASSING: readonly { readonly name: string; readonly fault: () => Fault }[] = [
  {
    name: 'the connection is cut in the middle of an answer',
    fault: () => {
      let cuts = 0;
      return ({ begin, bytes, response }) => {
        if (begin === 0 || cuts++ >= 2) return false;
        response.writeHead(206, { 'Content-Length': bytes.length });
        response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
        return true;
      };
    },
  },
  {
    name: 'the server is slow',
    fault: () => async () => {
      await new Promise((resolve) => setTimeout(resolve, 120));
      return false;
    },
  },
  {
    name: 'the server is busy twice',
    fault: () => {
      let times = 0;
      return ({ response }) => times++ < 2 && Boolean(response.writeHead(503).end());
    },
  },
];

for (const { name, fault } of PASSING) {
  test(`goes through although ${name}`, async ({ origin, shelf, guard }) => {
    guard.allow(/Failed to load resource|net::ERR/);
    origin.fault = fault();
    await shelf.start('q8');
    await shelf.installed('q8');
    expect(await shelf.hashes()).toEqual(expected);
  });
}

/** Faults that end it: nothing is used, the message says what to do, and once the fault is gone it goes on. */
const ENDING: readonly { readonly name: string; readonly fault: Fault; readonly says: RegExp }[] = [
  {
    name: 'the server knows no such range',
    fault: ({ file, begin, response }) =>
      file === TRANSFORMER && begin > 0 && Boolean(response.writeHead(416).end()),
    says: /shorter than the published .* another address, or use your own copy/,
  },
  {
    name: 'the server sends the whole file',
    fault: ({ bytes, response }) => Boolean(response.writeHead(200).end(bytes)),
    says: /whole files where a part is asked for.*your own copy/,
  },
  {
    name: 'the file has another length',
    fault: ({ begin, end, bytes, response }) => {
      response.setHeader('Content-Range', `bytes ${begin}-${end - 1}/123456`);
      return Boolean(response.writeHead(206).end(bytes));
    },
    says: /has 123456 bytes .* another version/,
  },
  {
    name: 'one bit is flipped on the way',
    fault: ({ file, begin, bytes, response }) => {
      if (file !== TRANSFORMER || begin < 400_000) return false;
      bytes[bytes.length >> 1]! ^= 4;
      return Boolean(response.writeHead(206, { 'Content-Length': bytes.length }).end(bytes));
    },
    says: /SHA-256 is .* Nothing of it was used/,
  },
];

for (const { name, fault, says } of ENDING) {
  test(`stops where ${name}; what was there stays; then it goes on`, async ({ origin, shelf, guard }) => {
    guard.allow(/Failed to load resource/);
    await shelf.start('q4f32');
    await shelf.installed('q4f32');
    const before = await shelf.hashes();
    origin.fault = fault;
    await shelf.start('q8');
    await expect(shelf.alert).toContainText(says, { timeout: 30_000 });
    expect(await shelf.hashes()).toEqual(before);
    await shelf.installed('q4f32');
    origin.fault = () => false;
    await shelf.start('q8');
    await shelf.installed('q8');
    expect(await shelf.hashes()).toEqual({ ...before, ...expected });
  });
}

test('a disk that fills up in the middle stops it with a way out; with space again it goes on', async ({
  page,
  context,
  origin,
  place,
  shelf,
}) => {
  const devtools = await context.newCDPSession(page);
  const quota = { origin: new URL(place.url).origin };
  origin.fault = async ({ file, begin }) => {
    if (file === TRANSFORMER && begin > 300_000) {
      await devtools.send('Storage.overrideQuotaForOrigin', { ...quota, quotaSize: 1000 });
    }
    return false;
  };
  await shelf.start('q8');
  await expect(shelf.alert).toContainText(/full.*(free|Free) some space/, { timeout: 30_000 });
  expect(await shelf.hashes()).toBeNull();
  origin.fault = () => false;
  await devtools.send('Storage.overrideQuotaForOrigin', quota);
  await shelf.start('q8');
  await shelf.installed('q8');
  expect(await shelf.hashes()).toEqual(expected);
});

test('a killed tab goes on where it was', async ({ context, origin, place, shelf }) => {
  origin.fault = async () => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    return false;
  };
  await shelf.start('q8');
  await expect.poll(() => shelf.noted(), { timeout: 30_000, intervals: [50] }).toBeGreaterThan(0.3);
  const noted = await shelf.noted();
  await shelf.page.close();
  origin.fault = () => false;
  const before = origin.served;
  const again = new Shelf(await context.newPage(), place.url);
  await again.open();
  await expect(again.row('q8').getByRole('button', { name: T.resume })).toBeVisible();
  await again.start('q8');
  await again.installed('q8');
  expect(await again.hashes()).toEqual(expected);
  const { files } = JSON.parse(readFileSync(path.join(smallModel().recipes, 'sources.json'), 'utf8')) as {
    files: { bytes: number }[];
  };
  const whole = files.reduce((sum, { bytes }) => sum + bytes, 0);
  // Headers, and what was read but not noted yet, are fetched again.
  expect(origin.served - before, 'what was noted is not fetched again').toBeLessThan(
    (1 - noted + 0.2) * whole,
  );
});

test('two tabs: one installs, the other waits and then has it', async ({ context, origin, place, shelf }) => {
  origin.fault = async () => {
    await new Promise((resolve) => setTimeout(resolve, 80));
    return false;
  };
  await shelf.start('q8');
  const other = new Shelf(await context.newPage(), place.url);
  await other.open();
  await expect(other.row('q8').getByText(T.elsewhere)).toBeVisible();
  await expect(other.card.getByRole('button', { name: /^Install / })).toHaveCount(0);
  await shelf.installed('q8');
  await other.installed('q8');
  expect(await other.hashes()).toEqual(expected);
});

test('no network at the start: told after some tries, and it goes on when there is one', async ({
  origin,
  shelf,
  guard,
}) => {
  guard.allow(/Failed to load resource|net::ERR/);
  await origin.close();
  await shelf.start('q8');
  await expect(shelf.alert).toContainText(/could not be reached .* go on when the connection is back/, {
    timeout: 30_000,
  });
  expect(await shelf.hashes()).toBeNull();
  await origin.open();
  await shelf.start('q8');
  await shelf.installed('q8');
});

test.describe('where no hash is published', () => {
  test.use({ published: false });

  test('a file that changes between ranges is refused; else its hash is recorded and shown', async ({
    origin,
    shelf,
  }) => {
    origin.fault = ({ file, begin }) => {
      if (file === TRANSFORMER && begin > 300_000) origin.tag = 'second';
      return false;
    };
    await shelf.start('q8');
    await expect(shelf.alert).toContainText(/changed at .* while it was being read/, { timeout: 30_000 });
    expect(await shelf.hashes()).toBeNull();
    origin.fault = () => false;
    await shelf.start('q8');
    await shelf.installed('q8');
    expect(await shelf.hashes()).toEqual(expected);
    await shelf.card.getByText(T.from).click();
    await expect(shelf.card.getByRole('table')).toContainText(T.recorded);
  });
});
