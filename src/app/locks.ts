/** One tab at a time. */

/**
 * Runs `work` when no other tab of this origin runs under this name; a tab that ends gives its turn on. Where the browser
 * has no locks, or denies them as it denies storage, tabs share nothing and the work runs at once.
 */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks: LockManager | undefined = navigator.locks;
  let begun = false;
  try {
    if (locks)
      return await locks.request(name, () => {
        begun = true;
        return work();
      });
  } catch (thrown) {
    if (begun) throw thrown;
  }
  return work();
}
