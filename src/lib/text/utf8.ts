/** UTF-8 without TextDecoder: lib knows no host. Ill-formed input becomes U+FFFD, as the Encoding standard has it. */

const REPLACEMENT = 0xfffd;

/** Decodes UTF-8; a leading byte-order mark is dropped. */
export function decodeUtf8(bytes: Uint8Array): string {
  const units = new Uint16Array(8192);
  const parts: string[] = [];
  let used = 0;
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < bytes.length) {
    if (used > units.length - 2) {
      parts.push(String.fromCharCode(...units.subarray(0, used)));
      used = 0;
    }
    const lead = bytes[at++]!;
    if (lead < 0x80) {
      units[used++] = lead;
      continue;
    }
    // Length, smallest code point of that length (shorter forms exist: refuse), and the lead's own bits.
    const [more, least] =
      lead < 0xc2 ? [0, 0] : lead < 0xe0 ? [1, 0x80] : lead < 0xf0 ? [2, 0x800] : [3, 0x10000];
    let code = more === 0 || lead > 0xf4 ? -1 : lead & (0x3f >> more);
    for (let i = 0; i < more && code >= 0; i++) {
      const next = at < bytes.length ? bytes[at]! : 0;
      const tooEarly = i === 0 && outside(lead, next);
      if ((next & 0xc0) !== 0x80 || tooEarly) code = -1;
      else {
        code = (code << 6) | (next & 0x3f);
        at++;
      }
    }
    if (code < least) code = REPLACEMENT;
    if (code > 0xffff) {
      units[used++] = 0xd800 + ((code - 0x10000) >> 10);
      units[used++] = 0xdc00 + (code & 0x3ff);
    } else units[used++] = code;
  }
  parts.push(String.fromCharCode(...units.subarray(0, used)));
  return parts.join('');
}

/** Encodes a string; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 3);
  let used = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if ((code & 0xf800) === 0xd800) {
      const point = text.codePointAt(i)!;
      if (point > 0xffff) i++;
      code = point > 0xffff ? point : REPLACEMENT;
    }
    if (code < 0x80) out[used++] = code;
    else if (code < 0x800) {
      out[used++] = 0xc0 | (code >> 6);
      out[used++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      out[used++] = 0xe0 | (code >> 12);
      out[used++] = 0x80 | ((code >> 6) & 0x3f);
      out[used++] = 0x80 | (code & 0x3f);
    } else {
      out[used++] = 0xf0 | (code >> 18);
      out[used++] = 0x80 | ((code >> 12) & 0x3f);
      out[used++] = 0x80 | ((code >> 6) & 0x3f);
      out[used++] = 0x80 | (code & 0x3f);
    }
  }
  return out.slice(0, used);
}

/** Second bytes that would make an overlong form, a surrogate, or a point beyond U+10FFFF. */
function outside(lead: number, next: number): boolean {
  if (lead === 0xe0) return next < 0xa0;
  if (lead === 0xed) return next > 0x9f;
  if (lead === 0xf0) return next < 0x90;
  return lead === 0xf4 && next > 0x8f;
}

/** Standard base64 (white space ignored) to bytes. */
export function decodeBase64(text: string): Uint8Array {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const value = new Uint8Array(128);
  for (let i = 0; i < 64; i++) value[digits.charCodeAt(i)] = i;
  const body = text.replace(/[^A-Za-z0-9+/]/g, '');
  const out = new Uint8Array(Math.floor((body.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let used = 0;
  for (let i = 0; i < body.length; i++) {
    bits = ((bits << 6) | value[body.charCodeAt(i)]!) & 0xfff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[used++] = (bits >> held) & 0xff;
    }
  }
  return out;
}
