/**
 * Chromium (seen in 156) answers what a file system handle was asked only while somebody holds the handle: one that is
 * asked and let go of, as in `(await folder.getFileHandle(name)).createSyncAccessHandle()`, may be collected first, and
 * then the promise stays open for ever. Under load that ended an installation at its 130th file.
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
