import type { Page } from '@playwright/test';
import { expect, Studio, test, TEXT } from './fixtures.ts';
import { grid, openLibrary } from './stock.ts';
import { difference } from './wav.ts';

const T = TEXT.library;
const HTML = '<img src=x onerror="document.title=\'broken\'"> & <b>bold</b>';

const row = (page: Page, title: string | RegExp) => grid(page).getByRole('row').filter({ hasText: title });
const titles = (page: Page) => grid(page).locator('[role=row] .title').allInnerTexts();

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
