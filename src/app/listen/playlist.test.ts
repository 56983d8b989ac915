import { describe, expect, it } from 'vitest';
import {
  arrived,
  cleared,
  coming,
  earlier,
  EMPTY,
  moved,
  putLast,
  putNext,
  repeated,
  shuffled,
  single,
  started,
  without,
} from './playlist.ts';

const never = (): number => {
  throw new Error('nothing is drawn by lot here');
};
const LIST = ['one', 'two', 'three', 'four'];

describe('a playlist', () => {
  it('plays its list from the song that was chosen, and can go back', () => {
    const list = started(EMPTY, LIST, 'two', never);
    expect(coming(list)).toEqual(['three', 'four']);
    expect(earlier(list)).toBe('one');
    const later = arrived(list, 'three');
    expect(coming(later)).toEqual(['four']);
    expect(earlier(later)).toBe('two');
  });

  it('plays what was put next before the list, once', () => {
    let list = started(EMPTY, LIST, 'one', never);
    list = putLast(putNext(putNext(list, 'guest'), 'first'), 'last');
    expect(coming(list)).toEqual(['first', 'guest', 'last', 'two', 'three', 'four']);
    list = moved(list, 'guest', -1);
    expect(coming(list).slice(0, 3)).toEqual(['guest', 'first', 'last']);
    list = arrived(list, 'guest');
    expect(coming(list)).toEqual(['first', 'last', 'two', 'three', 'four']);
    expect(coming(arrived(list, 'last')), 'what was skipped is gone').toEqual(['two', 'three', 'four']);
    expect(coming(single(list))).toEqual(['first', 'last']);
    expect(coming(cleared(list))).toEqual([]);
  });

  it('repeats, and stops where it does not', () => {
    const end = arrived(started(EMPTY, LIST, 'one', never), 'four');
    expect(coming(end)).toEqual([]);
    expect(coming(repeated(end, true))).toEqual(LIST);
    expect(earlier(repeated(started(EMPTY, LIST, 'one', never), true))).toBe('four');
    const again = arrived(repeated(end, true), 'one');
    expect(coming(again)).toEqual(['two', 'three', 'four', 'one']);
  });

  it('shuffles the rest and keeps the song in hand; every song plays once', () => {
    const numbers = [0.9, 0.1, 0.5, 0.3];
    const random = (): number => numbers.pop() ?? 0;
    const mixed = shuffled(started(EMPTY, LIST, 'two', never), true, random);
    expect(mixed.order[mixed.at]).toBe('two');
    expect(coming(mixed).toSorted()).toEqual(['four', 'one', 'three']);
    const plain = shuffled(mixed, false, never);
    expect(coming(plain)).toEqual(['three', 'four']);
  });

  it('forgets a song that is taken out, before and after the one in hand', () => {
    const list = arrived(started(EMPTY, LIST, 'one', never), 'three');
    expect(coming(without(list, 'one'))).toEqual(['four']);
    expect(coming(without(list, 'four'))).toEqual([]);
    expect(earlier(without(list, 'two'))).toBe('one');
    expect(coming(without(list, 'three')), 'the song in hand was deleted').toEqual(['four']);
  });
});
