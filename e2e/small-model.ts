/**
 * A small checkpoint in the official layout with its recipes, written by export-scripts; the built site with that model
 * in its catalogue; and a server for the checkpoint that fails in the ways that networks do.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { PYTHON, ROOT } from '../scripts/setup.mjs';
import { SITE } from '../scripts/site.mjs';

export const SMALL = 'small-test';
const CACHE = path.join(ROOT, '.cache', 'small-model');

export interface SmallModel {
  readonly checkpoint: string;
  readonly recipes: string;
}

/** Written once; delete .cache/small-model to have it written again. */
export function smallModel(): SmallModel {
  if (!existsSync(CACHE)) {
    const making = `${CACHE}.making`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    exporter('seeded', path.join(making, 'checkpoint'));
    exporter(
      'recipe', path.join(making, 'recipes'), '--checkpoint', path.join(making, 'checkpoint'),
      '--id', SMALL, '--variants', 'q8,q4f32,bf16', '--min-quantised', '1000',
    ); // prettier-ignore
    renameSync(making, CACHE);
  }
  return { checkpoint: path.join(CACHE, 'checkpoint'), recipes: path.join(CACHE, 'recipes') };
}

function exporter(...args: string[]): void {
  const { status, stderr } = spawnSync(PYTHON, ['-m', 'export_onnx', ...args], {
    cwd: path.join(ROOT, 'export-scripts'),
    encoding: 'utf8',
  });
  if (status !== 0)
    throw new Error(`export_onnx ${args[0]}: ${stderr || 'Python is missing; npm test sets it up'}`);
}

/** The built site with the small model in its catalogue, installed from `address`. Hashes can be left unpublished. */
export function siteWith({ recipes }: SmallModel, address: string, published = true): string {
  const site = mkdtempSync(path.join(os.tmpdir(), 'cadenza-install-'));
  for (const name of readdirSync(SITE)) {
    if (name !== 'models') symlinkSync(path.join(SITE, name), path.join(site, name));
  }
  const models = path.join(site, 'models');
  mkdirSync(path.join(models, SMALL), { recursive: true });
  for (const name of readdirSync(path.join(SITE, 'models'))) {
    if (!name.startsWith('index.json')) symlinkSync(path.join(SITE, 'models', name), path.join(models, name));
  }
  for (const name of readdirSync(recipes)) {
    if (name !== 'sources.json') symlinkSync(path.join(recipes, name), path.join(models, SMALL, name));
  }
  const sources = JSON.parse(readFileSync(path.join(recipes, 'sources.json'), 'utf8')) as {
    files: { sha256: string | null }[];
  };
  if (!published) for (const file of sources.files) file.sha256 = null;
  writeFileSync(path.join(models, SMALL, 'sources.json'), JSON.stringify({ ...sources, base: address }));
  writeFileSync(
    path.join(models, 'index.json'),
    JSON.stringify({
      schema: 1,
      models: [{ id: 'nano', manifest: 'nano/manifest.json' }],
      install: [{ id: SMALL, manifest: `${SMALL}/manifest.json`, sources: `${SMALL}/sources.json` }],
    }),
  );
  return site;
}

/** One request for a range of a file. */
export interface Ask {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
  /** Counts the requests of this server from 0. */
  readonly count: number;
  readonly bytes: Buffer;
  readonly response: ServerResponse;
}

/** Handles a request in its own way and returns true, or returns false for a proper answer. */
export type Fault = (ask: Ask) => boolean | Promise<boolean>;

/** Serves a folder with ranges, to every origin. `fault` may be changed at any time. */
export class Origin {
  fault: Fault = () => false;
  tag = 'first';
  served = 0;
  #count = 0;
  readonly #root: string;
  #server: Server | null = null;
  #port = 0;

  constructor(root: string) {
    this.#root = root;
  }

  get address(): string {
    return `http://localhost:${this.#port}/`;
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(this.#port, resolve));
    const address = server.address();
    if (typeof address === 'object' && address) this.#port = address.port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const file = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname).slice(1);
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Expose-Headers', 'Content-Range, ETag');
    response.setHeader('ETag', `"${this.tag}"`);
    const place = path.join(this.#root, file);
    if (!existsSync(place)) return void response.writeHead(404).end();
    const whole = readFileSync(place);
    const [, from = '0', to = ''] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
    const begin = Number(from);
    const end = to === '' ? whole.length : Math.min(Number(to) + 1, whole.length);
    const bytes = Buffer.from(whole.subarray(begin, end));
    response.setHeader('Content-Range', `bytes ${begin}-${end - 1}/${whole.length}`);
    if (await this.fault({ file, begin, end, count: this.#count++, bytes, response })) return;
    this.served += bytes.length;
    response.writeHead(206, { 'Content-Length': bytes.length }).end(bytes);
  }
}
