import { expect, test } from 'vitest';
import type { Task } from '../lib/task.ts';
import type { Track } from '../storage/library.ts';
import { LIMITS, SINGER } from './limits.testing.ts';
import { TEXT } from './text.ts';
import { Work, type Desk } from './work.svelte.ts';

const ALL = {
  ...SINGER,
  kinds: ['text2music', 'retake', 'repaint', 'edit', 'extend', 'audio2audio'],
} as const;

const track = (more: Partial<Track> = {}): Track =>
  ({
    id: 'a',
    title: 'Waltz #1',
    model: 'nano',
    audio: 'sound-a',
    seconds: 20,
    seed: 3,
    task: {
      kind: 'text2music',
      prompt: 'waltz',
      lyrics: '',
      negativePrompt: '',
      language: '',
      seconds: 20,
      score: { bpm: null, key: '', meter: '', chords: '' },
      sampling: LIMITS.sampling,
      loras: [],
    },
    ...more,
  }) as unknown as Track; // as much as working reads

function working(limits: typeof LIMITS | typeof ALL) {
  const queued: Task[] = [];
  const composed: unknown[] = [];
  const said: string[] = [];
  const desk: Desk = {
    limits: (model) => (model === 'nano' ? limits : null),
    current: () => ({ model: 'nano', sampling: limits.sampling }),
    roll: () => 9,
    enqueue: (tasks) => void queued.push(...tasks),
    say: (text) => void said.push(text),
    sound: () => Promise.reject(new Error('no sound is read')),
    keep: () => Promise.reject(new Error('nothing is kept')),
    compose: (...all) => void composed.push(all),
  };
  return { work: new Work(desk), queued, composed, said };
}

test('a song can be sent to the tools that its model has; a sound from outside has no retake', () => {
  expect(working(LIMITS).work.toolsFor(track())).toEqual([]);
  const { work } = working(ALL);
  expect(work.toolsFor(track())).toEqual(['repaint', 'extend', 'edit', 'retake', 'audio2audio']);
  expect(work.toolsFor(track({ model: '' }))).toEqual(['repaint', 'extend', 'edit', 'audio2audio']);
  expect(work.toolsFor(track({ model: 'gone' })), 'the model in use goes on').toHaveLength(5);
});

test('a whole song becomes the reference without being read; its words go along', async () => {
  const { work, composed } = working(ALL);
  work.set({ strength: 0.7 });
  await work.toCompose(track(), []);
  expect(composed).toEqual([[{ file: 'sound-a', name: 'Waltz #1' }, 0.7, 'waltz']]);
});

test('regions are as long as the song that follows them; too short ones are refused in words', async () => {
  const { work, queued, said, composed } = working(ALL);
  work.show(track());
  work.regions.snap = false;
  work.regions.add(2, 5);
  work.regions.add(10, 14);
  work.open('audio2audio');
  expect([work.fromRegions, work.seconds]).toEqual([true, 7]);
  expect(work.tasks(() => 1)[0]).toMatchObject({ kind: 'audio2audio', seconds: 7 });
  work.part = 'whole';
  expect([work.fromRegions, work.seconds]).toEqual([false, 20]);
  await work.run();
  expect(queued).toMatchObject([{ source: { blob: 'sound-a' }, seconds: 20, seeds: [9] }]);
  await work.toCompose(track(), [{ start: 1, end: 1.2 }]);
  expect(said).toEqual([TEXT.sources.tooShort('Waltz #1')]);
  expect(composed).toEqual([]);
});
