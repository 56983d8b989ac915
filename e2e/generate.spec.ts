import { expect, SHORT, test, TEXT } from './fixtures.ts';
import { difference, level } from './wav.ts';

/** Seconds of one latent frame of the embedded model: 8 mel frames of 512 samples. */
const LATENT_FRAME = (8 * 512) / 44_100;
const BLOCKED_MS = 50; // what Chromium calls a long task

/**
 * Milliseconds of the longest task on a page thread. Time of the processor, not of the clock: the machine that runs
 * the tests may be busy with other things, and then a task of 5 ms takes 100.
 */
function longestTask(trace: Buffer): number {
  interface Event {
    readonly name: string;
    readonly pid: number;
    readonly tid: number;
    /** Processor time of a complete event, microseconds. */
    readonly tdur?: number;
    readonly args: { readonly name?: string };
  }
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: readonly Event[] };
  const thread = ({ pid, tid }: Event) => `${pid}/${tid}`;
  const pages = new Set(traceEvents.filter(({ args }) => args.name === 'CrRendererMain').map(thread));
  const tasks = traceEvents.filter((event) => pages.has(thread(event)) && event.tdur !== undefined);
  expect(tasks.length, 'tasks in the trace').toBeGreaterThan(100);
  return tasks.reduce((longest, { tdur = 0 }) => Math.max(longest, tdur / 1000), 0);
}

test('a song has the length asked for, can be heard, and is its seed', async ({ studio, browser, page }) => {
  await studio.open();
  await browser.startTracing(page, { categories: ['toplevel'] });
  await studio.make();
  const longest = longestTask(await browser.stopTracing());
  expect(longest, 'longest task of the page while a song is made, ms').toBeLessThan(BLOCKED_MS);

  const first = await studio.download();
  expect(first.channels).toHaveLength(2);
  expect(first.sampleRate).toBe(44_100);
  expect(Math.abs(first.seconds - SHORT.seconds)).toBeLessThanOrEqual(LATENT_FRAME);
  expect(level(first)).toBeGreaterThan(0.01);
  expect(first.channels.every((samples) => samples.every((sample) => Math.abs(sample) <= 1))).toBe(true);

  const again = await studio.makeAndDownload();
  expect(difference(first, again), 'same seed, same samples').toBe(0);
  const other = await studio.makeAndDownload({ seed: 8 });
  expect(difference(first, other), 'another seed, another song').toBeGreaterThan(0.05);
});

test('the song plays, seeks and loops in the player', async ({ studio, page }) => {
  await studio.open();
  await studio.make();
  const player = page.getByRole('region', { name: TEXT.player.region });
  const position = player.getByRole('slider', { name: TEXT.player.seek });
  const at = async () => Number(await position.inputValue());
  await player.getByRole('button', { name: TEXT.player.play, exact: true }).click();
  await expect.poll(at).toBeGreaterThan(0.2);
  await player.getByRole('button', { name: TEXT.player.pause, exact: true }).click();
  await expect(player.getByRole('button', { name: TEXT.player.play, exact: true })).toBeVisible();
  const stopped = await at();
  await position.press('End');
  await expect.poll(at).toBeGreaterThan(stopped);
  const loop = player.getByRole('button', { name: TEXT.player.loop });
  await loop.click();
  await expect(loop).toHaveAttribute('aria-pressed', 'true');
});

test('cancel takes effect within one step, and the next song is made', async ({ studio, page }) => {
  await studio.open();
  await studio.start({ seconds: 20, preset: 'High' });
  const steps = studio.queue.getByRole('progressbar', { name: TEXT.job.progress });
  await expect
    .poll(() => steps.getAttribute('aria-valuenow').then(Number), { timeout: 60_000 })
    .toBeGreaterThan(1);
  // Every step that is reported from the click on, and how long the last whole one took.
  const after = await page.evaluate(
    ([progress, cancel]) =>
      new Promise<{ steps: number; ms: number; stepMs: number }>((resolve) => {
        const bar = document.querySelector(`[role=progressbar][aria-label="${progress}"]`);
        const button = [...document.querySelectorAll('button')].find(
          (one) => one.textContent?.trim() === cancel,
        );
        if (!bar || !button) throw new Error('no song is being made');
        const now = () => Number(bar.getAttribute('aria-valuenow'));
        let [seen, seenAt, stepMs] = [now(), performance.now(), NaN];
        let [clicked, clickedAt] = [NaN, NaN];
        const observer = new MutationObserver(() => {
          if (!bar.isConnected) {
            observer.disconnect();
            resolve({ steps: seen - clicked, ms: performance.now() - clickedAt, stepMs });
          } else if (now() > seen) {
            stepMs = performance.now() - seenAt;
            [seen, seenAt] = [now(), performance.now()];
            if (Number.isNaN(clicked)) {
              [clicked, clickedAt] = [seen, performance.now()];
              button.click();
            }
          }
        });
        observer.observe(document.body, { subtree: true, childList: true, attributes: true });
      }),
    [TEXT.job.progress, TEXT.job.cancel] as const,
  );
  expect(after.steps, 'steps after the click').toBeLessThanOrEqual(1);
  expect(after.ms, `a step takes ${after.stepMs} ms`).toBeLessThan(2 * after.stepMs + 500);
  await expect(studio.song.getByText(TEXT.song.empty)).toBeVisible();
  await studio.make();
});

test('stop and keep leaves a whole song, which can go on to what it would have been', async ({ studio }) => {
  await studio.open();
  const song = { seconds: 4, preset: 'High', seed: 12 } as const;
  const whole = await studio.makeAndDownload(song);
  await studio.start(song);
  const keep = studio.queue.getByRole('button', { name: TEXT.job.stopKeep });
  await expect(keep).not.toHaveAttribute('aria-disabled', 'true', { timeout: 60_000 });
  await keep.click();
  await studio.idle();
  const wav = await studio.download();
  expect(Math.abs(wav.seconds - 4)).toBeLessThanOrEqual(LATENT_FRAME);
  expect(level(wav)).toBeGreaterThan(0.001);
  await expect(studio.song.getByText(/stopped at step \d+ of 32/)).toBeVisible();
  await studio.page.reload();
  await studio.queue.getByRole('button', { name: TEXT.kept.goOn(32) }).click();
  await expect(studio.cancel).toBeVisible();
  await studio.idle();
  await expect(studio.queue.getByRole('button', { name: TEXT.kept.goOn(32) })).toHaveCount(0);
  expect(difference(whole, await studio.download()), 'as if it had never been stopped').toBe(0);
});

test('songs wait in line while one is made', async ({ studio }) => {
  await studio.open();
  await studio.start({ seconds: 10 });
  await studio.fill({ prompt: 'fast techno, 140 bpm', seconds: 2 });
  await studio.generate.click();
  await studio.fill({ prompt: 'calm piano', seconds: 2 });
  await studio.generate.click();
  await expect(studio.queue.getByLabel(TEXT.job.position(2))).toBeVisible();
  await studio.queue.getByRole('button', { name: new RegExp(`^${TEXT.line.next}`) }).click();
  await expect(studio.queue.getByRole('listitem').first()).toContainText(/calm piano/i);
  await studio.queue.getByRole('button', { name: new RegExp(`^${TEXT.job.remove}: .*techno`, 'i') }).click();
  await expect(studio.queue.getByRole('button', { name: new RegExp(`^${TEXT.job.remove}`) })).toHaveCount(1);
  await studio.idle();
  await expect(studio.song.getByRole('heading', { level: 2 })).toContainText(/calm piano/i, {
    timeout: 60_000,
  });
});

test('without WebGPU it runs on WebAssembly and says why', async ({ studio, page }) => {
  await studio.open('#device');
  const path = page.getByRole('main').getByRole('region', { name: /WASM/ });
  await expect(path).toContainText(/WebGPU/);
  await expect(path.getByRole('list', { name: TEXT.device.ladder })).toContainText(TEXT.device.inUse);
});
