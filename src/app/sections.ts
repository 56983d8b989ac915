/** The form of a finished song, as its model planned it; empty where the model does not plan. */
import type { Track } from '../storage/library.ts';
import type { Section } from './form.ts';

export const sectionsOf = (track: Track): readonly Section[] => track.plan?.sections ?? [];
