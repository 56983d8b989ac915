/**
 * A small static server for the built site: correct types, ranges, precompressed files, isolation headers.
 *
 *   node scripts/serve.mjs [FOLDER] [--port 4173] [--no-isolation]
 *
 * `--no-isolation` behaves like plain static hosting: no header of ours at all. Files `x.br` and `x.gz` beside `x`
 * (scripts/compress.mjs makes them) are sent to clients that accept them, and are never addressed by themselves.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ISOLATION, POLICY } from './headers.mjs';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.wav': 'audio/wav',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.woff2': 'font/woff2',
};

/** Best first; the suffix is that of the file beside the original. */
const ENCODINGS = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
];

/**
 * Serves `root` and resolves to the listening http.Server.
 * @param {{ root: string, port?: number, host?: string, isolation?: boolean }} options port 0 takes a free one
 * @returns {Promise<import('node:http').Server>} rejects with EADDRINUSE when the port is taken
 */
export function serve({ root, port = 4173, host = '127.0.0.1', isolation = true }) {
  const base = path.resolve(root);
  const common = isolation ? { ...ISOLATION, ...POLICY } : {};
  const server = createServer((request, response) => {
    answer(base, common, request, response).catch((error) => {
      console.error(`${request.method} ${request.url}: ${error.message}`);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

async function answer(base, common, request, response) {
  const send = (status, headers) => response.writeHead(status, { ...common, ...headers });
  const refuse = (status, headers = {}) => {
    send(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(`${status}\n`);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, { Allow: 'GET, HEAD' });
  const file = locate(base, request.url);
  const info = file && (await stat(file).catch(() => null));
  if (!info?.isFile()) return refuse(404);
  const range = parseRange(request.headers.range, info.size);
  if (range === 'unsatisfiable') return refuse(416, { 'Content-Range': `bytes */${info.size}` });

  // A range counts bytes of the original, so it is never combined with an encoding.
  const whole = { file, size: info.size, headers: {} };
  const body = range
    ? {
        file,
        size: range.end - range.start + 1,
        headers: { 'Content-Range': `bytes ${range.start}-${range.end}/${info.size}` },
      }
    : ((await encodedBeside(file, request.headers['accept-encoding'] ?? '', info)) ?? whole);
  const headers = {
    'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream',
    'Cache-Control': cacheControl(base, file),
    ETag: `"${body.size.toString(16)}-${Math.floor(info.mtimeMs).toString(16)}"`,
    'Accept-Ranges': 'bytes',
    Vary: 'Accept-Encoding',
    ...body.headers,
  };
  if (request.headers['if-none-match'] === headers.ETag) {
    send(304, headers);
    return response.end();
  }
  send(range ? 206 : 200, { ...headers, 'Content-Length': body.size });
  if (request.method === 'HEAD' || body.size === 0) return response.end();
  const stream = createReadStream(body.file, range ?? {});
  stream.on('error', () => response.destroy());
  response.on('close', () => stream.destroy());
  stream.pipe(response);
}

/** The file a URL names, or null when the URL is malformed, leaves the folder, or names a hidden or encoded file. */
function locate(base, url) {
  let pathname;
  try {
    pathname = decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return null; // a malformed escape names nothing
  }
  if (pathname.includes('\0') || pathname.includes('\\')) return null;
  if (pathname.endsWith('/')) pathname += 'index.html';
  if (pathname.split('/').some((part) => part.startsWith('.'))) return null;
  if (ENCODINGS.some(({ suffix }) => pathname.endsWith(suffix))) return null;
  const file = path.join(base, pathname);
  return file.startsWith(base + path.sep) ? file : null;
}

/** Names in assets/ carry a hash of their content and never change; everything else is asked for again. */
function cacheControl(base, file) {
  return path.relative(base, file).startsWith(`assets${path.sep}`)
    ? 'public, max-age=31536000, immutable'
    : 'no-cache';
}

/** `bytes=a-b`, `bytes=a-` and `bytes=-n`; anything else (several ranges too) is answered with the whole file. */
function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const suffix = match[1] === '';
  const start = suffix ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = suffix || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end || start >= size ? 'unsatisfiable' : { start, end };
}

async function encodedBeside(file, accepted, original) {
  const names = accepted.split(',').map((entry) => entry.trim());
  for (const { name, suffix } of ENCODINGS) {
    if (
      !names.some(
        (entry) => entry === name || (entry.startsWith(`${name};`) && !/;\s*q=0(\.0*)?$/.test(entry)),
      )
    ) {
      continue;
    }
    const info = await stat(file + suffix).catch(() => null);
    // An older neighbour belongs to another build.
    if (info && info.mtimeMs >= original.mtimeMs) {
      return { file: file + suffix, size: info.size, headers: { 'Content-Encoding': name } };
    }
  }
  return null;
}

/** The address people type, also when the system chose the port. */
export const addressOf = (server) => `http://localhost:${server.address().port}/`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '4173' },
      'no-isolation': { type: 'boolean', default: false },
    },
  });
  const server = await serve({
    root: positionals[0] ?? 'dist',
    port: Number(values.port),
    isolation: !values['no-isolation'],
  });
  console.log(addressOf(server));
}
