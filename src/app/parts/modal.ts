/**
 * Opens a dialog as a modal for as long as it is on the page; an attachment. One that closes itself gives the focus back
 * on its own. One that is taken off the page while it is open (its work is done, or another follows it) does not: the
 * browser forgets the element that had it, so it is remembered here.
 */
export function modal(dialog: HTMLDialogElement): () => void {
  const opener = document.activeElement;
  dialog.showModal();
  return () => {
    if (!dialog.open) return;
    dialog.close();
    const { activeElement } = document;
    // What took the focus in the meantime keeps it.
    const free = activeElement === null || activeElement === document.body || dialog.contains(activeElement);
    if (free && opener instanceof HTMLElement) opener.focus();
  };
}
