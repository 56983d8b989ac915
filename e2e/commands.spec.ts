import { expect, test, TEXT } from './fixtures.ts';

test('the palette does by name what the page can do, and gives the focus back', async ({ page, studio }) => {
  await studio.open();
  await studio.style.focus();
  await page.keyboard.press('Control+k');
  const palette = page.getByRole('dialog', { name: TEXT.palette.title });
  const field = palette.getByRole('combobox');
  await expect(field).toBeFocused();
  await field.fill('omega');
  await expect(palette.getByRole('option', { selected: true })).toContainText('Omega');
  await page.keyboard.press('Enter');
  await expect(palette).toHaveCount(0);
  await expect(page.getByLabel(TEXT.advanced.value(TEXT.fields.omega.label))).toBeFocused();

  await page.keyboard.press('Control+k');
  await field.fill('zzz');
  await expect(palette.getByRole('status')).toHaveText(TEXT.palette.none('zzz'));
  // Again before the browser has told of the end of the last one.
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await expect(field).toHaveValue('');
  await field.fill(TEXT.commands.goModels);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: TEXT.models.title })).toBeVisible();

  // One dialog may open another.
  await page.keyboard.press('Control+k');
  await field.fill(TEXT.commands.shortcuts);
  await page.keyboard.press('Enter');
  const list = page.getByRole('dialog', { name: TEXT.keys.title });
  await list.getByRole('searchbox').fill('generate');
  await expect(list.getByRole('definition')).toHaveCount(1);
});

test('single keys are silent while somebody types, and when the settings say so', async ({
  page,
  studio,
}) => {
  await studio.open();
  await studio.style.focus();
  await page.keyboard.type('? l');
  await expect(studio.style).toHaveValue(/\? l$/);
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.getByRole('button', { name: TEXT.app.settings, exact: true }).click();
  const settings = page.getByRole('dialog', { name: TEXT.settings.title });
  await settings.getByRole('switch', { name: TEXT.settings.singleKeys }).uncheck({ force: true });
  await settings.getByRole('radio', { name: TEXT.settings.themes.contrast }).check({ force: true });
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'contrast');
  await page.keyboard.press('Escape');
  await page.locator('main').focus();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'contrast');
});
