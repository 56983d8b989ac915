import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compress } from './compress.mjs';
import { addressOf, serve } from './serve.mjs';

const TEXT = 'const song = 1;\n'.repeat(200);
const BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);
let folder: string;
let isolated: Server;
let plain: Server;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The path goes out as it is written here: fetch would tidy up the very paths that must be refused. */
function get(server: Server, path: string, headers: Record<string, string> = {}, method = 'GET') {
  return new Promise<Answer>((resolve, reject) => {
    const { port } = new URL(addressOf(server));
    request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    })
      .on('error', reject)
      .end();
  });
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'cadenza-serve-'));
  const root = path.join(folder, 'site');
  await mkdir(path.join(root, 'assets'), { recursive: true });
  await writeFile(path.join(folder, 'secret.txt'), 'not served');
  await mkdir(path.join(folder, 'site-next'));
  await writeFile(path.join(folder, 'site-next', 'secret.txt'), 'not served');
  await writeFile(path.join(root, 'index.html'), '<title>Cadenza</title>');
  await writeFile(path.join(root, '.hidden'), 'not served');
  await writeFile(path.join(root, 'assets', 'a-1234.js'), TEXT);
  await writeFile(path.join(root, 'weights.bin'), BYTES);
  await writeFile(path.join(root, 'code.wasm'), BYTES);
  await compress(root);
  isolated = await serve({ root, port: 0 });
  plain = await serve({ root, port: 0, isolation: false });
});

afterAll(async () => {
  isolated.close();
  plain.close();
  await rm(folder, { recursive: true });
});

test('the root is the page, isolated and under the content policy', async () => {
  const { status, headers, body } = await get(isolated, '/?from=somewhere');
  expect(status).toBe(200);
  expect(body.toString()).toContain('Cadenza');
  expect(headers['content-type']).toBe('text/html; charset=utf-8');
  expect(headers['cross-origin-opener-policy']).toBe('same-origin');
  expect(headers['cross-origin-embedder-policy']).toBe('require-corp');
  expect(headers['content-security-policy']).toContain("script-src 'self' 'wasm-unsafe-eval';");
});

test('without isolation no header of ours is sent', async () => {
  const { status, headers } = await get(plain, '/');
  expect(status).toBe(200);
  expect(headers['cross-origin-opener-policy']).toBeUndefined();
  expect(headers['content-security-policy']).toBeUndefined();
});

test('types are those that browsers insist on', async () => {
  expect((await get(isolated, '/code.wasm')).headers['content-type']).toBe('application/wasm');
  expect((await get(isolated, '/assets/a-1234.js')).headers['content-type']).toMatch(/^text\/javascript/);
  expect((await get(isolated, '/weights.bin')).headers['content-type']).toBe('application/octet-stream');
});

test.each([
  ['bytes=0-3', 206, [0, 1, 2, 3], 'bytes 0-3/256'],
  ['bytes=250-', 206, [250, 251, 252, 253, 254, 255], 'bytes 250-255/256'],
  ['bytes=-2', 206, [254, 255], 'bytes 254-255/256'],
  ['bytes=254-900', 206, [254, 255], 'bytes 254-255/256'],
])('range %s', async (range, status, bytes, contentRange) => {
  const answer = await get(isolated, '/weights.bin', { range });
  expect(answer.status).toBe(status);
  expect([...answer.body]).toEqual(bytes);
  expect(answer.headers['content-range']).toBe(contentRange);
});

test('a range outside the file is refused with its size, a malformed one is ignored', async () => {
  const outside = await get(isolated, '/weights.bin', { range: 'bytes=256-' });
  expect(outside.status).toBe(416);
  expect(outside.headers['content-range']).toBe('bytes */256');
  const malformed = await get(isolated, '/weights.bin', { range: 'bytes=a-b' });
  expect(malformed.status).toBe(200);
  expect(malformed.body).toHaveLength(256);
});

test('compressed copies go only to clients that accept them', async () => {
  const encoded = await get(isolated, '/assets/a-1234.js', { 'accept-encoding': 'gzip, deflate, br' });
  expect(encoded.headers['content-encoding']).toBe('br');
  expect(encoded.body.length).toBeLessThan(TEXT.length / 10);
  expect(brotliDecompressSync(encoded.body).toString()).toBe(TEXT);
  const refused = await get(isolated, '/assets/a-1234.js', { 'accept-encoding': 'br;q=0, identity' });
  expect(refused.headers['content-encoding']).toBeUndefined();
  expect(refused.body.toString()).toBe(TEXT);
});

test('hashed files are kept for good, others are asked for again and answered with 304', async () => {
  const asset = await get(isolated, '/assets/a-1234.js');
  expect(asset.headers['cache-control']).toContain('immutable');
  const page = await get(isolated, '/');
  expect(page.headers['cache-control']).toBe('no-cache');
  const again = await get(isolated, '/', { 'if-none-match': page.headers.etag! });
  expect(again.status).toBe(304);
  expect(again.body).toHaveLength(0);
});

test.each([
  '/../secret.txt',
  '/..%2fsecret.txt',
  '/%2e%2e/secret.txt',
  '/assets/..%5c..%5csecret.txt',
  '/..%2fsite-next/secret.txt',
  '/.hidden',
  '/%00',
  '/%zz',
  '/assets',
  '/assets/a-1234.js.br',
  '/missing',
])('%s is not found', async (url) => {
  const { status, body } = await get(isolated, url);
  expect(status).toBe(404);
  expect(body.toString()).toBe('404\n');
});

test('HEAD gives headers only, other methods are refused', async () => {
  const head = await get(isolated, '/weights.bin', {}, 'HEAD');
  expect(head.status).toBe(200);
  expect(head.headers['content-length']).toBe('256');
  expect(head.body).toHaveLength(0);
  expect((await get(isolated, '/', {}, 'POST')).status).toBe(405);
});

test('a port in use is an error that says so', async () => {
  const port = Number(new URL(addressOf(isolated)).port);
  await expect(serve({ root: folder, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
