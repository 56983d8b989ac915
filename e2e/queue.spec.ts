import { readFileSync } from 'node:fs';
import { expect, Studio, test, TEXT } from './fixtures.ts';
import { difference } from './wav.ts';

/** Ends the page's process in the middle of everything, as a crash or a task manager does. */
async function kill(studio: Studio): Promise<void> {
  const devtools = await studio.page.context().newCDPSession(studio.page);
  const gone = studio.page.waitForEvent('crash');
  devtools.send('Page.crash').catch(() => undefined); // nobody is left to answer
  await gone;
}

/** Steps that the card of the running song shows. */
const stepsOf = (studio: Studio) => studio.queue.getByRole('progressbar', { name: TEXT.job.progress });

/** Waits until so many steps of a song are saved, and says how many. */
async function saved({ page }: Studio, atLeast: number): Promise<number> {
  const read = () =>
    page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const opening = indexedDB.open('cadenza');
          opening.onsuccess = () => {
            const all = opening.result.transaction('jobs').objectStore('jobs').getAll();
            all.onsuccess = () => {
              opening.result.close();
              resolve(Math.max(0, ...all.result.map(({ saved }) => saved?.step ?? 0)));
            };
          };
        }),
    );
  await expect.poll(read, { timeout: 60_000, intervals: [50] }).toBeGreaterThanOrEqual(atLeast);
  return read();
}

test('a tab killed in mid-song: the line is found again, and the song goes on to the same last sample', async ({
  studio,
  context,
}) => {
  const song = { seconds: 6, preset: 'High', seed: 3 } as const;
  await studio.open();
  const whole = await studio.makeAndDownload(song);
  await studio.start(song);
  await studio.fill({ prompt: 'fast techno', seconds: 2 });
  await studio.generate.click();
  const step = await saved(studio, 2);
  await kill(studio);

  const next = new Studio(await context.newPage(), studio.url);
  await next.open();
  await expect(stepsOf(next)).toBeVisible();
  await next.queue.getByRole('button', { name: new RegExp(`^${TEXT.job.remove}: .*techno`, 'i') }).click();
  await next.idle();
  await expect(next.song.getByText(TEXT.song.gone)).toHaveCount(0);
  await next.go('library');
  await expect(next.page.getByRole('region', { name: TEXT.library.songs }).getByRole('row')).toHaveCount(2);
  // It did not begin again: the log of the new tab knows no step up to the saved one.
  await next.go('device');
  const log = await next.page.getByLabel(TEXT.device.logLines).innerText();
  const steps = [...log.matchAll(/step (\d+)\/32/g)].map(([, n]) => Number(n));
  expect(steps.at(-1)).toBe(32);
  expect(Math.min(...steps)).toBeGreaterThan(step);
  await next.go('studio');
  const resumed = await next.download();
  expect(difference(whole, resumed), 'largest difference to the song made in one go').toBe(0);
});

test('the line is paused and goes on, is put in order by keyboard, and is taken off and back', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.start({ seconds: 6, preset: 'High' });
  for (const prompt of ['fast techno', 'calm piano', 'slow blues']) {
    await studio.fill({ prompt, seconds: 1 });
    await studio.generate.click();
  }
  await saved(studio, 1);
  await studio.queue.getByRole('button', { name: TEXT.line.pause }).click();
  await expect(studio.cancel).toHaveCount(0, { timeout: 30_000 });
  const rows = studio.queue.locator('ol.line > li');
  await expect(rows.first()).toContainText(/goes on from step/);
  await expect(rows).toHaveCount(4);

  // Arrows move a row, and the focus stays on it.
  await rows
    .nth(3)
    .getByRole('button', { name: TEXT.line.handle('Slow blues') })
    .focus();
  await page.keyboard.press('ArrowUp');
  await expect(rows.nth(2)).toContainText('Slow blues');
  await page.keyboard.press('ArrowUp');
  await expect(rows.nth(1)).toContainText('Slow blues');
  await expect(rows.nth(1).getByRole('button', { name: TEXT.line.handle('Slow blues') })).toBeFocused();
  // So does a drag.
  await rows
    .nth(3)
    .locator('.handle')
    .dragTo(rows.nth(1), { targetPosition: { x: 40, y: 4 } });
  await expect(rows.nth(1)).toContainText('Calm piano');
  await page.reload();
  await expect(rows).toHaveCount(4);
  await expect(rows.nth(1)).toContainText('Calm piano');

  await studio.queue.getByRole('button', { name: TEXT.line.more }).click();
  await page.getByRole('menuitem', { name: TEXT.line.clear }).click();
  await expect(rows).toHaveCount(0);
  await page.getByRole('button', { name: TEXT.library.undo, exact: true }).click();
  await expect(rows).toHaveCount(4);
  for (const title of ['Fast techno', 'Slow blues'])
    await studio.queue.getByRole('button', { name: `${TEXT.job.remove}: ${title}` }).click();
  await studio.queue.getByRole('button', { name: TEXT.line.resume }).click();
  await expect(rows).toHaveCount(0, { timeout: 60_000 });
  await studio.idle();
  await expect(studio.song.getByRole('heading', { level: 2 })).toContainText(/calm piano/i);
});

test('a list of songs comes in as a file, faults are told by line, and the line goes out as one', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.queue.getByRole('button', { name: TEXT.line.more }).click();
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('menuitem', { name: TEXT.line.openFile }).click();
  const list = [
    '[',
    '  {"prompt": "calm piano", "seconds": 1, "seed": 1, "steps": 2},',
    '  {"prompt": "rock", "seconds": 9999, "seed": 2},',
    '  {"title": "My waltz", "prompt": "waltz", "seconds": 1, "seed": 3, "steps": 2}',
    ']',
  ];
  const file = { name: 'songs.json', mimeType: 'application/json', buffer: Buffer.from(list.join('\n')) };
  await (await choosing).setFiles(file);
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(`${TEXT.line.atLine(3)} seconds must be`);
  await dialog.getByRole('button', { name: TEXT.line.takeRest(2) }).click();
  await expect(studio.queue).toContainText('My waltz');
  await studio.queue.getByRole('button', { name: TEXT.line.more }).click();
  const saving = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: TEXT.line.saveFile }).click();
  const saved = JSON.parse(readFileSync(await (await saving).path(), 'utf8')) as { title: string }[];
  expect(saved.map(({ title }) => title)).toContain('My waltz');
  await expect(studio.song.getByRole('heading', { level: 2 })).toContainText('My waltz', {
    timeout: 120_000,
  });
});

test('two tabs: one makes the song, the other shows it and can stop it; what is closed is taken over', async ({
  studio,
  context,
}) => {
  await studio.open();
  await studio.start({ seconds: 6, preset: 'High' });
  await saved(studio, 1);
  const other = new Studio(await context.newPage(), studio.url);
  await other.open();
  await expect(stepsOf(other)).toBeVisible();
  await expect(other.cancel).toBeVisible();
  // The tab that makes it ends: the other one goes on.
  const step = await saved(other, 2);
  await studio.page.close();
  await other.go('device');
  const log = other.page.getByLabel(TEXT.device.logLines);
  await expect(log).toContainText(/step \d+\/32/, { timeout: 60_000 });
  const first = /step (\d+)\/32/.exec(await log.innerText())?.[1];
  expect(Number(first)).toBeGreaterThan(step);
  await other.go('studio');
  await other.cancel.click();
  await other.idle();
  await expect(other.song.getByText(TEXT.song.empty)).toBeVisible();
});
