import { expect, SHORT, test, TEXT } from './fixtures.ts';

/** What each of these must lead to: a sentence with thing, value and limit, the text kept, and no song. */
test('a style is asked for, not guessed', async ({ studio, page }) => {
  await studio.open();
  await studio.fill({ prompt: '' });
  await expect(studio.generate).toContainText(TEXT.generate.missing);
  await studio.press();
  await expect(studio.style).toBeFocused();
  await page.keyboard.press('Control+Enter');
  await expect(studio.cancel).toHaveCount(0);
});

test('every number of Advanced out of range is refused by name, value and range', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.fill();
  await studio.compose.getByRole('button', { name: TEXT.generate.advanced(0) }).click();
  const drawer = page.getByRole('complementary', { name: TEXT.generate.advanced(0) });
  const fields = drawer.getByRole('textbox', { name: /, value$/ });
  const count = await fields.count();
  expect(count).toBeGreaterThan(3);
  for (const [index, text] of Array.from(
    { length: count },
    (_, i) => [i, i % 2 ? '-99999' : '99999'] as const,
  )) {
    const field = fields.nth(index);
    if (await field.isDisabled()) continue;
    await field.selectText();
    await field.press('Backspace');
    const before = await field.inputValue();
    await field.fill(text);
    const why = drawer.getByRole('alert');
    await expect(why).toContainText(/must be .* to .* \(it is −?-?99,?999\)/);
    await expect(studio.generate).toContainText(TEXT.generate.fix);
    await studio.press();
    await expect(studio.cancel).toHaveCount(0);
    await expect(field, 'what was typed stays').toHaveValue(text);
    await field.selectText();
    await field.press('Backspace');
    await expect(field).toHaveValue(before);
    await expect(why).toHaveCount(0);
  }
  await expect(studio.generate).toContainText(TEXT.generate.one);
});

for (const [text, message] of [
  ['twelve', /whole number from .*twelve/],
  ['1.5', /whole number from .*1\.5/],
  ['99999999999999999999', /whole number from .*9007199254740991 .*99999999999999999999/],
] as const) {
  test(`the seed ${text} is refused`, async ({ studio }) => {
    await studio.open();
    await studio.fill();
    const seed = studio.compose.getByLabel(TEXT.compose.seed, { exact: true });
    await seed.fill(text);
    await expect(studio.compose.getByRole('alert')).toContainText(message);
    await studio.press();
    await expect(studio.cancel).toHaveCount(0);
    await seed.fill('12');
    await expect(studio.generate).toContainText(TEXT.generate.one);
  });
}

test('tempo has limits too', async ({ studio }) => {
  await studio.open();
  await studio.fill({ prompt: 'calm piano' });
  await studio.compose.getByRole('button', { name: new RegExp(`^${TEXT.compose.tempo}`) }).click();
  const tempo = studio.compose.getByLabel(`${TEXT.compose.tempo}, ${TEXT.compose.tempoUnit}`);
  await tempo.fill('1000');
  await expect(studio.compose.getByRole('alert')).toContainText(/Tempo must be 30 to 300 \(it is 1,?000\)/);
  await tempo.fill('90');
  await expect(studio.compose.getByRole('alert')).toHaveCount(0);
});

test('ten thousand characters of lyrics are kept or counted, and nothing is lost', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.fill();
  const lyrics = studio.compose.getByRole('textbox', { name: new RegExp(`^${TEXT.compose.lyrics}`) });
  const text = 'la '.repeat(3333) + 'l';
  expect(text).toHaveLength(10_000);
  await lyrics.fill(text);
  const refused = await studio.compose.getByRole('alert').count();
  if (refused)
    await expect(studio.compose.getByRole('alert')).toContainText(
      /10,000 characters; this model takes at most/,
    );
  await page.reload();
  await expect(lyrics).toHaveValue(text);
  if (refused) await lyrics.fill('la la la');
  await studio.make({ seconds: 1 });
});

test('a style that is too long is counted', async ({ studio }) => {
  await studio.open();
  await studio.fill({ prompt: 'jazz '.repeat(20_000) });
  await expect(studio.compose.getByRole('alert')).toContainText(
    /Style has 100,000 characters; this model takes at most [\d,]+/,
  );
  await studio.press();
  await expect(studio.cancel).toHaveCount(0);
});

test('half of a character is found before anything is made', async ({ studio }) => {
  await studio.open();
  await studio.fill();
  await studio.style.evaluate((area: HTMLTextAreaElement) => {
    area.value = 'jazz \ud83d piano';
    area.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await expect(studio.compose.getByRole('alert')).toContainText(/half of a character \(at position 6\)/);
  await studio.press();
  await expect(studio.cancel).toHaveCount(0);
  await studio.make({ seconds: 1 });
});

const STRANGE = {
  emoji: '🎷 jazz 👩🏽‍🎤 trio',
  'right-to-left text': 'موسيقى هادئة مع عود',
  HTML: '<script>document.title="broken"</script><img src=x onerror="alert(1)"><b>jazz</b>',
  'only signs that no word list knows': '¿¡※†',
} as const;

test('any text in the style makes a song and is shown as it is', async ({ studio, page }) => {
  page.on('dialog', (dialog) => expect(dialog.message(), 'no dialog may open').toBe(''));
  await studio.open();
  for (const [name, prompt] of Object.entries(STRANGE)) {
    await studio.make({ prompt, seconds: 1 });
    await expect(studio.song.getByText(prompt, { exact: true }).first(), name).toBeVisible();
    await expect(studio.song.locator('script, img[onerror]')).toHaveCount(0);
    expect(await page.title()).not.toBe('broken');
  }
  await studio.go('library');
  for (const prompt of Object.values(STRANGE)) {
    await expect(page.getByRole('main').getByText(prompt, { exact: true }).first()).toBeVisible();
  }
});

test('the slider of lengths keeps to the model, whatever is put into it', async ({ studio }) => {
  await studio.open();
  await studio.fill();
  const length = studio.compose.getByRole('slider', { name: TEXT.compose.length });
  const [min, max] = [await length.getAttribute('min'), await length.getAttribute('max')];
  for (const [typed, kept] of [
    ['100000', max],
    ['-3', min],
  ] as const) {
    await length.evaluate((input: HTMLInputElement, value) => {
      input.value = value;
      input.dispatchEvent(new Event('input', { bubbles: true }));
    }, typed);
    await expect(length).toHaveValue(kept!);
  }
  await studio.make(SHORT);
});
