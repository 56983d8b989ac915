/** The families of models that this build can drive, by the name that manifests carry. Loaded when first needed. */
import type { Family } from '../family.ts';

export const FAMILIES: Readonly<Record<string, () => Promise<Family>>> = {
  'ace-step-v1': async () => erased((await import('./ace-step-v1/index.ts')).aceStepV1),
};

/** A family whose config type is forgotten: its parseConfig made the config that it gets back, so the cast holds. */
const erased = <C>(family: Family<C>): Family => family as unknown as Family;
