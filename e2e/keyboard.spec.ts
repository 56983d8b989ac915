/** The main job with nothing but a keyboard: no mouse, no focus set by a script, no value put in by one. */
import { readFileSync } from 'node:fs';
import type { Locator, Page } from '@playwright/test';
import { expect, test, TEXT } from './fixtures.ts';

/** More than there are tab stops on a page with a song. */
const MOST_STOPS = 120;

/** Presses Tab until the control has the focus. A control that Tab does not reach fails the test. */
async function tabTo(page: Page, control: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  for (let presses = 0; presses < MOST_STOPS; presses++) {
    if ((await control.count()) === 1 && (await control.evaluate((one) => one === document.activeElement)))
      return;
    await page.keyboard.press(key);
  }
  await expect(control, 'Tab reaches it').toBeFocused();
}

test('a song is written, made, played, saved, exported, deleted and brought back by keyboard alone', async ({
  page,
  studio,
}) => {
  await page.goto(studio.url);
  const { compose, song, style } = studio;
  await expect(compose.getByRole('slider', { name: TEXT.compose.length })).toBeVisible();

  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: TEXT.app.skip })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();

  await tabTo(page, style);
  await page.keyboard.press('Control+a');
  await page.keyboard.type('calm piano, 80 bpm');
  await tabTo(page, compose.getByRole('textbox', { name: new RegExp(`^${TEXT.compose.lyrics}`) }));
  await page.keyboard.type('[verse]\nthe ferry leaves');
  await tabTo(page, compose.getByRole('slider', { name: TEXT.compose.length }));
  await page.keyboard.press('Home');
  await tabTo(page, compose.getByRole('radio', { name: TEXT.compose.qualities.Standard }));
  await page.keyboard.press('ArrowLeft');
  await expect(compose.getByRole('radio', { name: TEXT.compose.qualities.Draft })).toBeChecked();
  await tabTo(page, studio.generate);
  await page.keyboard.press('Enter');
  const download = song.getByRole('button', { name: TEXT.song.download });
  await expect(download).toBeVisible({ timeout: 60_000 });
  await studio.idle();

  const player = page.getByRole('region', { name: TEXT.player.region });
  await tabTo(page, player.getByRole('button', { name: TEXT.player.loop }));
  await page.keyboard.press('Space');
  await tabTo(page, player.getByRole('button', { name: TEXT.player.play, exact: true }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(player.getByRole('button', { name: TEXT.player.pause, exact: true })).toBeFocused();
  const position = player.getByRole('slider', { name: TEXT.player.seek });
  await expect.poll(() => position.inputValue().then(Number)).toBeGreaterThan(0);

  await tabTo(page, download, 'Shift+Tab');
  const saving = page.waitForEvent('download');
  await page.keyboard.press('Enter');
  expect(readFileSync(await (await saving).path()).toString('latin1', 0, 4)).toBe('RIFF');

  const open = song.getByRole('button', { name: TEXT.exporting.open, exact: true });
  await tabTo(page, open);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: TEXT.exporting.title });
  await tabTo(page, dialog.getByRole('radio', { name: TEXT.exporting.formats.flac }));
  await page.keyboard.press('ArrowLeft');
  await expect(dialog.getByRole('radio', { name: TEXT.exporting.formats.wav })).toBeChecked();
  await page.keyboard.press('ArrowRight');
  const exporting = page.waitForEvent('download');
  await tabTo(
    page,
    dialog.getByRole('button', { name: TEXT.exporting.run(TEXT.exporting.formats.flac), exact: true }),
  );
  await page.keyboard.press('Enter');
  expect(readFileSync(await (await exporting).path()).toString('latin1', 0, 4)).toBe('fLaC');
  await expect(dialog, 'it goes once the file is there').toHaveCount(0);
  await expect(open, 'the focus comes back').toBeFocused();

  await page.keyboard.press('Delete');
  await expect(song.getByText(TEXT.song.empty)).toBeVisible();
  await page.keyboard.press('Control+z');
  const menu = page.getByRole('navigation', { name: TEXT.app.main });
  await tabTo(page, menu.getByRole('link', { name: TEXT.pages.library }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('grid', { name: TEXT.library.songs }).getByRole('row')).toHaveCount(1);
});
