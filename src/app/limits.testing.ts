/** Limits of two imaginary models, for tests: one that plays, one that sings. */
import type { TaskLimits } from '../lib/task.ts';

export const LIMITS: TaskLimits = {
  kinds: ['text2music'],
  seconds: { min: 1, max: 60, step: 1, default: 20 },
  steps: { min: 1, max: 200, step: 1, default: 16 },
  presets: { Standard: { steps: 16 }, Draft: { steps: 8 }, High: { steps: 32 } },
  sampling: {
    steps: 16,
    solver: 'euler',
    omega: 0,
    guidance: { type: 'cfg', scale: 2, textScale: 0, lyricScale: 0, interval: 0.5, decay: 0, minScale: 3 },
    erg: { tag: false, lyric: false, diffusion: false },
    ossSteps: [],
  },
  maxPrompt: 1000,
  maxLyrics: 4000,
  maxSeeds: 4,
  sings: false,
  score: ['bpm', 'key', 'meter', 'chords'],
  erg: false,
  loras: false,
};

export const SINGER: TaskLimits = { ...LIMITS, sings: true, erg: true, score: ['bpm', 'key'] };
