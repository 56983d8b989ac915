/**
 * Two songs side by side: heard at the same place and at the same loudness. In a blind test neither name nor order is
 * known until the listener has chosen. Pure, so that it can be shown to be fair.
 */
export type Side = 'a' | 'b';

export interface Blind {
  /** The side behind the first button, drawn by lot. */
  readonly first: Side;
  /** What the listener chose in this round; null while the names are hidden. */
  readonly chosen: Side | null;
  /** Choices so far, this round included once it is chosen. */
  readonly votes: Readonly<Record<Side, number>>;
}

export interface Comparison {
  /** Ids of the songs. */
  readonly a: string;
  readonly b: string;
  readonly heard: Side;
  readonly blind: Blind | null;
}

export type CompareAction =
  | { readonly type: 'hear'; readonly side: Side }
  | { readonly type: 'swap' }
  /** Begins a blind round; `lot` is a number in [0, 1). */
  | { readonly type: 'hide'; readonly lot: number }
  | { readonly type: 'choose'; readonly side: Side }
  | { readonly type: 'show' };

export const comparison = (a: string, b: string): Comparison => ({ a, b, heard: 'a', blind: null });

export const other = (side: Side): Side => (side === 'a' ? 'b' : 'a');

/** Names may be shown: there is no blind test, or its round is decided. */
export const open = ({ blind }: Comparison): boolean => blind === null || blind.chosen !== null;

/** The sides in the order of the buttons: drawn by lot in a blind round. */
export const sides = ({ blind }: Comparison): readonly [Side, Side] =>
  blind ? [blind.first, other(blind.first)] : ['a', 'b'];

export function reduceCompare(state: Comparison, action: CompareAction): Comparison {
  switch (action.type) {
    case 'hear':
      return { ...state, heard: action.side };
    case 'swap':
      return { ...state, heard: other(state.heard) };
    case 'hide': {
      const first: Side = action.lot < 0.5 ? 'a' : 'b';
      const votes = state.blind?.votes ?? { a: 0, b: 0 };
      // A round always begins with the first button, whatever was heard before.
      return { ...state, heard: first, blind: { first, chosen: null, votes } };
    }
    case 'choose': {
      const { blind } = state;
      if (!blind || blind.chosen) return state;
      const votes = { ...blind.votes, [action.side]: blind.votes[action.side] + 1 };
      return { ...state, blind: { ...blind, chosen: action.side, votes } };
    }
    case 'show':
      return { ...state, blind: null };
  }
}

/**
 * Gains in decibels that bring two songs to one loudness, by their integrated loudness (LUFS; null for silence). The
 * louder one is turned down, so nothing clips.
 */
export function matchingGains(a: number | null, b: number | null): Readonly<Record<Side, number>> {
  if (a === null || b === null) return { a: 0, b: 0 };
  const quieter = Math.min(a, b);
  return { a: quieter - a || 0, b: quieter - b || 0 }; // never -0
}

export const amplitudeOf = (decibels: number): number => 10 ** (decibels / 20);
