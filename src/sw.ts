/**
 * The service worker: after one visit the app works with the network off, and hosts that cannot send the isolation
 * headers get them from here.
 *
 * - What the page itself is made of (BUILD.shell) is fetched whole when a version is installed.
 * - What the engine may need (BUILD.rest: WebAssembly, model packs, tables) is kept when it is first fetched, and
 *   only if its SHA-256 is that of the build: a damaged or half-deployed file never becomes the stored one.
 * - What the build does not list is the network's business.
 *
 * A new version waits until the page sends `skip`, which it does only when no song is being made. Tabs still running
 * the version before keep finding its files, because the last two shells are kept.
 */
import type { PageMessage, PrecacheAnswer } from './lib/offline.ts';

declare const self: ServiceWorkerGlobalScope;

interface Build {
  readonly version: string;
  /** The isolation headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Paths relative to the scope -> SHA-256, 64 hex digits. */
  readonly shell: Readonly<Record<string, string>>;
  readonly rest: Readonly<Record<string, string>>;
}
/** Replaced by the record itself in vite.config.ts; read once, or the lists would be copied to every use. */
declare const CADENZA_BUILD: Build;
const BUILD: Build = CADENZA_BUILD;

const SHELL_PREFIX = 'cadenza-shell-';
const SHELL = SHELL_PREFIX + BUILD.version;
const SHELLS_KEPT = 2;
const ENGINE = 'cadenza-engine-v1';
const MODELS = 'cadenza-models-v1';
const PAGE = 'index.html';

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(activate()));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(self.registration.scope)) return;
  event.respondWith(answer(event).then(isolated));
});

self.addEventListener('message', (event) => {
  const message = event.data as PageMessage; // only our own pages can post here
  if (message.type === 'skip') event.waitUntil(self.skipWaiting());
  if (message.type === 'precache') event.waitUntil(precache(message.urls, event.ports[0]));
});

/** Not checked against the build: hosts may rewrite pages, and names in assets/ already carry their content. */
async function install(): Promise<void> {
  const cache = await caches.open(SHELL);
  await Promise.all(
    Object.keys(BUILD.shell).map(async (path) => {
      const url = urlOf(path);
      // Past the HTTP cache, which may still hold the page of the version before.
      const response = await fetch(url, { cache: 'no-cache' });
      if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
      await cache.put(url, response);
    }),
  );
}

async function activate(): Promise<void> {
  const shells = (await caches.keys()).filter((name) => name.startsWith(SHELL_PREFIX) && name !== SHELL);
  // keys() gives the order of creation: the last one is the version before.
  const outdated = shells.slice(0, Math.max(0, shells.length + 1 - SHELLS_KEPT));
  await Promise.all(outdated.map((name) => caches.delete(name)));
  const current = new Set(Object.entries(BUILD.rest).map(([path, sha256]) => keyOf(path, sha256)));
  for (const name of [ENGINE, MODELS]) {
    const cache = await caches.open(name);
    const stale = (await cache.keys()).filter((request) => !current.has(request.url));
    await Promise.all(stale.map((request) => cache.delete(request)));
  }
  await self.clients.claim();
}

async function answer(event: FetchEvent): Promise<Response> {
  const { request } = event;
  const path = pathOf(request.url);
  if (request.mode === 'navigate' && (path === '' || path === PAGE)) return page(request);
  // A part of a file is never what is kept here.
  if (request.headers.has('range')) return fetch(request);
  if (path in BUILD.shell) return (await stored(path)) ?? fetch(request);
  const sha256 = BUILD.rest[path];
  if (sha256 !== undefined) return restFile(event, path, sha256);
  try {
    return await fetch(request);
  } catch (error) {
    // A tab of the version before asks for one of its own files.
    const older = await caches.match(request);
    if (older) return older;
    if (request.mode === 'navigate') return Response.redirect(self.registration.scope);
    throw error;
  }
}

const page = async (request: Request): Promise<Response> => (await stored(PAGE)) ?? fetch(request);

const stored = async (path: string): Promise<Response | undefined> =>
  (await caches.open(SHELL)).match(urlOf(path));

async function restFile(event: FetchEvent, path: string, sha256: string): Promise<Response> {
  const { request } = event;
  const cache = await caches.open(cacheOf(path));
  const fresh = request.cache === 'reload' || request.cache === 'no-store';
  const hit = fresh ? undefined : await cache.match(keyOf(path, sha256));
  if (hit) return hit;
  const response = await fetch(request);
  if (response.status === 200) {
    const copy = response.clone();
    // Not kept: the page has the response all the same, and names the fault itself if there is one.
    event.waitUntil(keep(cache, path, sha256, copy).catch(() => undefined));
  }
  return response;
}

/** Stores a file of the build under its hash. Rejects when the content is not that of the build, or space is short. */
async function keep(cache: Cache, path: string, sha256: string, response: Response): Promise<void> {
  const bytes = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (found !== sha256) {
    throw new Error(`${path}: the file from the server is damaged (${bytes.byteLength} bytes)`);
  }
  const type = response.headers.get('content-type') ?? 'application/octet-stream';
  await cache.put(keyOf(path, sha256), new Response(bytes, { headers: { 'content-type': type } }));
}

/** Fetches what is still missing of a list of files, one after the other: the page is busy with the same network. */
async function precache(urls: readonly string[], port: MessagePort | undefined): Promise<void> {
  const tell = (message: PrecacheAnswer) => port?.postMessage(message);
  const paths = urls.map((url) => pathOf(new URL(url, self.registration.scope).href));
  try {
    for (const [index, path] of paths.entries()) {
      tell({ type: 'progress', done: index, total: paths.length });
      await fetchMissing(path);
    }
    tell({ type: 'ready' });
  } catch (error) {
    tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

async function fetchMissing(path: string): Promise<void> {
  if (path in BUILD.shell) return;
  const sha256 = BUILD.rest[path];
  if (sha256 === undefined) throw new Error(`${path} is not a file of this version`);
  const cache = await caches.open(cacheOf(path));
  if (await cache.match(keyOf(path, sha256))) return;
  const load = async (mode: RequestCache): Promise<void> => {
    const response = await fetch(urlOf(path), { cache: mode });
    if (response.status !== 200) throw new Error(`${path}: the server answered ${response.status}`);
    await keep(cache, path, sha256, response);
  };
  // The HTTP cache usually has the file, because the engine just read it; once more past it if that copy is damaged.
  await load('default').catch(() => load('reload'));
}

/** The response with the isolation headers added where the host sent none. */
function isolated(response: Response): Response {
  if (response.status === 0 || response.headers.has('cross-origin-embedder-policy')) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(BUILD.headers)) headers.set(name, value);
  // The body is decoded by now; these two spoke of it as it travelled.
  headers.delete('content-encoding');
  headers.delete('content-length');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

const cacheOf = (path: string): string => (path.startsWith('assets/') ? ENGINE : MODELS);
const urlOf = (path: string): string => new URL(path, self.registration.scope).href;
/** The hash in the key makes an outdated file unreachable, also when it was stored by another version. */
const keyOf = (path: string, sha256: string): string => `${urlOf(path)}?sha256=${sha256}`;

/** Path relative to the scope, decoded, without query and fragment. */
function pathOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return decodeURIComponent((origin + pathname).slice(self.registration.scope.length));
}
