/** Recording a source from a microphone that the browser makes up. */
import { expect, test, TEXT } from './fixtures.ts';

/** Without `--use-fake-ui-for-media-stream` the permission is the context's, so that it can be refused too. */
test.use({
  launchOptions: {
    executablePath: process.env.PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH ?? '',
    args: ['--use-fake-device-for-media-stream', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
  },
});

test('a recording becomes a sound to work on', async ({ studio, page, context }) => {
  await context.grantPermissions(['microphone']);
  await studio.open();
  await studio.song.getByRole('button', { name: TEXT.sources.open }).click();
  const dialog = page.getByRole('dialog', { name: TEXT.sources.title });
  await dialog.getByRole('button', { name: TEXT.sources.record, exact: true }).click();
  const meter = dialog.getByRole('meter', { name: TEXT.sources.level });
  // Chromium's microphone beeps once a second: looking once a second may always meet the silence between.
  const level = expect.poll(() => meter.getAttribute('aria-valuenow').then(Number), { intervals: [70] });
  await level.toBeGreaterThan(0);
  await expect(dialog.getByText(/0:0[1-9]\./)).toBeVisible();
  await dialog.getByRole('button', { name: TEXT.sources.stop }).click();
  await dialog.getByRole('button', { name: TEXT.sources.keep }).click();
  await expect(dialog).toHaveCount(0);
  await expect(studio.song.getByRole('heading', { level: 2 })).toContainText(TEXT.sources.recording);
  // It has no words and no seed: what needs them says so.
  await studio.song
    .getByRole('toolbar', { name: TEXT.work.regions })
    .getByRole('button', { name: TEXT.work.tools.retake })
    .click();
  await expect(studio.song.getByText(TEXT.work.needsSong)).toBeVisible();
});

test('a microphone that is refused: the page says what to do', async ({ studio, page, context }) => {
  // Granted is another thing than the microphone: what is not named is refused.
  await context.grantPermissions(['clipboard-read']);
  await studio.open();
  await studio.song.getByRole('button', { name: TEXT.sources.open }).click();
  const dialog = page.getByRole('dialog', { name: TEXT.sources.title });
  await dialog.getByRole('button', { name: TEXT.sources.record, exact: true }).click();
  await expect(dialog.getByRole('alert')).toHaveText(TEXT.sources.micDenied);
  await expect(dialog.getByRole('button', { name: TEXT.sources.record, exact: true })).toBeEnabled();
});
