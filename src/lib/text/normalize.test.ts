import { expect, test } from 'vitest';
import { clusters, normalizerOf } from './normalize.ts';

test.each([
  ...Array.from({ length: 8 }, (_, k) => 'a'.repeat(k) + '👍🏽👨‍👩‍👧🇩🇪🇫e\u0301\r\n'.repeat(300)),
  `x${'\u0301'.repeat(3000)}y`,
  '',
])('clusters of a stretch at a time are those of the whole text (%#)', (text) => {
  const whole = [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text)];
  expect([...clusters(text)]).toEqual(whole.map(({ segment }) => segment));
});

test('a character map that ends inside its trie is refused before room is made for it', () => {
  for (const bytes of ['AAA=', '////fw==', 'CAAAAAEAAAA=']) {
    expect(() => normalizerOf({ type: 'Precompiled', precompiled_charsmap: bytes })).toThrow(
      'ends inside its trie',
    );
  }
});
