/**
 * A walk through all that the page can show: every page, every tool, every dialog and panel over them. It stops at each
 * and says its name, so that whoever walks can look: for faults of accessibility, or with a camera. It reads what it
 * presses from TEXT, so it goes through any language that is spoken.
 */
import { deflateSync, strToU8 } from 'fflate';
import { drop } from './dropping.ts';
import { expect, TEXT, type Studio } from './fixtures.ts';

/** Which part of the Studio a stop is about: below 1024 pixels one is shown at a time. */
export type Part = 'compose' | 'song' | 'queue';
export interface Stop {
  readonly name: string;
  readonly part: Part;
}

const stop = (name: string, part: Part = 'compose'): Stop => ({ name, part });

/** Does a command by its name. */
export async function command({ page }: Studio, id: keyof typeof TEXT.commands): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: TEXT.palette.hint }).fill(TEXT.commands[id]);
  await page.getByRole('option', { name: TEXT.commands[id] }).first().click();
}

/** The dialog that is open, once there is exactly one. */
async function dialogOf({ page }: Studio, name?: string): Promise<void> {
  await expect(page.locator('dialog[open]')).toHaveCount(1);
  if (name !== undefined) await expect(page.getByRole('dialog', { name, exact: true })).toBeVisible();
}

async function close({ page }: Studio): Promise<void> {
  await page.keyboard.press('Escape');
  // A closed one is still there until the page has heard of it.
  await expect(page.locator('dialog')).toHaveCount(0);
}

/** The ways, each from an empty page; together they see everything. */
export const WAYS = {
  'the form': compose,
  'a song': song,
  listening,
  'the queue': line,
  'the library': library,
  'the other pages': elsewhere,
  dialogs,
} as const;

export async function* walk(studio: Studio, way: keyof typeof WAYS): AsyncGenerator<Stop> {
  await studio.open();
  yield* WAYS[way](studio);
}

async function* compose(studio: Studio): AsyncGenerator<Stop> {
  const { page, compose, style } = studio;
  const depth = (which: 'simple' | 'full') =>
    compose.getByRole('radio', { name: TEXT.compose[which], exact: true }).check({ force: true });
  await depth('simple');
  yield stop('compose-simple');
  await depth('full');
  await style.fill('');
  await style.pressSequentially('calm, pia');
  await expect(compose.getByRole('group', { name: TEXT.compose.suggestions })).toBeVisible();
  await compose.getByRole('button', { name: TEXT.compose.leaveOut }).click();
  await page.keyboard.type('drums');
  yield stop('compose-full');
  await style.fill('calm piano, 96 bpm, A minor');
  for (const chip of ['tempo', 'key', 'meter', 'chords'] as const) {
    await compose.getByRole('button', { name: new RegExp(`^${TEXT.compose[chip]}`) }).click();
    await expect(compose.getByRole('group', { name: TEXT.compose[chip], exact: true })).toBeVisible();
    yield stop(`compose-${chip}`);
  }
  await compose.getByRole('button', { name: new RegExp(`^${TEXT.compose.chords}`) }).click();
  await compose.getByRole('button', { name: TEXT.compose.ideas }).click();
  yield stop('compose-ideas');
  await compose.getByRole('button', { name: TEXT.compose.ideas }).click();
  await compose.locator('#field-lyrics').fill('[verse]\nthe ferry leaves\n[chorus]\nrain on the water');
  // Numbers that are refused, with the reasons beside them.
  await compose.getByLabel(TEXT.compose.seed, { exact: true }).fill('x1');
  yield stop('compose-lyrics');
  await compose.getByLabel(TEXT.compose.seed, { exact: true }).fill('7');
  await compose.getByRole('button', { name: TEXT.generate.advanced(0) }).click();
  await expect(page.getByRole('searchbox', { name: TEXT.advanced.search })).toBeFocused();
  const omega = page.getByLabel(TEXT.advanced.value(TEXT.fields.omega.label), { exact: true });
  await omega.fill('99');
  await omega.press('Tab');
  yield stop('advanced');
  await omega.fill('11');
  await page.getByRole('button', { name: TEXT.advanced.resetAll }).click();
  await page.getByRole('button', { name: TEXT.advanced.close }).click();
}

/** The second is a take of the first. */
async function twoTakes(studio: Studio): Promise<void> {
  await studio.make({ seconds: 2, seed: 1 });
  await studio.make({ seconds: 2, seed: 2 });
}

async function* song(studio: Studio): AsyncGenerator<Stop> {
  const { page, song } = studio;
  await twoTakes(studio);
  await song.getByRole('button', { name: TEXT.work.tools.retake }).click();
  const form = song.getByRole('form', { name: TEXT.work.tools.retake });
  await form.getByRole('button', { name: TEXT.work.run.retake, exact: true }).click();
  await expect(studio.cancel).toBeVisible();
  await studio.idle();
  await expect(song.getByRole('treeitem')).toHaveCount(2);
  yield stop('song', 'song');
  await page.getByRole('main').focus();
  await page.keyboard.press('i');
  for (const tool of ['repaint', 'extend', 'edit', 'retake', 'audio2audio'] as const) {
    // A model that does not sing has nothing to edit but the style.
    const name = tool === 'edit' ? TEXT.work.tools.remix : TEXT.work.tools[tool];
    const button = song.getByRole('toolbar', { name: TEXT.work.regions }).getByRole('button', { name });
    if ((await button.count()) === 0) continue;
    await button.click();
    await expect(song.getByRole('form', { name })).toBeVisible();
    yield stop(`song-${tool}`, 'song');
  }
  await page.keyboard.press('Escape');
}

async function* listening(studio: Studio): AsyncGenerator<Stop> {
  const { page, song } = studio;
  const T = TEXT.listen;
  await twoTakes(studio);
  await song.getByRole('radio', { name: T.spectrum }).check({ force: true });
  await song.getByRole('button', { name: T.zoomIn }).click();
  const card = song.getByRole('region', { name: T.compare });
  await card.getByRole('button', { name: T.compareStart }).click();
  await expect(card.getByRole('switch', { name: T.blind })).toBeVisible();
  yield stop('song-compared', 'song');
  await card.getByRole('switch', { name: T.blind }).check({ force: true });
  yield stop('song-blind', 'song');
  await card.getByRole('button', { name: T.choose(1) }).click();
  yield stop('song-chosen', 'song');
  await card.getByRole('button', { name: T.compareEnd }).click();
  await song.getByRole('radio', { name: T.waveform }).check({ force: true });
  await studio.go('library');
  await page.getByRole('button', { name: T.playAll }).click();
  await studio.go('studio');
  await page.getByRole('region', { name: TEXT.player.region }).getByTitle(T.queue).click();
  await dialogOf(studio, T.queue);
  yield stop('play-queue', 'song');
  await close(studio);
}

/** One song that is being made, two that wait, one of them taken off again. */
async function* line(studio: Studio): AsyncGenerator<Stop> {
  const { queue } = studio;
  await studio.start({ seconds: 8, preset: 'High' });
  await studio.fill({ seconds: 2, prompt: 'fast techno' });
  await studio.generate.click();
  await studio.generate.click();
  await expect(queue.getByRole('progressbar', { name: TEXT.job.progress })).toBeVisible();
  await queue.getByRole('button', { name: TEXT.line.pause, exact: true }).click();
  await expect(queue.getByText(TEXT.line.pausedHint)).toBeVisible();
  await expect(studio.cancel).toHaveCount(0);
  yield stop('queue-paused', 'queue');
  await queue.getByRole('button', { name: TEXT.line.more }).click();
  yield stop('queue-menu', 'queue');
  await studio.page.getByRole('menuitem', { name: TEXT.line.clear }).click();
  await queue.getByRole('button', { name: TEXT.line.resume }).click();
  await studio.start({ seconds: 8, preset: 'High' });
  await expect(queue.getByRole('progressbar', { name: TEXT.job.progress })).toBeVisible();
  yield stop('queue-running', 'queue');
  if (await studio.cancel.count()) await studio.cancel.click();
  await studio.idle();
}

async function* library(studio: Studio): AsyncGenerator<Stop> {
  const { page } = studio;
  const T = TEXT.library;
  const rows = page.getByRole('grid', { name: T.songs }).getByRole('row');
  await twoTakes(studio);
  await studio.go('library');
  yield stop('library');
  await rows.first().click();
  yield stop('library-details');
  await page.getByRole('button', { name: T.closeDetails }).click();
  await rows.first().locator('[aria-haspopup=menu]').click();
  yield stop('library-menu');
  await page.getByRole('menuitem', { name: T.assign, exact: true }).click();
  const dialog = page.getByRole('dialog');
  for (const [name, text] of [
    [T.newTag, 'loop'],
    [T.newCollection, 'Ferry EP'],
  ] as const) {
    await dialog.getByRole('textbox', { name, exact: true }).fill(text);
    await page.keyboard.press('Enter');
    await expect(dialog.getByRole('checkbox', { name: text })).toBeChecked();
  }
  yield stop('library-assign');
  await close(studio);
  await rows.first().focus();
  await page.keyboard.press('F2');
  yield stop('library-rename');
  await page.keyboard.press('Escape');
  await rows.first().focus();
  await page.keyboard.press('Control+a');
  yield stop('library-several');
  await page.keyboard.press('Escape');
  await rows.last().focus();
  await page.keyboard.press('Delete');
  await page.getByRole('button', { name: new RegExp(`^${T.places.trash}`) }).click();
  await page.getByRole('button', { name: new RegExp(`^${T.forgetAll}`) }).click();
  await dialogOf(studio);
  yield stop('library-forget');
  await close(studio);
  yield stop('library-trash');
  await page.getByRole('searchbox', { name: T.search }).fill('nothing like it');
  yield stop('library-none');
  await page.getByRole('button', { name: T.showAll }).click();
}

async function* elsewhere(studio: Studio): AsyncGenerator<Stop> {
  const { page } = studio;
  await studio.go('library');
  await expect(page.getByText(TEXT.library.empty)).toBeVisible();
  yield stop('library-empty');
  await studio.go('models');
  await expect(page.getByRole('heading', { level: 1, name: TEXT.models.title })).toBeVisible();
  yield stop('models');
  const summary = page.getByText(TEXT.install.from, { exact: true }).first();
  await summary.click();
  await page.getByLabel(TEXT.install.address).first().fill('ftp://somewhere');
  await page.keyboard.press('Tab');
  yield stop('models-sources');
  await studio.go('device');
  await expect(page.getByRole('region', { name: TEXT.bench.title })).toBeVisible();
  await expect(page.getByRole('region', { name: TEXT.doctor.title })).toBeVisible();
  yield stop('device');
}

async function* dialogs(studio: Studio): AsyncGenerator<Stop> {
  const { page } = studio;
  await studio.make({ seconds: 1 });
  const named = {
    palette: TEXT.palette.title,
    shortcuts: TEXT.keys.title,
    settings: TEXT.settings.title,
    export: TEXT.exporting.title,
    backup: TEXT.backup.title,
    source: TEXT.sources.title,
    presets: TEXT.presets.title,
    lyrics: TEXT.compose.lyrics,
  } as const;
  for (const [id, name] of Object.entries(named) as [keyof typeof named, string][]) {
    if (id === 'palette') await page.keyboard.press('Control+k');
    else await command(studio, id);
    await dialogOf(studio, name);
    if (id === 'palette') await page.getByRole('combobox', { name: TEXT.palette.hint }).fill('omega');
    yield stop(id);
    await close(studio);
  }
  const link = { cadenza: 1, title: 'A song', task: { prompt: 'slow jazz waltz', lyrics: 'one\ntwo' } };
  const hash = Buffer.from(deflateSync(strToU8(JSON.stringify(link)))).toString('base64url');
  await page.evaluate((hash) => (location.hash = `#s=${hash}`), hash);
  await dialogOf(studio, TEXT.link.open);
  yield stop('link');
  await close(studio);
  const wav = Buffer.concat([Buffer.from('RIFF\0\0\0\0WAVE'), Buffer.alloc(64)]);
  await drop(page, [{ name: 'take.wav', bytes: wav }]);
  await dialogOf(studio, TEXT.drop.ask);
  yield stop('drop');
  await close(studio);
  const list = ['[', '{"prompt": "calm piano", "seconds": 1},', '{"prompt": "rock", "seconds": 9999}', ']'];
  await drop(page, [{ name: 'songs.json', bytes: list.join('\n') }]);
  await dialogOf(studio, TEXT.line.faults(1));
  yield stop('batch');
  await close(studio);
  // What is refused is said in notices; files that hang over the window cover it.
  await drop(page, [{ name: 'nothing.wav', bytes: '' }]);
  await expect(page.getByRole('region', { name: TEXT.toast.region })).toContainText('nothing.wav');
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['x'], 'x.wav'));
    document.body.dispatchEvent(new DragEvent('dragenter', { dataTransfer: data, bubbles: true }));
  });
  yield stop('drop-over');
}
