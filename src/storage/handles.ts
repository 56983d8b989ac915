/**
 * Chromium (156) answers what a file system handle was asked only while the handle lives, and its collector does not
 * count the question: a handle that is asked and let go of, as in `(await folder.getFileHandle(name))
 * .createSyncAccessHandle()`, may be collected first, and then the promise stays open for ever. With a collection
 * forced in between, 11 of 12 such promises did; none of 12 whose handle was held.
 */
const held = new Set<{ readonly handle: object }>();

/** Asks a handle and holds it until it has answered. */
export async function holding<H extends object, T>(handle: H, ask: (handle: H) => Promise<T>): Promise<T> {
  const hold = { handle };
  held.add(hold);
  try {
    return await ask(handle);
  } finally {
    held.delete(hold);
  }
}
