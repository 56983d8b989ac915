import { expect, test } from 'vitest';
import { checkTask, type Task, type TaskLimits } from './task.ts';

const limits: TaskLimits = {
  kinds: ['text2music', 'retake', 'repaint', 'extend', 'edit', 'audio2audio'],
  seconds: { min: 1, max: 240, step: 0.1, default: 60 },
  steps: { min: 1, max: 200, step: 1, default: 60 },
  presets: { Standard: { steps: 60 }, Draft: { steps: 27, guidance: { scale: 9 } } },
  sampling: {
    steps: 60,
    solver: 'euler',
    omega: 10,
    guidance: { type: 'apg', scale: 15, textScale: 0, lyricScale: 0, interval: 0.5, decay: 0, minScale: 3 },
    erg: { tag: true, lyric: true, diffusion: true },
    ossSteps: [],
  },
  maxPrompt: 200,
  maxLyrics: 500,
  maxSeeds: 4,
  sings: true,
  score: ['bpm', 'key', 'meter', 'chords'],
  erg: true,
  loras: true,
};

const check = (input: unknown, random = () => 7): Task => checkTask(input, limits, random);
const source = { source: { blob: 'a' } };

test('an empty object is a whole task', () => {
  expect(check({})).toEqual({
    kind: 'text2music',
    model: '',
    prompt: '',
    negativePrompt: '',
    lyrics: '',
    language: '',
    seconds: 60,
    seeds: [7],
    score: { bpm: null, key: '', meter: '', chords: '' },
    sampling: limits.sampling,
    loras: [],
  });
});

test('the short fields of scripts land where they belong', () => {
  const task = check({
    kind: 'text2music',
    prompt: 'slow jazz waltz',
    seconds: 12,
    seed: 5,
    preset: 'Draft',
    bpm: 96,
    key: 'A minor',
    meter: '3/4',
    chords: 'Am F',
    solver: 'heun',
    omega: -5,
    lora: 'x.safetensors',
  });
  expect(task.seeds).toEqual([5]);
  expect(task.score).toEqual({ bpm: 96, key: 'A minor', meter: '3/4', chords: 'Am F' });
  expect(task.sampling).toMatchObject({
    steps: 27,
    solver: 'heun',
    omega: -5,
    guidance: { type: 'apg', scale: 9 },
  });
  expect(task.loras).toEqual([{ file: 'x.safetensors', weight: 1 }]);
  expect(
    check({ guidance: 4, sampling: { guidance: { type: 'cfg', scale: 8 } } }).sampling.guidance,
  ).toMatchObject({
    type: 'cfg',
    scale: 4,
  });
  expect(check({ steps: 9, preset: 'Draft', sampling: { steps: 12 } }).sampling.steps).toBe(9);
});

test('seeds come as number, list or text; missing ones are drawn', () => {
  let next = 100;
  const draw = (input: object): readonly number[] => check(input, () => next++).seeds;
  expect(draw({ seed: 2 ** 40 })).toEqual([2 ** 40]);
  expect(draw({ seed: -1 })).toEqual([-1]);
  expect(draw({ seeds: '1, 2,3' })).toEqual([1, 2, 3]);
  expect(draw({ seeds: [4, 5] })).toEqual([4, 5]);
  expect(draw({ seed: null })).toEqual([100]);
  expect(draw({ seeds: null })).toEqual([101]);
  expect(check({ kind: 'retake', seeds: [1, 2] }, () => next++)).toMatchObject({
    retakeSeeds: [102, 103],
    variance: 0.2,
  });
  expect(check({})).not.toBe(check({}));
});

test('each kind reads its own fields', () => {
  expect(check({ kind: 'repaint', source: 'a.wav', start: 1, end: 2.5 })).toMatchObject({
    source: { blob: 'a.wav' },
    regions: [{ start: 1, end: 2.5 }],
  });
  const regions = [{ start: 0, end: 1 }, { start: 4, end: 5 }]; // prettier-ignore
  expect(check({ kind: 'repaint', ...source, regions })).toMatchObject({ regions });
  expect(check({ kind: 'extend', ...source, after: 30 })).toMatchObject({
    before: 0,
    after: 30,
    variance: 1,
  });
  expect(check({ kind: 'edit', ...source, prompt: 'p', lyrics: 'l', target: { prompt: 'q' } })).toMatchObject(
    {
      target: { prompt: 'q', lyrics: 'l' },
      nMin: 0,
      nMax: 1,
      nAvg: 1,
    },
  );
  expect(check({ kind: 'audio2audio', ...source })).toMatchObject({ strength: 0.5 });
});

const refused: [string, unknown][] = [
  ['the task must be an object (got null).', null],
  ['the task must be an object (got []).', []],
  ['kind must be one of text2music, retake', { kind: 'sing' }],
  ['secnds must be left out: no such field', { secnds: 5 }],
  ['strength must be left out: no such field', { strength: 0.5 }],
  ['seconds must be 1 to 240 (got 300).', { seconds: 300 }],
  ['seconds must be 1 to 240 (got "5").', { seconds: '5' }],
  ['seconds must be 1 to 240 (got null).', { seconds: NaN }],
  ['prompt must be at most 200 characters, not 201', { prompt: 'x'.repeat(201) }],
  ['prompt must be a text (got 5).', { prompt: 5 }],
  ['seed must be a whole number', { seed: 1.5 }],
  ['seeds must be a list of 1 to 4 items', { seeds: [1, 2, 3, 4, 5] }],
  ['seeds[1] must be', { seeds: [1, 'a'] }],
  ['seeds must be 1 to 4 whole numbers with commas', { seeds: '1; 2' }],
  ['steps must be 1 to 200 (got 0).', { steps: 0 }],
  ['sampling.steps must be a whole number', { sampling: { steps: 1.5 } }],
  ['sampling.stps must be left out', { sampling: { stps: 1 } }],
  ['sampling.guidance.interval must be 0 to 1 (got 2).', { sampling: { guidance: { interval: 2 } } }],
  ['guidance must be 0 to 200 (got -1).', { guidance: -1 }],
  ['solver must be one of euler, heun, pingpong', { solver: 'dpm' }],
  ['preset must be one of Standard, Draft', { preset: 'toString' }],
  ['sampling.ossSteps must be a list of rising steps', { sampling: { ossSteps: [3, 3] } }],
  ['sampling.ossSteps must be empty with heun', { solver: 'heun', sampling: { ossSteps: [3, 4] } }],
  ['sampling.ossSteps must be empty: edit', { kind: 'edit', ...source, sampling: { ossSteps: [3, 4] } }],
  ['bpm must be 30 to 300 (got 5).', { bpm: 5 }],
  ['language must be', { language: 'English' }],
  ['source must be an object (it is missing).', { kind: 'repaint', start: 0, end: 1 }],
  ['start must be 0 to 3600 (it is missing).', { kind: 'repaint', ...source }],
  ['end must be after the start, 3 s (got 2).', { kind: 'repaint', ...source, start: 3, end: 2 }],
  ['regions[0].end must be', { kind: 'repaint', ...source, regions: [{ start: 3, end: 3 }] }],
  ['regions[0].x must be left out', { kind: 'repaint', ...source, regions: [{ start: 3, end: 4, x: 1 }] }],
  ['after must be above 0, unless before is', { kind: 'extend', ...source }],
  ['before must be 0 to 240 (got 300).', { kind: 'extend', ...source, before: 300 }],
  ['nMin must be at most nMax, 0.2', { kind: 'edit', ...source, nMin: 0.4, nMax: 0.2 }],
  ['loras[0].weight must be -10 to 10', { loras: [{ file: 'a', weight: 11 }] }],
]; // prettier-ignore

test.each(refused)('refuses: %s', (message, input) => {
  expect(() => check(input)).toThrow(
    expect.objectContaining({ name: 'bad-task', message: expect.stringContaining(message) as string }),
  );
});

test('a model refuses what it cannot do', () => {
  const few: TaskLimits = { ...limits, kinds: ['text2music'], loras: false };
  expect(() => checkTask({ kind: 'edit' }, few)).toThrow('kind must be one of text2music');
  expect(() => checkTask({ lora: 'a' }, few)).toThrow('loras must be empty: this model takes no LoRA');
});

test('text is kept well formed', () => {
  expect(check({ prompt: 'a\ud800b', lyrics: '\udc00 😀' })).toMatchObject({
    prompt: 'a\ufffdb',
    lyrics: '\ufffd 😀',
  });
});

test('whatever comes in: a task that passes again unchanged, or a refusal that names a field', () => {
  // A small generator of its own: the cases are the same on every run.
  let state = 1;
  const random = (n: number): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n;
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!;
  const values = [
    undefined, null, 0, 1, 0.5, -3, 1e300, NaN, '', 'x', '1,2', [], [1, 2], [{ start: 0, end: 2 }], {}, { blob: 'b' },
    { prompt: 'p' }, { bpm: 90 }, { steps: 3, guidance: { scale: 2 } }, true, 'euler', 'Draft', 'pt', '\ud83d', 12n,
  ]; // prettier-ignore
  const names = Object.keys({
    ...check({ kind: 'repaint', ...source, start: 0, end: 1 }),
    ...check({ kind: 'edit', ...source }),
    before: 0, after: 0, strength: 0, start: 0, end: 0, seed: 0, preset: 0, bpm: 0, steps: 0, guidance: 0, lora: 0, odd: 0,
  }); // prettier-ignore
  let passed = 0;
  for (let i = 0; i < 5000; i++) {
    const input: Record<string, unknown> = {
      kind: pick(limits.kinds),
      source: pick(['a', { blob: 'b' }]),
      after: 3,
    };
    if (input['kind'] !== 'extend') delete input['after'];
    if (input['kind'] === 'text2music' || input['kind'] === 'retake') delete input['source'];
    if (input['kind'] === 'repaint') input['regions'] = [{ start: random(9), end: 10 }];
    for (let k = random(4); k > 0; k--) input[pick(names)] = pick(values);
    let task: Task;
    try {
      task = check(input);
    } catch (thrown) {
      expect(thrown).toMatchObject({
        name: 'bad-task',
        message: expect.stringMatching(/^[\w.[\]]+ must be .+\.$/) as string,
      });
      continue;
    }
    passed++;
    expect(check(JSON.parse(JSON.stringify(task)))).toEqual(task);
  }
  expect(passed).toBeGreaterThan(1000);
});
