/** Files that the user hands over: from a folder picker, or dropped on the page. */
import type { LocalFile } from '../engine/sources.ts';

/** What `<input type="file" webkitdirectory>` was given. */
export const pickedFiles = (input: HTMLInputElement): readonly LocalFile[] =>
  [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** Files and folders that were dropped, folders with all that is in them. */
export async function droppedFiles(transfer: DataTransfer): Promise<readonly LocalFile[]> {
  // All are asked for at once: after the first wait the items are gone.
  const found = [...transfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const files = found.filter((one) => one !== null).map(filesIn);
  return (await Promise.all(files)).flat();
}

/** A file that is on no disk, as another page hands it over, has no entry. */
async function filesIn(entry: FileSystemEntry | File): Promise<readonly LocalFile[]> {
  if (entry instanceof File) return [{ path: entry.name, file: entry }];
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader(); // what is no file is a folder
  const found: LocalFile[] = [];
  // A reader gives some entries at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await filesIn(one)));
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
