import { expect, test, TEXT } from './fixtures.ts';
import { difference } from './wav.ts';

const HTML = '<img src=x onerror="document.title=\'broken\'"> & <b>bold</b>';

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
  await studio.open();
  await studio.make({ prompt: 'rainy lofi beat', seed: 1 });
  await studio.make({ prompt: 'fast techno', seed: 2 });
  await studio.go('library');
  const songs = page.getByRole('region', { name: TEXT.library.songs });
  await expect(songs.locator('li.track')).toHaveCount(2);
  await page.getByRole('searchbox', { name: TEXT.library.search }).fill('lofi');
  await expect(songs.locator('li.track')).toHaveCount(1);
  await songs.getByRole('button', { name: /^Details of .*lofi/i }).click();

  const details = page.getByRole('complementary', { name: TEXT.library.details });
  await details.getByRole('button', { name: TEXT.library.rename }).click();
  await details.getByRole('textbox', { name: TEXT.library.titleField }).fill(`lofi ${HTML}`);
  await page.keyboard.press('Enter');
  await expect(songs.getByText(`lofi ${HTML}`).first()).toBeVisible();
  expect(await page.title()).not.toBe('broken');

  await details.getByRole('button', { name: TEXT.library.delete }).click();
  await expect(songs.getByText(HTML)).toHaveCount(0);
  await page.getByRole('button', { name: TEXT.library.undo }).click();
  await expect(songs.getByText(`lofi ${HTML}`).first()).toBeVisible();
  await page.reload();
  await expect(songs.getByText(`lofi ${HTML}`).first()).toBeVisible();
});
