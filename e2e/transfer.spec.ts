import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { unzipSync, zipSync } from 'fflate';
import { readTags } from '../src/lib/audio/tags.ts';
import { sourceOf } from '../src/lib/audio/bytes.ts';
import { writeWav } from '../src/lib/audio/wav.ts';
import { drop, type Thrown } from './dropping.ts';
import { expect, test, TEXT } from './fixtures.ts';
import type { Studio } from './fixtures.ts';
import { difference } from './wav.ts';

const T = TEXT.exporting;
const D = TEXT.drop;
const PROMPT = 'slow jazz waltz, piano trio, 96 bpm, A minor';
const SONG = { prompt: PROMPT, seconds: 1, seed: 7 };

const notices = (page: Page) => page.getByRole('region', { name: TEXT.toast.region });
const lyrics = (studio: Studio) =>
  studio.compose.getByRole('textbox', { name: new RegExp(`^${TEXT.compose.lyrics}`) }).first();

async function dismissAll(page: Page): Promise<void> {
  const dismiss = notices(page).getByRole('button', { name: TEXT.app.dismiss });
  while (await dismiss.count()) await dismiss.first().click();
}

test('an exported song and its .json bring every setting back, dropped or pasted, with an undo', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.make(SONG);
  await studio.song.getByRole('button', { name: T.open, exact: true }).click();
  const dialog = page.getByRole('dialog', { name: T.title, exact: true });
  await dialog.getByRole('radio', { name: T.formats.opus }).check({ force: true });
  await dialog.getByRole('switch', { name: T.sidecar }).check({ force: true });
  const waiting = page.waitForEvent('download');
  await dialog.getByRole('button', { name: T.run(T.formats.opus), exact: true }).click();
  const download = await waiting;
  expect(download.suggestedFilename()).toBe('Slow jazz waltz, piano trio.zip');
  const files = unzipSync(readFileSync(await download.path()));
  const [sound, sidecar] = Object.keys(files).sort((a, b) => b.localeCompare(a));
  expect([sound, sidecar]).toEqual([
    'Slow jazz waltz, piano trio - take 1 - 7.opus',
    'Slow jazz waltz, piano trio - take 1 - 7.json',
  ]);
  expect((await readTags(sourceOf(files[sound!]!))).title).toBe('Slow jazz waltz, piano trio');

  for (const [name, how] of [
    [sound!, 'drop'],
    [sidecar!, 'paste'],
  ] as const) {
    await studio.fill({ prompt: 'something else', seconds: 3, seed: 1, preset: 'High' });
    await drop(page, [{ name, bytes: files[name]! }], how);
    await expect(studio.style).toHaveValue(PROMPT);
    await expect(studio.compose.getByLabel(TEXT.compose.seed, { exact: true })).toHaveValue('7');
    await expect(studio.compose.getByRole('slider', { name: TEXT.compose.length })).toHaveValue('1');
    await notices(page).getByRole('button', { name: TEXT.library.undo }).last().click();
    await expect(studio.style).toHaveValue('something else');
  }
});

/** Twenty kilobytes that would unpack to twenty million zeros. */
const BOMB = zipSync({ 'backup.json': new Uint8Array(2e7), 'tracks.jsonl': new Uint8Array(9) }, { level: 9 });
const GIGABYTES = 2 ** 31;
const SCRIPT = '<img src=x onerror="document.title=\'broken\'">';

const BAD: readonly (Thrown & { readonly why: string | RegExp })[] = [
  { name: 'empty.wav', bytes: '', why: D.empty('empty.wav') },
  { name: 'paper.pdf', bytes: '%PDF-1.7 …', why: D.unknown('paper.pdf') },
  { name: 'page.html', bytes: '<script>document.title="broken"</script>', why: D.unknown('page.html') },
  { name: 'cut.json', bytes: '{"task":{"prompt":"ja', why: D.notJson('cut.json') },
  { name: 'empty.json', bytes: '{}', why: /empty\.json: .*names no style/ },
  {
    name: 'future.json',
    bytes: JSON.stringify({ cadenza: 99, task: { prompt: 'x' } }),
    why: /future\.json: .*newer Cadenza \(version 99/,
  },
  { name: 'wild.json', bytes: JSON.stringify({ prompt: 'x', bpm: 1e9 }), why: /wild\.json: bpm must be/ },
  { name: 'binary.txt', bytes: Uint8Array.of(65, 0, 1, 2), why: D.notText('binary.txt') },
  { name: 'latin.lrc', bytes: Uint8Array.of(0xe4, 0xf6), why: D.notText('latin.lrc') },
  { name: 'cut.safetensors', bytes: 'x'.repeat(30), why: D.notLora('cut.safetensors') },
  { name: 'cut.zip', bytes: 'PK\u0003\u0004' + '\0'.repeat(64), why: /cut\.zip: The zip cannot be read/ },
  { name: 'bomb.zip', bytes: BOMB, why: /bomb\.zip: .*"backup\.json" is packed/ },
];

test('bad files are refused by name, and nothing changes', async ({ studio, page }) => {
  page.on('dialog', (dialog) => expect(dialog.message(), 'no dialog may open').toBe(''));
  await studio.open();
  await studio.fill({ prompt: 'calm piano' });
  for (const { why, ...file } of BAD) {
    await drop(page, [file]);
    await expect(notices(page).getByText(why).first(), file.name).toBeVisible();
    await dismissAll(page);
    await expect(studio.style, file.name).toHaveValue('calm piano');
  }
  // Two gigabytes that are never read: the browser makes such a file of pieces without copying them.
  await drop(page, [{ name: 'endless.wav', bytes: 'RIFF\0\0\0\0WAVE', padding: GIGABYTES }]);
  await expect(notices(page).getByText(/endless\.wav has 2\.1 GB; at most 512 MB/)).toBeVisible();
  await dismissAll(page);
  // Settings whose texts are programs are shown as texts.
  const settings = { title: SCRIPT, prompt: SCRIPT, lyrics: SCRIPT };
  await drop(page, [{ name: 'evil.json', bytes: JSON.stringify(settings) }]);
  await expect(studio.style).toHaveValue(SCRIPT);
  await expect(notices(page).getByText(SCRIPT)).toBeVisible();
  await dismissAll(page);
  // So are the tags of a sound, with settings in it and without.
  const { title, ...task } = settings;
  for (const extras of [{ settings: { cadenza: 1, title, task } }, {}]) {
    const pcm = { sampleRate: 8000, channels: [new Float32Array(8000)] };
    const bytes = writeWav(pcm, 'int16', { tags: { title: SCRIPT, artist: SCRIPT }, ...extras });
    await drop(page, [{ name: `${SCRIPT.replace('/', '')}.wav`, bytes }]);
    if ('settings' in extras) await expect(notices(page).getByText(SCRIPT)).toBeVisible();
    else await expect(page.getByRole('dialog', { name: D.ask })).toContainText(SCRIPT);
  }
  await page.keyboard.press('Escape');
  expect(await page.title()).not.toBe('broken');
  await drop(page, [{ name: 'words.lrc', bytes: '[00:01.00]one line\n[00:02.00]another' }]);
  await expect(lyrics(studio)).toHaveValue('one line\nanother');
});

test('bad files are refused by name in every other place that takes files, and nothing stays over the page', async ({
  studio,
  page,
}) => {
  await studio.open();
  const frame = page.getByText(D.here);
  const bad: readonly (Thrown & { readonly padding?: number })[] = [
    { name: 'paper.pdf', bytes: '%PDF-1.7 …' },
    { name: 'huge.safetensors', bytes: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 123, 125), padding: GIGABYTES },
    { name: 'empty.safetensors', bytes: '' },
    { name: 'bomb.zip', bytes: BOMB },
    { name: 'future.json', bytes: JSON.stringify({ cadenza: 99, task: { prompt: 'x' } }) },
    {
      name: 'evil.safetensors',
      bytes: (() => {
        const header = JSON.stringify({ __metadata__: { title: SCRIPT }, [SCRIPT]: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }); // prettier-ignore
        return Buffer.concat([
          Buffer.from([header.length, 0, 0, 0, 0, 0, 0, 0]),
          Buffer.from(header),
          Buffer.alloc(4),
        ]);
      })(),
    },
  ];
  // The list of LoRAs.
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: TEXT.palette.hint }).fill(TEXT.commands.advanced);
  await page.keyboard.press('Enter');
  const loras = page.locator('[data-row="loras"]');
  for (const file of bad) {
    await drop(page, [file], 'drop', loras.locator('.drop'));
    await expect(notices(page).getByText(TEXT.advanced.loraRefused(file.name, '')), file.name).toBeVisible();
    await expect(frame).toHaveCount(0);
    await dismissAll(page);
  }
  await expect(loras.getByRole('switch')).toHaveCount(0);
  await page.getByRole('button', { name: TEXT.advanced.close }).click();
  // A sound of one's own.
  await studio.song.getByRole('button', { name: TEXT.sources.open }).click();
  const dialog = page.getByRole('dialog', { name: TEXT.sources.title });
  for (const { name, ...file } of bad) {
    const sound = { name: name.replace(/\.[a-z]+$/u, '.wav'), ...file };
    await drop(page, [sound], 'drop', dialog.getByRole('group', { name: TEXT.sources.file }));
    await expect(dialog.getByRole('alert'), name).toContainText(sound.name);
    await expect(frame).toHaveCount(0);
  }
  await page.keyboard.press('Escape');
  await expect(studio.song.getByText(TEXT.song.empty), 'nothing came into the library').toBeVisible();
  expect(await page.title()).not.toBe('broken');
});

test('a link fills the form once the user says so', async ({ studio, page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await studio.open();
  await studio.make(SONG);
  await studio.song.getByRole('button', { name: TEXT.link.copy }).click();
  await expect(notices(page).getByText(TEXT.link.copied)).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  await studio.fill({ prompt: 'something else', seed: 1 });
  await page.goto('about:blank');
  await page.goto(link);
  const dialog = page.getByRole('dialog', { name: TEXT.link.open });
  await expect(dialog.getByText(PROMPT)).toBeVisible();
  await expect(studio.style, 'nothing happens by itself').toHaveValue('something else');
  await expect(studio.compose.getByRole('slider', { name: TEXT.compose.length })).toBeVisible();
  await dialog.getByRole('button', { name: TEXT.link.use }).click();
  await expect(studio.style).toHaveValue(PROMPT);
  await expect(studio.compose.getByLabel(TEXT.compose.seed, { exact: true })).toHaveValue('7');
  expect(new URL(page.url()).hash).toBe('#studio');
  await page.goto(`${studio.url}#s=AAAA`);
  await expect(notices(page).getByText(TEXT.link.bad)).toBeVisible();
});

test('everything comes back from a backup after this browser was wiped, the line and a song in its middle too', async ({
  studio,
  page,
}) => {
  // Nobody is there to answer the browser's own dialog.
  await page.addInitScript(() => Object.defineProperty(window, 'showSaveFilePicker', { value: undefined }));
  await studio.open();
  const first = await studio.makeAndDownload(SONG);
  await studio.make({ ...SONG, prompt: 'fast techno', seed: 8 });
  await studio.start({ ...SONG, prompt: 'slow blues', seconds: 2, preset: 'High', seed: 9 });
  await expect(studio.queue.getByRole('progressbar', { name: TEXT.job.progress })).toBeVisible();
  await studio.queue.getByRole('button', { name: TEXT.line.pause }).click();
  const middle = studio.queue.locator('ol.line > li');
  await expect(middle).toContainText(/Slow blues.*goes on from step \d+/s, { timeout: 30_000 });
  const openBackup = async (): Promise<void> => {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: TEXT.palette.hint }).fill(TEXT.commands.backup);
    await page.keyboard.press('Enter');
  };
  await openBackup();
  const waiting = page.waitForEvent('download');
  await page.getByRole('button', { name: TEXT.backup.make }).click();
  const download = await waiting;
  expect(download.suggestedFilename()).toMatch(/^Cadenza .*\.zip$/);
  const file = readFileSync(await download.path());
  const records = () =>
    page.evaluate(async () => {
      const open = indexedDB.open('cadenza');
      const db = await new Promise<IDBDatabase>((done) => (open.onsuccess = () => done(open.result)));
      const stores = await Promise.all(
        ['tracks', 'peaks', 'collections', 'jobs', 'settings'].map(
          (name) =>
            new Promise<unknown>((done) => {
              const asked = db.transaction(name).objectStore(name).getAll();
              asked.onsuccess = () => done(asked.result);
            }),
        ),
      );
      db.close();
      return JSON.stringify(stores);
    });
  const before = await records();
  expect(before).toContain('fast techno');
  expect(before).toContain('slow blues');

  // The storage of the page is cleared while no page of ours is open.
  await page.goto('about:blank');
  const session = await page.context().newCDPSession(page);
  await session.send('Storage.clearDataForOrigin', {
    origin: new URL(studio.url).origin,
    storageTypes: 'indexeddb,file_systems,local_storage',
  });
  await studio.open();
  await expect(studio.song.getByText(TEXT.song.empty)).toBeVisible();
  await drop(page, [{ name: 'backup.zip', bytes: file }]);
  const dialog = page.getByRole('dialog', { name: TEXT.backup.ask });
  await expect(dialog.getByText(/^2 songs/)).toBeVisible();
  const reloaded = page.waitForEvent('load');
  await dialog.getByRole('button', { name: TEXT.backup.go, exact: true }).click();
  await reloaded;
  await studio.go('library');
  await expect(page.getByText('Fast techno').first()).toBeVisible();
  expect(JSON.parse(await records())).toEqual(JSON.parse(before)); // fields may come back in another order
  await studio.go('studio');
  // Both songs came in; the older one sounds as it did.
  await page.keyboard.press('k');
  await expect(studio.song.getByText('Slow jazz waltz, piano trio').first()).toBeVisible();
  expect(difference(first, await studio.download())).toBe(0);
  // The song in its middle goes on where it was: steps before that are not made again.
  const from = Number(/from step (\d+)/.exec(await middle.innerText())?.[1]);
  expect(from).toBeGreaterThan(0);
  await studio.queue.getByRole('button', { name: TEXT.line.resume, exact: true }).click();
  await expect(middle).toHaveCount(0);
  await expect(studio.song.getByText('Slow blues').first()).toBeVisible({ timeout: 60_000 });
  await studio.idle();
  await studio.go('device');
  const log = await page.getByLabel(TEXT.device.logLines).innerText();
  const steps = [...log.matchAll(/step (\d+)\/32/g)].map(([, n]) => Number(n));
  expect(Math.min(...steps)).toBe(from + 1);
});

test('three songs leave the library as one zip', async ({ studio, page }) => {
  await studio.open();
  for (const seed of [1, 2, 3]) await studio.make({ ...SONG, seed });
  await studio.go('library');
  const songs = page.getByRole('region', { name: TEXT.library.songs });
  await songs.getByRole('row').first().click();
  await page.keyboard.press('Control+a');
  await page
    .getByRole('toolbar', { name: TEXT.library.bulk })
    .getByRole('button', { name: TEXT.library.export })
    .click();
  const dialog = page.getByRole('dialog', { name: T.title, exact: true });
  await dialog.getByRole('radio', { name: T.formats.mp3 }).check({ force: true });
  const waiting = page.waitForEvent('download');
  await dialog.getByRole('button', { name: T.runMany(3, T.formats.mp3) }).click();
  const download = await waiting;
  expect(download.suggestedFilename()).toMatch(/^Cadenza \d{4}-\d\d-\d\d\.zip$/);
  const files = unzipSync(readFileSync(await download.path()));
  expect(Object.keys(files).sort()).toEqual(
    [1, 2, 3].map((n) => `Slow jazz waltz, piano trio - take ${n} - ${n}.mp3`),
  );
  for (const [i, name] of Object.keys(files).sort().entries()) {
    const { settings } = await readTags(sourceOf(files[name]!));
    expect(settings).toMatchObject({ task: { prompt: PROMPT, seeds: [i + 1] } });
  }
});

test('the doctor names what is wrong and the way out, and a benchmark is measured', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.go('device');
  const doctor = page.getByRole('region', { name: TEXT.doctor.title });
  const { noWebGpu, noAdapter, software } = TEXT.doctor.causes;
  await expect(doctor.getByText(new RegExp([noWebGpu, noAdapter, software].join('|')))).toBeVisible();
  const { chromiumLinux, gpuFlag } = TEXT.doctor.ways;
  await expect(doctor.getByText(chromiumLinux).or(doctor.getByText(gpuFlag)).first()).toBeVisible();
  const bench = page.getByRole('region', { name: TEXT.bench.title });
  await bench.getByRole('button', { name: TEXT.bench.run }).click();
  await expect(bench.getByRole('button', { name: TEXT.bench.copy })).toBeVisible({ timeout: 120_000 });
  const waiting = page.waitForEvent('download');
  await bench.getByRole('button', { name: TEXT.bench.save }).click();
  const measured = JSON.parse(readFileSync(await (await waiting).path(), 'utf8')) as {
    model: string;
    seconds: number;
    timings: Record<string, number>;
    graphs: unknown[];
  };
  expect(measured).toMatchObject({ model: 'nano', seconds: 10 });
  expect(measured.timings['total']).toBeGreaterThan(measured.timings['denoise']!);
  expect(measured.graphs.length).toBeGreaterThan(4);
  await studio.go('library');
  await expect(page.getByText(TEXT.library.empty), 'it is thrown away').toBeVisible();
});
