import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test, TEXT } from './fixtures.ts';

/** Serious and critical violations of WCAG 2.2 A and AA, as one line each. */
async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary}`),
    );
}

const PAGES = ['studio', 'library', 'models', 'device'] as const;

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing serious in the ${colorScheme} theme, with and without a song`, async ({
    page,
    studio,
  }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await studio.open();
    expect(await violations(page), 'empty studio').toEqual([]);
    await studio.make({ seconds: 2 });
    for (const name of PAGES) {
      await studio.go(name);
      await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toBeVisible();
      expect(await violations(page), name).toEqual([]);
    }
    await studio.go('studio');
    await studio.compose.getByRole('button', { name: TEXT.generate.advanced(0) }).click();
    await expect(page.getByRole('searchbox', { name: TEXT.advanced.search })).toBeFocused();
    expect(await violations(page), 'advanced').toEqual([]);
  });
}

test('360 pixels are enough on every page', async ({ page, studio }) => {
  await studio.open();
  await studio.make({ seconds: 2 });
  await page.setViewportSize({ width: 360, height: 740 });
  for (const name of PAGES) {
    await studio.go(name);
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(content, `${name} scrolls sideways`).toBeLessThanOrEqual(window!);
    expect(await violations(page), name).toEqual([]);
  }
});

test('a screen reader hears where a song is', async ({ page, studio }) => {
  await studio.open();
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    const live = document.querySelector('[aria-live=polite]')!;
    new MutationObserver(() => heard.push(live.textContent ?? '')).observe(live, {
      subtree: true,
      childList: true,
      characterData: true,
    });
  });
  await studio.make({ seconds: 5, preset: 'Standard' });
  const heard = await page.evaluate(() => Reflect.get(window, 'heard') as string[]);
  expect(heard.join(' | ')).toMatch(/Generating .*Half done.* is ready/);
});
