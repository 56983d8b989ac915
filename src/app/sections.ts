/** The form of a finished song, as its model planned it; empty where the model does not plan. */
import type { Track } from '../storage/library.ts';
import type { Section } from './form.ts';

export const sectionsOf = (track: Track): readonly Section[] => track.plan?.sections ?? [];

/** Sections with their number among those of the same name; null where there is only one. */
export function numbered(
  sections: readonly Section[],
): readonly (Section & { readonly number: number | null })[] {
  return sections.map((section, i) => {
    const same = (other: Section): boolean => other.name === section.name;
    return {
      ...section,
      number: sections.filter(same).length > 1 ? sections.slice(0, i + 1).filter(same).length : null,
    };
  });
}
