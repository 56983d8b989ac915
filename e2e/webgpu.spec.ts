import { expect, test, TEXT } from './fixtures.ts';
import type { Studio } from './fixtures.ts';
import { level, relativeError } from './wav.ts';

/**
 * SwiftShader: WebGPU on the CPU, slow and correct, without half floats. Products are summed in another order than
 * on WebAssembly and the steps carry that on; the waveform itself is compared, phases included.
 */
const TOLERANCE = 0.02;
const SLOW_MS = 480_000;

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), '--enable-unsafe-webgpu'] });
  },
});

/** Chooses the provider by hand on the Device page. */
async function choose(studio: Studio, provider: 'wasm' | 'webgpu'): Promise<void> {
  await studio.go('device');
  await studio.page
    .getByRole('main')
    .getByRole('combobox', { name: TEXT.device.provider })
    .selectOption(provider);
  await studio.go('studio');
}

/** As few steps as there can be: the adapter is emulated on the processor. */
async function setSteps(studio: Studio, steps: number): Promise<void> {
  const { page, compose } = studio;
  await compose.getByRole('button', { name: TEXT.generate.advanced(0) }).click();
  await page.getByLabel(TEXT.advanced.value(TEXT.fields.steps.label)).fill(String(steps));
  await page.getByRole('button', { name: TEXT.advanced.close }).click();
}

test('a software adapter is not used unasked, passes its self-check, and gives the song that WASM gives', async ({
  studio,
  page,
}) => {
  test.setTimeout(SLOW_MS);
  await studio.open();
  await expect(page.getByRole('link', { name: /^WASM/ })).toBeVisible();
  await studio.go('device');
  const checks = page.getByRole('main').getByRole('region', { name: TEXT.device.selfTest });
  await expect(checks).toContainText(TEXT.device.results.passed);
  await expect(checks).not.toContainText(TEXT.device.results.wrong);
  await studio.go('studio');
  await studio.fill({ seconds: 1 });
  await setSteps(studio, 2);
  const make = async () => {
    await studio.generate.click();
    await expect(studio.cancel).toBeVisible();
    await studio.idle(SLOW_MS);
    await expect(studio.again).toHaveCount(0);
    return studio.download();
  };
  const onWasm = await make();
  await choose(studio, 'webgpu');
  const onGpu = await make();
  await studio.go('device');
  await expect(
    page
      .getByRole('main')
      .getByRole('row', { name: /denoiser/ })
      .first(),
  ).toContainText(TEXT.badge.webgpu);
  expect(level(onGpu)).toBeGreaterThan(0.01);
  const error = relativeError(onWasm, onGpu);
  test.info().annotations.push({ type: 'relative error', description: String(error) });
  expect(error).toBeLessThan(TOLERANCE);
});
