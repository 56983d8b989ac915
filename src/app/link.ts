/**
 * Settings in the address, after the #, so that they reach no server: "#s=" and the recipe as JSON, deflated, in the
 * letters of base64url. Links come from strangers: length before and after unpacking is limited, and readRecipe checks
 * what they say.
 */
import { deflateSync, inflateSync, strFromU8, strToU8 } from 'fflate';
import { EngineError } from '../lib/errors.ts';
import { MAX_RECIPE_BYTES } from '../lib/recipe.ts';
import type { Recipe } from '../lib/recipe.ts';
import { isLink, LINK_MARK } from './router.svelte.ts';
import { TEXT } from './text.ts';

/** Chat programs and mail cut longer addresses. */
export const MAX_LINK = 8000;

/**
 * @param page address of the app without its hash
 * @throws EngineError 'bad-task' when the link would be too long to be sent
 */
export function linkTo(page: string, recipe: Recipe): string {
  const packed = deflateSync(strToU8(JSON.stringify(recipe)), { level: 9 });
  const letters = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(''));
  const link = `${page}${LINK_MARK}${letters.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`;
  if (link.length > MAX_LINK) {
    const [length, limit] = [link.length, MAX_LINK].map((n) => n.toLocaleString('en'));
    throw new EngineError('bad-task', TEXT.link.tooLong(length!, limit!));
  }
  return link;
}

/** Unchecked settings. @throws EngineError 'bad-task' when the link is cut off, too long or nothing of ours */
export function settingsOf(hash: string): unknown {
  const letters = hash.slice(LINK_MARK.length);
  try {
    if (!isLink(hash) || letters.length > MAX_LINK) throw new RangeError('no link');
    const bytes = atob(letters.replaceAll('-', '+').replaceAll('_', '/'));
    const packed = Uint8Array.from(bytes, (letter) => letter.charCodeAt(0));
    // 8000 letters unpack to 6 MB at most: deflate gains a factor of 1032.
    const json = inflateSync(packed);
    if (json.length > MAX_RECIPE_BYTES) throw new RangeError('too long');
    const settings: unknown = JSON.parse(strFromU8(json));
    if (typeof settings !== 'object' || settings === null) throw new TypeError('no settings');
    return settings;
  } catch (thrown) {
    throw new EngineError('bad-task', TEXT.link.bad, { cause: thrown });
  }
}
