import { describe, expect, it } from 'vitest';
import {
  barSecondsOf,
  describePlan,
  extendPlan,
  firstBarOf,
  formOf,
  frameControls,
  nanoCaption,
  parsePlan,
  planSong,
  speakerOf,
} from './planner.ts';
import type { SongFields, SongPlan } from './planner.ts';
import golden from './planner.golden.json' with { type: 'json' };

const LATENT_RATE = 44100 / 512 / 8;
const song: SongFields = { prompt: 'lo-fi hip hop, rainy', seconds: 30, seed: 1 };

/** One half bar after another, as roots and sizes above C. */
const rootsOf = (plan: SongPlan): number[] => plan.chords.map((code) => (code - 1) % 12);

describe('planner', () => {
  it.each(golden)('agrees with Python on "$song.prompt"', (expected) => {
    const plan = planSong(expected.song as SongFields);
    expect(plan).toEqual(expected.plan);
    expect(describePlan(plan)).toEqual(expected.description);
    expect(nanoCaption(expected.song.prompt, plan)).toBe(expected.caption);
    expect([...speakerOf(plan)]).toEqual(expected.speaker.map(Math.fround));

    const { phase, chord, section } = frameControls(plan, expected.latents, LATENT_RATE);
    expect(phase).toHaveLength(24 * expected.latents);
    expected.at.forEach((at, i) => {
      expected.phase[i]!.forEach((x, k) => expect(phase[24 * at + k]).toBeCloseTo(x, 5));
      expect(Number(chord[at])).toBe(expected.chord[i]);
      expect(Number(section[at])).toBe(expected.section[i]);
    });
  });

  it('lets a field win over the prompt, and the prompt over chance', () => {
    const prompt = 'piano ballad, 70 bpm, C minor';
    expect(planSong({ ...song, prompt })).toMatchObject({ bpm: 70, key: 0, mode: 'minor' });
    expect(planSong({ ...song, prompt, bpm: 80, key: 'Eb' })).toMatchObject({
      bpm: 80,
      key: 3,
      mode: 'major',
    });
  });

  it('keeps the other choices when one field is fixed', () => {
    const free = planSong(song);
    expect(planSong({ ...song, bpm: free.bpm }).chords).toEqual(free.chords);
    const moved = planSong({ ...song, key: `C ${free.mode}` });
    expect(rootsOf(moved).map((root) => (root + free.key) % 12)).toEqual(rootsOf(free));
  });

  it('reads back the chords that it shows', () => {
    const plan = planSong({ ...song, chords: 'F#m7 | B/E7, C#dim Asus4' });
    expect(describePlan(plan).chords).toBe('F#m7 B/E7 C#dim Asus4');
    expect(rootsOf(plan).slice(0, 8)).toEqual([6, 6, 11, 4, 1, 1, 9, 9]);
  });

  it('finds the key that holds the given chords', () => {
    expect(planSong({ ...song, chords: 'Am F C G' })).toMatchObject({ key: 9, mode: 'minor' });
    expect(planSong({ ...song, chords: 'C G Am F' })).toMatchObject({ key: 0, mode: 'major' });
    expect(planSong({ ...song, chords: 'D A Bm G' })).toMatchObject({ key: 2, mode: 'major' });
  });

  it('plans a half bar for every moment of the song, however long', () => {
    for (const seconds of [1, 10, 60, 240]) {
      const plan = planSong({ ...song, seconds });
      const halfBarSeconds = barSecondsOf(plan) / 2;
      expect(plan.sections).toHaveLength(plan.chords.length);
      expect(Math.abs(plan.chords.length * halfBarSeconds - seconds)).toBeLessThan(2 * halfBarSeconds + 1.5);
    }
  });

  it('tells the form in time, without gaps, to the end of the song', () => {
    for (const seconds of [1, 10, 60, 240]) {
      const form = formOf(planSong({ ...song, seconds }), seconds);
      expect(form[0]?.start).toBe(0);
      expect(form.at(-1)?.end).toBe(seconds);
      form.forEach(({ name, start, end }, i) => {
        expect(end, name).toBeGreaterThan(start);
        expect(start).toBe(i === 0 ? 0 : form[i - 1]?.end);
        expect(name).not.toBe(form[i - 1]?.name);
      });
    }
  });

  it.each([
    [0, 8],
    [5, 0],
    [3.3, 12.7],
    [20, 20],
  ])('keeps the chords and the beat of a song with %s s before and %s s after it', (before, after) => {
    for (const seconds of [9.5, 30]) {
      const own = planSong({ ...song, seconds });
      const longer = extendPlan(own, before, seconds, after);
      const bar = barSecondsOf(own);
      // Every moment of the song has its own chord, section and place in the bar.
      const at = (plan: SongPlan, time: number) => {
        const frames = frameControls(plan, 1, LATENT_RATE, time * LATENT_RATE);
        return [frames.chord[0], frames.section[0]];
      };
      for (let time = 0; time < Math.min(seconds, (own.chords.length * bar) / 2); time += 0.1) {
        expect(at(longer, before + time)).toEqual(at(own, time));
      }
      expect(((firstBarOf(longer) - before) / bar) % 1).toBeCloseTo(0, 6);
      const length = (longer.chords.length / 2) * bar - (longer.lead ?? 0);
      expect(length).toBeGreaterThan(before + seconds + after - bar - 1.5);
      const form = formOf(longer, before + seconds + after);
      expect(form[0]!.start).toBe(0);
      form.forEach(({ start, end }) => expect(end).toBeGreaterThan(start));
      const twice = extendPlan(longer, 2, before + seconds + after, 2);
      expect(at(twice, 2 + before + 4)).toEqual(at(own, 4));
      expect(parsePlan(JSON.parse(JSON.stringify(twice)))).toEqual(twice);
    }
  });

  it('closes a song again that it goes on with, and opens one that it leads into', () => {
    const own = planSong({ ...song, seconds: 40 });
    const names = formOf(extendPlan(own, 10, 40, 30), 80).map(({ name }) => name);
    expect(names[0]).toBe('intro');
    expect(names.at(-1)).toBe('outro');
    expect(names.filter((name) => name === 'outro')).toHaveLength(2);
  });

  it('takes no broken plan', () => {
    const plan = planSong(song);
    expect(parsePlan(plan)).toEqual(plan);
    for (const broken of [
      null,
      'x',
      [],
      { ...plan, bpm: 0 },
      { ...plan, chords: [] },
      { ...plan, chords: [999] },
      { ...plan, mood: [1, 0] },
      { ...plan, mood: [0, 0, 2] },
    ]) {
      expect(parsePlan(broken)).toBeNull();
    }
  });

  it('hears the mood of the prompt, and none in a plan of older songs', () => {
    const moodIn = (plan: SongPlan): number[] => [...speakerOf(plan).slice(7, 10)];
    const calm = planSong({ ...song, prompt: 'calm lo-fi hip hop' });
    const fierce = planSong({ ...song, prompt: 'aggressive lo-fi hip hop' });
    expect(moodIn(calm)[0]).toBeLessThan(-0.5);
    expect(moodIn(fierce)[0]).toBeGreaterThan(0.5);
    const { mood: _, ...older } = calm;
    const read = parsePlan(older)!;
    expect(read).toEqual({ ...older, mood: [0, 0, 0] });
    expect(moodIn(read)).toEqual([0, 0, 0]);
    expect(extendPlan(calm, 4, 30, 4).mood).toEqual(calm.mood);
  });

  it('states the plan once in the caption', () => {
    const plan = planSong({ ...song, prompt: 'jazz swing in F major, 150 bpm, trumpet', bpm: 120 });
    expect(nanoCaption('jazz swing in F major, 150 bpm, trumpet', plan)).toBe(
      'jazz swing, 120 bpm, F major, 4/4, fast, jazz swing trumpet',
    );
  });

  it.each([
    [{ key: 'H minor' }, /key must be a note and a mode.*got "H minor"/],
    [{ meter: '5/4' }, /meter must be one of 3\/4, 4\/4, 6\/8 \(got "5\/4"\)/],
    [{ chords: 'Am Xyz' }, /"Xyz" is no chord/],
    [{ chords: 'A/B/C' }, /at most two chords \(got "A\/B\/C"\)/],
    [{ bpm: 900 }, /bpm must be 30 to 300 \(got 900\)/],
  ])('refuses %o by name', (fields, message) => {
    expect(() => planSong({ ...song, ...fields })).toThrow(message);
  });
});
