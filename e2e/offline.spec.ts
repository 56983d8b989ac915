import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, openSite, Studio, test, TEXT } from './fixtures.ts';
import { difference, level } from './wav.ts';

const OFFLINE_MS = 60_000;

/** Waits until the page says that everything is on this machine. */
async function readyOffline(studio: Studio): Promise<void> {
  await studio.go('device');
  await expect(studio.ability(TEXT.device.rows.offline)).toContainText(TEXT.device.yes, {
    timeout: OFFLINE_MS,
  });
  await studio.go('studio');
}

test('after one visit everything works with the network off', async ({ page, copy, guard }) => {
  // No song is made on the first visit: all that generation needs must have come by itself.
  const studio = new Studio(page, copy.url);
  await studio.open();
  await readyOffline(studio);
  await copy.close();
  await page.goto('about:blank');
  await studio.open();
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  const wav = await studio.makeAndDownload();
  expect(level(wav)).toBeGreaterThan(0.01);
  await studio.go('models');
  await expect(page.getByRole('main')).toContainText(/nano/i);
  guard.allow(/ERR_CONNECTION_REFUSED|Failed to update a ServiceWorker|ERR_FAILED/);
});

test('it can be installed', async ({ page, studio, context }) => {
  await studio.open();
  await page.evaluate(() => navigator.serviceWorker.ready);
  const devtools = await context.newCDPSession(page);
  const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
  // A private window, which every test has, is the one thing that forbids installing.
  const errors = installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito');
  expect(errors).toEqual([]);
  const { errors: manifestErrors, data } = await devtools.send('Page.getAppManifest');
  expect(manifestErrors).toEqual([]);
  const manifest = JSON.parse(data ?? '') as { icons: { src: string; sizes: string; purpose?: string }[] };
  for (const size of ['192x192', '512x512']) {
    const icon = manifest.icons.find(({ sizes }) => sizes.split(' ').includes(size));
    expect(icon, `an icon of ${size}`).toBeDefined();
    const answer = await page.request.get(new URL(icon!.src, `${studio.url}manifest.webmanifest`).href);
    expect(answer.ok()).toBe(true);
  }
  expect(manifest.icons.some(({ purpose }) => purpose?.includes('maskable'))).toBe(true);
});

test('a host without headers: the page isolates itself with one reload and makes the same song', async ({
  page,
  studio: isolated,
}) => {
  const plain = await openSite(undefined, false);
  try {
    const studio = new Studio(page, plain.url);
    let loads = 0;
    page.on('load', () => loads++);
    await studio.open();
    await expect.poll(() => page.evaluate(() => crossOriginIsolated).catch(() => false)).toBe(true);
    await studio.open('#device');
    await expect(studio.ability(TEXT.device.rows.isolated)).toContainText(TEXT.device.yes);
    await studio.go('studio');
    const here = await studio.makeAndDownload();
    expect(loads, 'page loads: the visit and its one reload').toBeLessThanOrEqual(2);
    await isolated.open();
    expect(difference(here, await isolated.makeAndDownload())).toBe(0);
  } finally {
    await plain.close();
  }
});

test('a new version waits for the song that is being made, then takes over', async ({ page, copy }) => {
  const studio = new Studio(page, copy.url);
  await studio.open();
  await readyOffline(studio);
  await studio.start({ seconds: 10 });
  // Another build: any other byte in the worker is a new version to the browser.
  const file = path.join(copy.root, 'sw.js');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/version:(["'`])\w+\1/, 'version:"next"'));
  await page.evaluate(async () => void (await navigator.serviceWorker.getRegistration())?.update());
  const notices = page.getByRole('region', { name: TEXT.toast.region });
  await expect(notices).toContainText(TEXT.update.ready);
  const loaded = await page.evaluate(() => performance.timeOrigin);
  await notices.getByRole('button', { name: TEXT.update.now }).click();
  await expect(studio.cancel, 'the song goes on').toBeVisible();
  expect(await page.evaluate(() => performance.timeOrigin)).toBe(loaded);
  await expect
    .poll(() => page.evaluate(() => performance.timeOrigin).catch(() => loaded), { timeout: 120_000 })
    .toBeGreaterThan(loaded);
  const shells = await page.evaluate(() => caches.keys());
  expect(shells).toContain('cadenza-shell-next');
  await expect(studio.song.getByRole('button', { name: TEXT.song.download })).toBeVisible();
});
