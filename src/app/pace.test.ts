import { expect, it } from 'vitest';
import { Pace } from './pace.ts';

it('tells speed and time left from the last ten seconds, once two have passed', () => {
  const pace = new Pace();
  expect(pace.at(0, 1000, 0)).toEqual({ speed: null, left: null });
  expect(pace.at(100, 1000, 1000)).toEqual({ speed: null, left: null });
  expect(pace.at(200, 1000, 2000)).toEqual({ speed: 100, left: 8 });
  for (let s = 3; s <= 20; s++) pace.at(200 + 10 * (s - 2), 1000, 1000 * s);
  expect(pace.at(400, 1000, 22_000).speed).toBeCloseTo(10, 5); // what was fast long ago is forgotten
});

it('tells nothing while nothing moves', () => {
  const pace = new Pace();
  pace.at(5, 10, 0);
  expect(pace.at(5, 10, 60_000)).toEqual({ speed: null, left: null });
});
