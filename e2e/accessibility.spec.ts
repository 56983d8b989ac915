import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import type { default as Axe } from 'axe-core';
import { LANGUAGES } from '../src/app/language.ts';
import { complete, LOCALE, speak } from '../src/app/text.ts';
import { expect, Studio, test, TEXT } from './fixtures.ts';
import { walk, WAYS } from './walk.ts';

declare global {
  interface Window {
    readonly axe: typeof Axe;
  }
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

test.use({ actionTimeout: 15_000 });
test.beforeEach(async ({ page }) => {
  await page.addInitScript({ path: AXE });
  await page.emulateMedia({ reducedMotion: 'reduce' });
});

/** The rules that a theme can break, words and direction cannot. */
const COLOURS = ['color-contrast', 'link-in-text-block'];
type Rules = 'all' | 'colours' | 'all but colours';

/** What axe finds against WCAG 2.2 A and AA and its own best practice, of any weight, one line each. */
const violations = (page: Page, which: Rules = 'all'): Promise<string[]> =>
  page.evaluate(
    async ([which, colours]) => {
      const off = Object.fromEntries(colours.map((id) => [id, { enabled: false }]));
      const { violations } = await window.axe.run(document, {
        runOnly:
          which === 'colours'
            ? { type: 'rule', values: colours }
            : {
                type: 'tag',
                values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
              },
        resultTypes: ['violations'],
        // Pages are hashes here, and where no link leaves the document axe takes every link that is scrolled out of sight
        // for a skip link. That the one there is leads to the content is part of the walk by keyboard.
        rules:
          which === 'colours'
            ? {}
            : { 'skip-link': { enabled: false }, ...(which === 'all but colours' ? off : {}) },
      });
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary}`),
      );
    },
    [which, COLOURS] as const,
  );

/** A theme changes nothing but colours, so one of them is looked at whole. */
const THEMES = {
  light: { colorScheme: 'light', contrast: 'no-preference', rules: 'all' },
  dark: { colorScheme: 'dark', contrast: 'no-preference', rules: 'colours' },
  contrast: { colorScheme: 'light', contrast: 'more', rules: 'colours' },
} as const;

for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
  test(`axe finds nothing in the light, dark and contrast theme: ${way}`, async ({ page, studio }) => {
    for await (const { name } of walk(studio, way))
      for (const [theme, { rules, ...media }] of Object.entries(THEMES)) {
        await page.emulateMedia(media);
        expect.soft(await violations(page, rules), `${name}, ${theme}`).toEqual([]);
      }
  });

  test(`axe finds nothing from right to left, and nothing scrolls sideways: ${way}`, async ({
    page,
    site,
  }) => {
    const [locale, english] = [LOCALE, TEXT];
    await page.addInitScript(() => localStorage.setItem('cadenza.settings', '{"language":"ar"}'));
    speak(LANGUAGES.ar.locale, complete(await LANGUAGES.ar.load()));
    try {
      for await (const { name } of walk(new Studio(page, site.url), way)) {
        // Dialogs have the same content on a phone, in less room.
        if (way === 'dialogs') await page.setViewportSize({ width: 360, height: 740 });
        expect.soft(await violations(page, 'all but colours'), name).toEqual([]);
        expect.soft(await sideways(page), `${name} scrolls sideways`).toBe(false);
        if (way === 'dialogs') await page.setViewportSize({ width: 1440, height: 900 });
      }
    } finally {
      speak(locale, english);
    }
  });
}

const sideways = (page: Page): Promise<boolean> =>
  page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

test('360 pixels are enough on every page', async ({ page, studio }) => {
  await studio.open();
  await studio.make({ seconds: 2 });
  await page.setViewportSize({ width: 360, height: 740 });
  for (const name of ['studio', 'library', 'models', 'device'] as const) {
    await studio.go(name);
    expect(await sideways(page), `${name} scrolls sideways`).toBe(false);
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
