/**
 * Files of our own origin: the catalogue, manifests, and the files of packs, which are checked against their
 * manifest before anything uses them. Keeping them for offline use is the service worker's business; everything
 * here works without one.
 */
import { EngineError } from '../lib/errors.ts';
import type { EngineEvent } from '../lib/events.ts';
import type { FileRef } from '../lib/manifest.ts';
import { sha256 } from '../storage/blobs.ts';

export type Progress = (event: Extract<EngineEvent, { type: 'download' }>) => void;

/** @throws EngineError 'network' naming the URL. */
export async function fetchText(url: string): Promise<string> {
  return (await get(url, { cache: 'no-cache' })).text();
}

/** @throws EngineError 'network' naming the URL, 'manifest' when it is not JSON. */
export async function fetchJson(url: string): Promise<unknown> {
  const body = await fetchText(url);
  try {
    return JSON.parse(body) as unknown;
  } catch (thrown) {
    throw new EngineError('manifest', `${url} is not JSON.`, { cause: thrown });
  }
}

/** A table of the application, not part of a pack: whole, unchecked. */
export async function fetchBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await get(url)).arrayBuffer());
}

/**
 * A file of a pack. One that arrives damaged is asked for once more past every cache (the service worker, too, takes
 * `reload` to mean that).
 * @throws EngineError 'network' when it does not arrive, 'integrity' when it is not what the manifest says.
 */
export async function fetchVerified(
  file: FileRef,
  manifestUrl: string,
  progress: Progress,
): Promise<Uint8Array<ArrayBuffer>> {
  if (globalThis.crypto?.subtle === undefined) {
    const message =
      'This page was not opened over https (or localhost), so the browser cannot verify models.';
    throw new EngineError('unsupported', message);
  }
  const url = new URL(file.path, manifestUrl).href;
  const first = await receive(url, file, progress, {});
  if ((await faultOf(first, file)) === null) return first;
  const second = await receive(url, file, progress, { cache: 'reload' });
  const fault = await faultOf(second, file);
  if (fault === null) return second;
  throw new EngineError(
    'integrity',
    `${file.path} is damaged: ${fault}. Reload the page; if this stays, the server's copy is at fault. Your songs are safe.`,
  );
}

async function faultOf(bytes: Uint8Array<ArrayBuffer>, file: FileRef): Promise<string | null> {
  if (bytes.byteLength !== file.bytes) return `it has ${bytes.byteLength} bytes instead of ${file.bytes}`;
  const found = await sha256(bytes);
  return found === file.sha256
    ? null
    : `its SHA-256 is ${found.slice(0, 12)}…, not ${file.sha256.slice(0, 12)}…`;
}

/** The body with progress. A length other than the manifest's is a fault for the caller to name. */
async function receive(
  url: string,
  { path, bytes }: FileRef,
  progress: Progress,
  init: RequestInit,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await get(url, init);
  const tell = (loaded: number): void => progress({ type: 'download', file: path, loaded, total: bytes });
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let loaded = 0;
  tell(0);
  try {
    for await (const part of response.body ?? []) {
      parts.push(part);
      loaded += part.byteLength;
      tell(loaded);
      if (loaded > bytes) break; // already wrong; it may be endless
    }
  } catch (thrown) {
    const message = `${url} ended after ${loaded} of ${bytes} bytes.`;
    throw new EngineError('network', message, { cause: thrown });
  }
  const whole = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

async function get(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (thrown) {
    throw new EngineError('network', `${url} could not be fetched.`, { cause: thrown });
  }
  if (!response.ok)
    throw new EngineError(
      'network',
      `${url} answered ${response.status} ${response.statusText}`.trim() + '.',
    );
  return response;
}
