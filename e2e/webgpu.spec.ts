import { expect, test, TEXT } from './fixtures.ts';
import type { Studio } from './fixtures.ts';
import { level, relativeError } from './wav.ts';

/**
 * SwiftShader: WebGPU on the CPU, slow and correct, without half floats. Products are summed in another order than
 * on WebAssembly, and eight steps carry that on; the waveform itself is compared, phases included.
 */
const TOLERANCE = 0.02;

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), '--enable-unsafe-webgpu'] });
  },
});

/** Chooses the provider by hand on the Device page. */
async function choose(studio: Studio, provider: 'wasm' | 'webgpu'): Promise<void> {
  await studio.go('device');
  await studio.page.getByRole('main').getByLabel(TEXT.device.provider).selectOption(provider);
  await studio.go('studio');
}

test('a software adapter is not used unasked, passes its self-check, and gives the song that WASM gives', async ({
  studio,
  page,
}) => {
  test.setTimeout(420_000);
  await studio.open();
  await studio.go('device');
  await expect(page.getByRole('main')).toContainText(/swiftshader|software/i);
  await studio.go('studio');
  const onWasm = await studio.makeAndDownload({ seconds: 1 });
  await choose(studio, 'webgpu');
  const onGpu = await studio.makeAndDownload({ seconds: 1 });
  await studio.go('device');
  await expect(
    page
      .getByRole('main')
      .getByRole('row', { name: /denoiser/ })
      .first(),
  ).toContainText(/webgpu/i);
  expect(level(onGpu)).toBeGreaterThan(0.01);
  expect(relativeError(onWasm, onGpu)).toBeLessThan(TOLERANCE);
});
