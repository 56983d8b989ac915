/**
 * The form of a song: its sections in time, and the colour family of each. The same colours run through the cover, the
 * lane and the waveforms. A song whose form is not known has no sections and is drawn in one colour.
 */

export const FORMS = ['edge', 'verse', 'pre', 'chorus', 'bridge', 'inst'] as const;
export type Form = (typeof FORMS)[number];

export interface Section {
  /** As the planner names it: 'verse', 'chorus' … */
  readonly name: string;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
}

const FORM_OF: Readonly<Record<string, Form>> = {
  intro: 'edge',
  outro: 'edge',
  end: 'edge',
  verse: 'verse',
  'pre-chorus': 'pre',
  hook: 'pre',
  chorus: 'chorus',
  bridge: 'bridge',
  break: 'bridge',
  solo: 'inst',
  inst: 'inst',
  instrumental: 'inst',
};

export const formOf = (name: string): Form => FORM_OF[name.toLowerCase()] ?? 'edge';

/** Colour family at a moment; 'edge' where nothing is known. */
export const formAt = (sections: readonly Section[], seconds: number): Form =>
  formOf(sections.find(({ start, end }) => seconds >= start && seconds < end)?.name ?? '');

const RADIUS = 13.6;
const CENTRE = { x: 22, y: 28.5 };
/** Degrees left open between two arcs of a cover. */
const GAP = 2.5;

/** The fermata's arc on a 44 × 44 cover, cut at the sections in proportion. */
export function arcsOf(sections: readonly Section[]): readonly { readonly d: string; readonly form: Form }[] {
  const total = sections.at(-1)?.end ?? 0;
  if (total <= 0) return [{ d: arc(180, 360), form: 'edge' }];
  return sections.map(({ name, start, end }, i) => ({
    d: arc(180 + (180 * start) / total, 180 + (180 * end) / total - (i < sections.length - 1 ? GAP : 0)),
    form: formOf(name),
  }));
}

function arc(from: number, to: number): string {
  const at = (degrees: number): string => {
    const angle = (degrees * Math.PI) / 180;
    const x = CENTRE.x + RADIUS * Math.cos(angle);
    const y = CENTRE.y + RADIUS * Math.sin(angle);
    return `${x.toFixed(2)} ${y.toFixed(2)}`;
  };
  return `M${at(from)}A${RADIUS} ${RADIUS} 0 0 1 ${at(Math.max(to, from + 0.5))}`;
}
