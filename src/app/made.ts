/** How a song was made, in the words of the page: the operation and its one telling number. */
import type { Task } from '../lib/task.ts';
import { plain } from './format.ts';
import { TEXT } from './text.ts';

export function operationOf(task: Task): string {
  const T = TEXT.work.made;
  switch (task.kind) {
    case 'text2music':
      return T.text2music;
    case 'retake':
      return T.retake(plain(task.variance, 2));
    case 'repaint':
      return T.repaint(task.regions.length);
    case 'extend':
      return T.extend(plain(task.before + task.after, 1));
    case 'edit':
      return T.edit(plain(task.nMin, 2), plain(task.nMax, 2));
    case 'audio2audio':
      return T.audio2audio(plain(task.strength, 2));
  }
}
