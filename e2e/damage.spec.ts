import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from '@playwright/test';
import { expect, openSite, Studio, test, TEXT } from './fixtures.ts';
import { level } from './wav.ts';

const DAMAGES = [
  {
    name: 'altered',
    file: 'denoiser.fp16.0.bin',
    damage: (file: string) => {
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(file, bytes);
    },
  },
  {
    name: 'truncated',
    file: 'vocoder.fp16.0.bin',
    damage: (file: string) => truncateSync(file, 1000),
  },
  { name: 'missing', file: 'denoiser.fp32.onnx', damage: unlinkSync },
] as const;

for (const { name, file, damage } of DAMAGES) {
  test(`a model file that is ${name} is named; songs stay; the next try works`, async ({
    page,
    copy,
    guard,
  }) => {
    guard.allow(/404 \(Not Found\)/);
    const studio = new Studio(page, copy.url);
    await studio.open();
    await studio.make({ seed: 5 });
    // As if the app had never been here: what is kept for offline use goes, the songs do not.
    await page.evaluate(async () => {
      for (const registration of await navigator.serviceWorker.getRegistrations())
        await registration.unregister();
      for (const cache of await caches.keys()) await caches.delete(cache);
    });
    const place = path.join(copy.root, 'models', 'nano', file);
    const good = readFileSync(place);
    damage(place);
    await page.reload();
    await studio.start({ seed: 6 });
    await studio.idle();
    await expect(studio.queue).toContainText(file);
    await expect(studio.queue).toContainText(TEXT.safe);
    await expect(studio.song.getByRole('button', { name: TEXT.song.download })).toBeVisible();
    expect(level(await studio.download())).toBeGreaterThan(0.01);

    writeFileSync(place, good);
    await studio.again.click();
    await expect(studio.cancel).toBeVisible();
    await studio.idle();
    await expect(studio.again).toHaveCount(0);
    await expect(studio.queue.getByRole('listitem'), 'two takes of the song').toHaveCount(2);
  });
}

test('a manifest that is not one is named, and songs stay', async ({ page, copy }) => {
  const studio = new Studio(page, copy.url);
  writeFileSync(path.join(copy.root, 'models', 'nano', 'manifest.json'), '{"schema": 1, "id": "nano"');
  await page.goto(copy.url);
  await expect(studio.generate).toContainText(TEXT.generate.blocked);
  await studio.press();
  await expect(page.getByRole('main')).toContainText(/manifest\.json/);
});

test('storage that is full: the song is kept in the tab and can be saved; then there is space again', async ({
  page,
  studio,
  context,
}) => {
  await studio.open();
  const devtools = await context.newCDPSession(page);
  const origin = new URL(studio.url).origin;
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 });
  await studio.make();
  await expect(studio.song).toContainText(TEXT.song.notKept);
  expect(level(await studio.download())).toBeGreaterThan(0.01);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin });
  await studio.make({ seed: 8 });
  await page.reload();
  await expect(studio.song).toContainText('8');
  expect(level(await studio.download())).toBeGreaterThan(0.01);
});

test('storage that is denied: music all the same, and a clear word that nothing is kept', async ({
  guard,
  launchOptions,
  site,
}) => {
  const profile = mkdtempSync(path.join(os.tmpdir(), 'cadenza-denied-'));
  mkdirSync(path.join(profile, 'Default'));
  // What "block all cookies and site data" in the settings writes.
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(path.join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(profile, {
    ...launchOptions,
    viewport: { width: 1440, height: 900 },
  });
  try {
    guard.watch(context);
    const page = await context.newPage();
    const studio = new Studio(page, site.url);
    await studio.open();
    expect(level(await studio.makeAndDownload())).toBeGreaterThan(0.01);
    await studio.go('library');
    await expect(page.getByRole('main')).toContainText(TEXT.library.memoryOnly);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true });
  }
});

test.describe('without SharedArrayBuffer', () => {
  test.use({ serviceWorkers: 'block' });

  test('one thread makes the song, and the page says so', async ({ page }) => {
    const plain = await openSite(undefined, false);
    try {
      const studio = new Studio(page, plain.url);
      await studio.open();
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
      expect(level(await studio.makeAndDownload({ seconds: 2 }))).toBeGreaterThan(0.01);
      await studio.go('device');
      await expect(page.getByRole('main')).toContainText(/one thread|1 thread/i);
      await expect(page.getByRole('main')).toContainText(/isolated/i);
    } finally {
      await plain.close();
    }
  });
});
