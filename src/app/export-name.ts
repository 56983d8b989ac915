/** Names of exported files, from a template. */
import { fileName } from './format.ts';

export const FIELDS = ['title', 'artist', 'take', 'seed', 'bpm', 'key', 'genre', 'model', 'date'] as const;
export type NameField = (typeof FIELDS)[number];

export const DEFAULT_TEMPLATE = '{title} - take {take} - {seed}';

/** The template with its fields filled in, safe on every system; what is no field stays as it is typed. */
export function nameFrom(template: string, values: Readonly<Record<NameField, string>>): string {
  const filled = template.replace(/\{(\w+)\}/g, (written, name: string) => {
    const field = FIELDS.find((one) => one === name);
    return field === undefined ? written : values[field];
  });
  // An empty field leaves its separator behind: "Song -  - 7".
  return fileName(
    filled.replace(/(\s[-–—_]\s+)(?:[-–—_]\s+)+/g, '$1').replace(/^\s*[-–—_]\s+|\s+[-–—_]\s*$/g, ''),
  );
}
