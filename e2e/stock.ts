/** A library with as many songs as a test wants. */
import type { Page } from '@playwright/test';
import { expect, TEXT, type Studio } from './fixtures.ts';

export const grid = (page: Page) => page.getByRole('grid', { name: TEXT.library.songs });

const KEYS = ['A minor', 'D major', 'F# minor', 'Bb major'];
const WORDS = ['Rain', 'Ferry', 'Moss', 'Brass', 'Kitchen', 'Bridge', 'Umbrella', 'Waltz'];

/** Writes `count` records straight into the library, as if they had been made long ago; their sounds are not there. */
async function stock(page: Page, count: number): Promise<void> {
  await page.evaluate(
    ([count, keys, words]) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('cadenza');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const tx = opening.result.transaction(['tracks', 'peaks'], 'readwrite');
          for (let i = 0; i < count; i++) {
            const id = `song-${String(i).padStart(5, '0')}`;
            const bpm = 60 + (i % 120);
            const key = keys[i % keys.length]!;
            const sections = [
              { name: 'intro', start: 0, end: 10 },
              { name: 'verse', start: 10, end: 60 },
              { name: 'chorus', start: 60, end: 120 },
            ];
            tx.objectStore('tracks').put({
              id,
              createdAt: 1_700_000_000_000 + i * 60_000,
              title: `${words[i % words.length]} ${i}`,
              task: {
                kind: 'text2music',
                model: 'nano',
                prompt: `style ${i % 17}, piano, ${bpm} bpm`,
                negativePrompt: '',
                lyrics: `[verse]\nline ${i} of the harbour\n`.repeat(8),
                language: '',
                seconds: 120,
                seeds: [i],
                score: { bpm: null, key: '', meter: '', chords: '' },
                sampling: {
                  steps: 16,
                  solver: 'euler',
                  omega: 10,
                  guidance: {
                    type: 'apg',
                    scale: 5,
                    textScale: 0,
                    lyricScale: 0,
                    interval: 1,
                    decay: 0,
                    minScale: 3,
                  },
                  erg: { tag: true, lyric: true, diffusion: true },
                  ossSteps: [],
                },
                loras: [],
              },
              model: 'nano',
              audio: `audio-${id}`,
              latents: null,
              outline: Uint8Array.from({ length: 64 }, (_, k) => 40 + ((k * 37 + i * 11) % 200)),
              seconds: 30 + (i % 200),
              sampleRate: 44_100,
              loudness: -20 + (i % 10),
              seed: i,
              timings: { total: 1000 },
              plan: { bpm, key, meter: '4/4', chords: 'Am F', sections },
              favourite: i % 10 === 0,
            });
          }
          tx.onerror = () => reject(tx.error);
          tx.oncomplete = () => {
            opening.result.close();
            resolve();
          };
        };
      }),
    [count, KEYS, WORDS] as const,
  );
}

/** The library with so many songs. */
export async function openLibrary(studio: Studio, count: number): Promise<void> {
  await studio.open();
  await stock(studio.page, count);
  await studio.page.reload();
  await studio.go('library');
  await expect(grid(studio.page)).toHaveAttribute('aria-rowcount', String(count));
}
