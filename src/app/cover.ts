/** The drawn cover of a song as a picture for its files: the arc of its sections on the dark ground, whatever the theme. */
import { arcsOf, type Form, FORMS, type Section } from './form.ts';

const SIDE = 640;
/** Of the drawing that the page shows. */
const VIEW = 44;

export async function coverPng(sections: readonly Section[]): Promise<Uint8Array> {
  const { ground, ink, forms } = darkColours();
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser draws nothing off screen');
  context.scale(SIDE / VIEW, SIDE / VIEW);
  context.fillStyle = ground;
  context.fillRect(0, 0, VIEW, VIEW);
  context.lineWidth = 4.6;
  for (const { d, form } of arcsOf(sections)) {
    context.strokeStyle = forms[form];
    context.stroke(new Path2D(d));
  }
  context.fillStyle = ink;
  context.beginPath();
  context.arc(22, 26, 3.3, 0, 2 * Math.PI);
  context.fill();
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return new Uint8Array(await blob.arrayBuffer());
}

/** The tokens of the dark theme, read from an element that has it. */
function darkColours(): { ground: string; ink: string; forms: Readonly<Record<Form, string>> } {
  const probe = document.createElement('div');
  probe.dataset['theme'] = 'dark';
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const forms = Object.fromEntries(FORMS.map((form) => [form, token(`--form-${form}`)]));
  const colours = { ground: token('--panel'), ink: token('--ink'), forms: forms as Record<Form, string> }; // all of FORMS
  probe.remove();
  return colours;
}
