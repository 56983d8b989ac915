/** Files that come from outside the page. */
import type { Page } from '@playwright/test';

export interface Thrown {
  readonly name: string;
  readonly bytes: Uint8Array | string;
}

/** Files let go over a part of the page, or pasted into it. Padding is never read: the browser makes it of pieces. */
export async function drop(
  page: Page,
  files: readonly (Thrown & { readonly padding?: number })[],
  how: 'drop' | 'paste' = 'drop',
  place = page.locator('body'),
): Promise<void> {
  const list = files.map(({ name, bytes, padding = 0 }) => {
    return { name, padding, base64: Buffer.from(bytes).toString('base64') };
  });
  await place.evaluate(
    (element, [list, how]) => {
      const data = new DataTransfer();
      for (const { name, padding, base64 } of list) {
        const piece = new Blob([new Uint8Array(Math.min(padding, 2 ** 26))]);
        const head = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
        const pieces = new Array<Blob>(padding === 0 ? 0 : padding / piece.size).fill(piece);
        data.items.add(new File([head, ...pieces], name));
      }
      const dispatch = (event: Event): void => void element.dispatchEvent(event);
      if (how === 'paste')
        return dispatch(
          new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
        );
      for (const type of ['dragenter', 'dragover', 'drop'])
        dispatch(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    },
    [list, how] as const,
  );
}
