/**
 * When the app opens, its parts are put up in tasks of their own, in order: between two of them the browser paints and
 * hears what is typed, which one long task for everything would hold up (Total Blocking Time).
 */

/** The last turn that somebody waits for; null once all parts were shown: from then on they appear at once. */
let line: Promise<void> | null = Promise.resolve();

/** Comes after all turns taken before it; null where nothing has to be waited for. */
export function turn(): Promise<void> | null {
  if (!line) return null;
  const mine = line.then(pause);
  line = mine;
  void mine.then(pause).then(() => {
    if (line === mine) line = null;
  });
  return mine;
}

/** To the end of this task. */
export function pause(): Promise<void> {
  const { scheduler } = globalThis as { scheduler?: { yield?: () => Promise<void> } }; // not in every browser
  return scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));
}
