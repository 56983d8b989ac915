/** The cover of a song as a picture of its own, in the colours of the theme that shows now. */
import { arcsOf, type Section } from '../form.ts';

export function coverSvg(sections: readonly Section[]): string {
  const css = getComputedStyle(document.documentElement);
  const colour = (name: string): string => css.getPropertyValue(`--${name}`).trim();
  const arcs = arcsOf(sections)
    .map(
      ({ d, form }) => `<path d="${d}" fill="none" stroke-width="5.2" stroke="${colour(`form-${form}`)}"/>`,
    )
    .join('');
  const ground = `<rect width="44" height="44" fill="${colour('inset')}"/>`;
  const dot = `<circle cx="22" cy="26" r="3.3" fill="${colour('ink')}"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 44 44" width="512" height="512">${ground}${arcs}${dot}</svg>`;
}
