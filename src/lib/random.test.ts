import { expect, test } from 'vitest';
import golden from './random.golden.json' with { type: 'json' };
import { STATE_WORDS, TorchGenerator } from './random.ts';

const thinned = (values: Float32Array): number[] =>
  values.length < golden.thin ? [...values] : [...values].filter((_, i) => i % golden.thin === 0);

test.each(golden.cases.map((c) => [c.seed, c.counts.join(', '), c] as const))(
  'torch.randn of seed %s, counts %s',
  (_seed, _counts, { seed, counts, values }) => {
    const generator = new TorchGenerator(BigInt(seed));
    counts.forEach((count, i) => {
      const ours = thinned(generator.randn(count));
      expect(ours).toHaveLength(values[i]!.length);
      ours.forEach((value, j) => expect(Math.abs(value - values[i]![j]!)).toBeLessThan(1e-6));
    });
  },
);

test('a number and a bigint of the same value are the same seed', () => {
  expect(new TorchGenerator(5).randn(20)).toEqual(new TorchGenerator(5n).randn(20));
  expect(new TorchGenerator(5).randn(20)).not.toEqual(new TorchGenerator(6).randn(20));
});

test.each([20, 3])(
  'a generator goes on from a state, also in the middle of a pair: %i values at a time',
  (count) => {
    const generator = new TorchGenerator(9);
    generator.randn(count);
    const state = generator.state();
    expect(state).toHaveLength(STATE_WORDS);
    const next = generator.randn(count);
    const other = new TorchGenerator(1);
    other.restore(state);
    expect(other.randn(count)).toEqual(next);
    generator.restore(state);
    expect(generator.randn(count)).toEqual(next);
  },
);
