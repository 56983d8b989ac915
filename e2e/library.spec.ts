import type { Page } from '@playwright/test';
import { expect, Studio, test, TEXT } from './fixtures.ts';
import { difference } from './wav.ts';

const T = TEXT.library;
const HTML = '<img src=x onerror="document.title=\'broken\'"> & <b>bold</b>';

const grid = (page: Page) => page.getByRole('grid', { name: T.songs });
const row = (page: Page, title: string | RegExp) => grid(page).getByRole('row').filter({ hasText: title });
const titles = (page: Page) => grid(page).locator('[role=row] .title').allInnerTexts();

const KEYS = ['A minor', 'D major', 'F# minor', 'Bb major'];
const WORDS = ['Rain', 'Ferry', 'Moss', 'Brass', 'Kitchen', 'Bridge', 'Umbrella', 'Waltz'];

/** Writes `count` records straight into the library, as if they had been made long ago; their sounds are not there. */
async function stock(page: Page, count: number): Promise<void> {
  await page.evaluate(
    ([count, keys, words]) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('cadenza');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const tx = opening.result.transaction(['tracks', 'peaks'], 'readwrite');
          for (let i = 0; i < count; i++) {
            const id = `song-${String(i).padStart(5, '0')}`;
            const bpm = 60 + (i % 120);
            const key = keys[i % keys.length]!;
            const sections = [
              { name: 'intro', start: 0, end: 10 },
              { name: 'verse', start: 10, end: 60 },
              { name: 'chorus', start: 60, end: 120 },
            ];
            tx.objectStore('tracks').put({
              id,
              createdAt: 1_700_000_000_000 + i * 60_000,
              title: `${words[i % words.length]} ${i}`,
              task: {
                kind: 'text2music',
                model: 'nano',
                prompt: `style ${i % 17}, piano, ${bpm} bpm`,
                negativePrompt: '',
                lyrics: `[verse]\nline ${i} of the harbour\n`.repeat(8),
                language: '',
                seconds: 120,
                seeds: [i],
                score: { bpm: null, key: '', meter: '', chords: '' },
                sampling: {
                  steps: 16,
                  solver: 'euler',
                  omega: 10,
                  guidance: {
                    type: 'apg',
                    scale: 5,
                    textScale: 0,
                    lyricScale: 0,
                    interval: 1,
                    decay: 0,
                    minScale: 3,
                  },
                  erg: { tag: true, lyric: true, diffusion: true },
                  ossSteps: [],
                },
                loras: [],
              },
              model: 'nano',
              audio: `audio-${id}`,
              latents: null,
              outline: Uint8Array.from({ length: 64 }, (_, k) => 40 + ((k * 37 + i * 11) % 200)),
              seconds: 30 + (i % 200),
              sampleRate: 44_100,
              loudness: -20 + (i % 10),
              seed: i,
              timings: { total: 1000 },
              plan: { bpm, key, meter: '4/4', chords: 'Am F', sections },
              favourite: i % 10 === 0,
            });
          }
          tx.onerror = () => reject(tx.error);
          tx.oncomplete = () => {
            opening.result.close();
            resolve();
          };
        };
      }),
    [count, KEYS, WORDS] as const,
  );
}

/** The library with so many songs. */
async function openLibrary(studio: Studio, count: number): Promise<void> {
  await studio.open();
  await stock(studio.page, count);
  await studio.page.reload();
  await studio.go('library');
  await expect(grid(studio.page)).toHaveAttribute('aria-rowcount', String(count));
}

test('songs survive a reload: sound, settings, title', async ({ studio, page }) => {
  await studio.open();
  const before = await studio.makeAndDownload({ prompt: 'calm piano, 80 bpm', seed: 41 });
  await page.reload();
  expect(difference(before, await studio.download())).toBe(0);
  await studio.style.fill('something else');
  await studio.song.getByRole('button', { name: TEXT.song.reuse }).click();
  await expect(studio.style).toHaveValue('calm piano, 80 bpm');
  await expect(studio.compose.getByLabel(TEXT.compose.seed, { exact: true })).toHaveValue('41');
});

test('a song can be found, renamed, deleted and brought back', async ({ studio, page }) => {
  await openLibrary(studio, 30);
  await page.getByRole('searchbox', { name: T.search }).fill('key:"A minor" bpm:60-70 -waltz');
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '3');
  await page.getByRole('searchbox', { name: T.search }).fill('title:"rain 8"');
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '1');
  await row(page, 'Rain 8').click();

  const details = page.getByRole('complementary', { name: T.details });
  await details.getByRole('button', { name: T.rename }).click();
  await details.getByRole('textbox', { name: T.titleField }).fill(`Rain ${HTML}`);
  await page.keyboard.press('Enter');
  await page.getByRole('searchbox', { name: T.search }).fill('rain');
  await expect(row(page, HTML)).toHaveCount(1);
  expect(await page.title()).not.toBe('broken');
  // And in the list itself.
  await row(page, HTML).focus();
  await page.keyboard.press('F2');
  await page.keyboard.type('Shower');
  await page.keyboard.press('Escape');
  await expect(row(page, HTML)).toBeFocused();

  await details.getByRole('button', { name: T.delete }).click();
  await expect(row(page, HTML)).toHaveCount(0);
  await page.getByRole('button', { name: T.undo }).click();
  await expect(row(page, HTML)).toHaveCount(1);
  await page.reload();
  await page.getByRole('searchbox', { name: T.search }).fill('rain');
  await expect(row(page, HTML)).toHaveCount(1);
});

test('many songs at once: favourites, tags, a collection by menu and by drag, the trash and back', async ({
  studio,
  page,
}) => {
  await openLibrary(studio, 40);
  await row(page, /\bWaltz 39\b/).click();
  await row(page, /\bKitchen 36\b/).click({ modifiers: ['Shift'] });
  const bulk = page.getByRole('toolbar', { name: T.bulk });
  await expect(bulk).toContainText(T.chosen(4));
  await bulk.getByRole('button', { name: T.like }).click();
  await expect(bulk.getByRole('button', { name: T.unlike })).toBeVisible();
  await bulk.getByRole('button', { name: T.assign }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: T.newTag }).fill('loop');
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('checkbox', { name: 'loop' })).toBeChecked();
  await dialog.getByRole('textbox', { name: T.newCollection }).fill('Ferry EP');
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('checkbox', { name: 'Ferry EP' })).toBeChecked();
  await page.keyboard.press('Escape');

  const nav = page.getByRole('complementary', { name: T.browse });
  const ferry = nav.getByRole('button', { name: /^Ferry EP/ });
  await expect(ferry).toHaveText(/4$/);
  await row(page, /\bBrass 35\b/).dragTo(ferry);
  await expect(ferry).toHaveText(/5$/);
  await ferry.click();
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '5');
  await page.reload();
  await studio.go('library');
  await nav.getByRole('button', { name: /^loop/ }).click();
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '4');

  await row(page, /\bWaltz 39\b/).click();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await expect(nav.getByRole('button', { name: /^Trash/ })).toHaveText(/4$/);
  await nav.getByRole('button', { name: /^Trash/ }).click();
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '4');
  await row(page, /\bWaltz 39\b/)
    .getByRole('button', { name: TEXT.song.more('Waltz 39') })
    .click();
  await page.getByRole('menuitem', { name: T.restore }).click();
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '3');
  await page.getByRole('button', { name: new RegExp(`^${T.forgetAll}`) }).click();
  await dialog.getByRole('button', { name: T.forget }).click();
  await expect(page.getByText(T.trashEmpty)).toBeVisible();
  await page.reload();
  await studio.go('library');
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '37');
  await expect(row(page, /\bWaltz 39\b/)).toHaveCount(1);
});

test('deleting for good gives the space back', async ({ studio, page }) => {
  await studio.open();
  await studio.make({ seconds: 1 });
  const files = () =>
    page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('blobs');
      let count = 0;
      for await (const _ of folder.values()) count += 1;
      return count;
    });
  expect(await files()).toBe(2);
  await studio.go('library');
  await grid(page).getByRole('row').first().click();
  await page.keyboard.press('Escape');
  await grid(page).getByRole('row').first().focus();
  await page.keyboard.press('Delete');
  await page.getByRole('button', { name: /^Trash/ }).click();
  await page.getByRole('button', { name: new RegExp(`^${T.forgetAll}.*${T.frees('')}`) }).click();
  await page.getByRole('dialog').getByRole('button', { name: T.forget }).click();
  await expect.poll(files).toBe(0);
});

test('the list is walked by keyboard alone', async ({ studio, page }) => {
  await openLibrary(studio, 500);
  const at = () => page.evaluate(() => document.activeElement?.querySelector('.title')?.textContent ?? '');
  await page.getByRole('combobox', { name: T.sort }).focus();
  for (let presses = 0; presses < 12; presses++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(() => document.activeElement?.getAttribute('role'))) === 'row') break;
  }
  expect(await at()).toBe('Brass 499');
  await page.keyboard.press('ArrowDown');
  expect(await at()).toBe('Moss 498');
  await page.keyboard.press('End');
  expect(await at()).toBe('Rain 0');
  await page.keyboard.press('PageUp');
  await page.keyboard.press('Home');
  expect(await at()).toBe('Brass 499');
  await page.keyboard.type('umb');
  expect(await at()).toBe('Umbrella 494');
  await page.keyboard.press('Shift+ArrowDown');
  await page.keyboard.press('Shift+ArrowDown');
  await expect(page.getByRole('toolbar', { name: T.bulk })).toContainText(T.chosen(3));
  await page.keyboard.press('Escape');
  await expect(page.getByRole('toolbar', { name: T.bulk })).toHaveCount(0);
  // Controls of a row lie beside it.
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Space');
  await expect(
    grid(page)
      .getByRole('button', { name: /^Favourite: Kitchen 492/ })
      .first(),
  ).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  const here = await at();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('complementary', { name: T.details })).toContainText(here);
  await page.getByRole('button', { name: T.closeDetails }).click();
  expect(await at()).toBe(here);
  // Deleting moves on to the next row.
  await page.keyboard.press('Delete');
  await expect(row(page, new RegExp(`${here}\\b`))).toHaveCount(0);
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '499');
  expect(await at()).not.toBe('');
  await page.keyboard.press('Control+z');
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '500');
});

test('two tabs: what one changes, the other shows', async ({ studio, page, context }) => {
  await openLibrary(studio, 20);
  const other = new Studio(await context.newPage(), studio.url);
  await other.open();
  await other.go('library');
  await expect(grid(other.page)).toHaveAttribute('aria-rowcount', '20');
  await row(page, /\bBrass 19\b/).focus();
  await page.keyboard.press('F2');
  await page.keyboard.type('Renamed here');
  await page.keyboard.press('Enter');
  await expect(row(other.page, 'Renamed here')).toHaveCount(1);
  await row(other.page, /\bMoss 18\b/).focus();
  await other.page.keyboard.press('Delete');
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '19');
  await page.getByRole('button', { name: T.newCollection }).click();
  await page.keyboard.type('Both');
  await page.keyboard.press('Enter');
  await expect(other.page.getByRole('button', { name: /^Both/ })).toBeVisible();
  expect((await titles(page)).slice(0, 3)).toEqual((await titles(other.page)).slice(0, 3));
});

test('ten thousand songs scroll at 50 frames a second and more', async ({ studio, page, browser }) => {
  await openLibrary(studio, 10_000);
  await expect(grid(page).getByRole('row').first()).toContainText('Waltz 9999');
  expect(await grid(page).getByRole('row').count(), 'rows that exist').toBeLessThan(60);
  await browser.startTracing(page, { categories: ['toplevel'] });
  const frames = await page.evaluate(
    () =>
      new Promise<{ ms: number; frames: number }>((resolve) => {
        const scroller = document.querySelector<HTMLElement>('.library > section')!;
        let frames = 0;
        const start = performance.now();
        const step = (): void => {
          frames += 1;
          // A quick flick: two rows a frame; now and then a jump, as from a drag of the scroll bar.
          scroller.scrollTop += frames % 50 === 0 ? 30_000 : 124;
          if (frames < 300) requestAnimationFrame(step);
          else resolve({ ms: performance.now() - start, frames });
        };
        requestAnimationFrame(step);
      }),
  );
  const trace = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: { name: string; pid: number; tid: number; tdur?: number; args: { name?: string } }[];
  };
  const mains = new Set(
    trace.traceEvents
      .filter(({ args }) => args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
  const busy = new Map<string, number>();
  for (const { pid, tid, tdur } of trace.traceEvents) {
    const thread = `${pid}/${tid}`;
    if (mains.has(thread) && tdur !== undefined) busy.set(thread, (busy.get(thread) ?? 0) + tdur / 1000);
  }
  const perFrame = Math.max(...busy.values()) / frames.frames;
  const fps = (1000 * frames.frames) / frames.ms;
  console.log(
    `10,000 songs: ${fps.toFixed(1)} frames a second, ${perFrame.toFixed(2)} ms of the page's processor time a frame`,
  );
  // On a machine that is busy with other things frames are late for no fault of the page: then its own work is judged.
  expect(fps >= 50 || perFrame <= 20, `${fps} frames a second, ${perFrame} ms of work a frame`).toBe(true);
  await expect(grid(page).getByRole('row').first()).toBeVisible();

  await page.getByRole('searchbox', { name: T.search }).fill('ferry 9993');
  await expect(grid(page)).toHaveAttribute('aria-rowcount', '1');
});
