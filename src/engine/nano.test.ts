/** The embedded model from a task to sound, in Node on WebAssembly: host, family, planner, codec and graphs together. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { latentsPath, openNodeModel } from '../../scripts/lib/node-host.ts';
import type { NodeModel } from '../../scripts/lib/node-host.ts';
import { FADE_SECONDS } from '../lib/audio/splice.ts';
import type { EngineEvent } from '../lib/events.ts';
import type { Made } from '../lib/family.ts';
import { checkpointFile, readCheckpoint, type Checkpoint } from './checkpoint.ts';
import { audioFile, factsOf, latentsFile, readAudio, readLatents } from './songs.ts';

/** A latent frame is 4096 samples of 44.1 kHz. */
const FRAME_SECONDS = 4096 / 44100;

const TASK = { prompt: 'lo-fi hip hop, rhodes, 84 bpm, D minor', seconds: 2, seed: 7, steps: 3 };

const ignore = (): void => undefined;

describe('nano', () => {
  let model: NodeModel;
  let folder: string;
  beforeAll(async () => {
    model = await openNodeModel('nano');
    folder = await mkdtemp(path.join(tmpdir(), 'cadenza-'));
  });
  afterAll(async () => {
    await model.host.release();
    await rm(folder, { recursive: true });
  });

  const songOf = async (task: object): Promise<Made> => (await model.generate(task, ignore)).made[0]!;

  test('makes a song of the asked length that is heard, and says how', async () => {
    const events: EngineEvent[] = [];
    const { made, task, timings } = await model.generate(TASK, (event) => events.push(event));
    const { seconds, loudness, peaks, seed } = factsOf(made[0]!);
    expect(Math.abs(seconds - 2)).toBeLessThanOrEqual(FRAME_SECONDS);
    expect(loudness).toBeGreaterThan(-40);
    expect(Math.max(...peaks.levels[0].max)).toBeLessThanOrEqual(1);
    expect([task.model, seed]).toEqual(['nano', 7]);

    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === 'step')).toHaveLength(3);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'plan', bpm: 84, key: expect.stringMatching(/D/) as string }),
    );
    const audio = events.filter((event) => event.type === 'audio');
    const heard = audio.reduce((sum, { channels }) => sum + channels[0]!.length, 0);
    expect(heard).toBe(made[0]!.pcm.channels[0]!.length);
    expect(Object.keys(timings)).toEqual(expect.arrayContaining(['denoise', 'sound', 'load', 'total']));
  });

  test('the same seed gives the same samples, another seed others', async () => {
    const [one, same, other] = [await songOf(TASK), await songOf(TASK), await songOf({ ...TASK, seed: 8 })];
    expect(same.pcm.channels).toEqual(one.pcm.channels);
    expect(other.latents.data).not.toEqual(one.latents.data);
  });

  test('a stored song comes back bit for bit, and is never encoded again', async () => {
    const song = await songOf(TASK);
    const wav = path.join(folder, 'song.wav');
    const file = audioFile(song.pcm, { task: TASK });
    expect(readAudio(file).channels).toEqual(song.pcm.channels);
    expect(readLatents(latentsFile(song))).toEqual({ latents: song.latents, memo: song.memo });
    await writeFile(wav, file);
    await writeFile(latentsPath(wav), latentsFile(song));
    const runsOf = (graph: string): number =>
      model.host.statistics().find((statistics) => statistics.graph === graph)!.runs;
    const before = runsOf('dcae_encoder');
    const regions = [{ start: 1, end: 2 }];
    const repainted = await songOf({ ...TASK, kind: 'repaint', source: wav, regions, retakeSeeds: [3] });
    expect(runsOf('dcae_encoder')).toBe(before);
    // The untouched half of the latents is the source's own.
    const { data, dims } = song.latents;
    const frames = dims[3]!;
    const kept = Math.floor(0.8 / FRAME_SECONDS);
    for (let row = 0; row < dims[1]! * dims[2]!; row += 51) {
      const at = row * frames;
      expect(repainted.latents.data.slice(at, at + kept)).toEqual(data.slice(at, at + kept));
    }
    // So is the sound, sample by sample, up to the fade; and what is new is new.
    const fade = Math.ceil(FADE_SECONDS * 44100);
    song.pcm.channels.forEach((samples, c) => {
      const other = repainted.pcm.channels[c]!;
      expect(other.subarray(0, 44100 - fade)).toEqual(samples.subarray(0, 44100 - fade));
      expect(other.subarray(44100, 80_000)).not.toEqual(samples.subarray(44100, 80_000));
    });
  });

  test('an extension holds its source, and goes on with its chords', async () => {
    const events: EngineEvent[] = [];
    const song = await songOf(TASK);
    const wav = path.join(folder, 'core.wav');
    await writeFile(wav, audioFile(song.pcm));
    await writeFile(latentsPath(wav), latentsFile(song));
    const task = { ...TASK, seed: 8, kind: 'extend', source: wav, before: 1, after: 1 };
    const { made } = await model.generate(task, (event) => events.push(event));
    const [longer] = made;
    const at = Math.round(longer!.sourceStart! * 44100);
    expect(at).toBe(Math.floor(1 / FRAME_SECONDS) * 4096);
    const fade = Math.ceil(FADE_SECONDS * 44100);
    song.pcm.channels.forEach((samples, c) => {
      const inside = longer!.pcm.channels[c]!.subarray(at, at + samples.length);
      expect(inside.subarray(fade, -fade)).toEqual(samples.subarray(fade, -fade));
    });
    const first = (song.memo as { plan: { chords: number[] } }).plan;
    const plan = (longer!.memo as { plan: { chords: number[]; lead: number } }).plan;
    expect(plan.chords.join()).toContain(first.chords.slice(0, 2).join());
    expect(events).toContainEqual(expect.objectContaining({ type: 'plan', bpm: 84 }));
  });

  test('cancel ends the song within a step, and the next one is whole', async () => {
    let steps = 0;
    const song = model.generate({ ...TASK, steps: 8 }, (event) => {
      if (event.type === 'step') steps += 1;
      if (steps === 2) model.host.cancel();
    });
    await expect(song).rejects.toMatchObject({ name: 'cancelled' });
    expect(steps).toBe(2);
    expect(factsOf(await songOf(TASK)).loudness).toBeGreaterThan(-40);
  });

  test('stop-and-keep decodes what there is', async () => {
    let steps = 0;
    const { made } = await model.generate({ ...TASK, steps: 8 }, (event) => {
      if (event.type === 'step') steps += 1;
      if (steps === 2) model.host.stopAndKeep();
    });
    expect(steps).toBe(2);
    expect(Math.abs(factsOf(made[0]!).seconds - 2)).toBeLessThanOrEqual(FRAME_SECONDS);
  });

  test('what was stopped and kept goes on to the very song that it would have been', async () => {
    const task = { ...TASK, steps: 6 };
    const whole = await songOf(task);
    const files: Uint8Array[] = [];
    const save = async (checkpoint: Checkpoint): Promise<void> =>
      void files.push(checkpointFile(checkpoint, 'key'));
    let steps = 0;
    const stop = (event: EngineEvent): void => {
      if (event.type === 'step' && ++steps === 2) model.host.stopAndKeep();
    };
    const kept = (await model.generate(task, stop, { found: null, save })).made[0]!;
    const found = readCheckpoint(files.at(-1)!, 'key');
    expect(found?.at, 'the step that it stopped at is saved, however soon after the one before').toEqual({
      step: 2,
      steps: 6,
    });
    const rest = await model.generate(task, () => steps++, { found, save });
    expect(rest.made[0]!.pcm).toEqual(whole.pcm);
    expect(kept.pcm).not.toEqual(whole.pcm);
  });

  test('a task out of range is refused before anything runs', async () => {
    await expect(model.generate({ ...TASK, seconds: 1e9 }, ignore)).rejects.toMatchObject({
      name: 'bad-task',
      message: expect.stringMatching(/^seconds must be .* \(got 1000000000\)/) as string,
    });
  });
});
