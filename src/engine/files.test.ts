import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { EngineEvent } from '../lib/events.ts';
import { fetchBytes, fetchJson, fetchVerified } from './files.ts';

const GOOD = Buffer.alloc(300_000, 'weights ');
const FILE = {
  path: 'net.bin',
  bytes: GOOD.length,
  sha256: createHash('sha256').update(GOOD).digest('hex'),
};

/** What the server does with each request in turn; the last answer stays. */
let answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(`${request.url} ${request.headers['cache-control'] ?? ''}`.trim());
  (answers.length > 1 ? answers.shift()! : answers[0]!)(request, response);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const manifest = `${origin}/models/nano/manifest.json`;
afterAll(() => void server.close());
beforeEach(() => void asked.splice(0));

const send =
  (body: Buffer | string, status = 200) =>
  (_: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(status).end(body);
const ignore = (): void => undefined;

describe('a file of a pack', () => {
  test('arrives whole, with progress', async () => {
    answers = [send(GOOD)];
    const events: EngineEvent[] = [];
    const bytes = await fetchVerified(FILE, manifest, (event) => events.push(event));
    expect(Buffer.compare(bytes, GOOD)).toBe(0);
    expect(asked).toEqual(['/models/nano/net.bin']);
    expect(events[0]).toEqual({ type: 'download', file: 'net.bin', loaded: 0, total: GOOD.length });
    expect(events.at(-1)).toEqual({
      type: 'download',
      file: 'net.bin',
      loaded: GOOD.length,
      total: GOOD.length,
    });
  });

  test('that is damaged once is asked for again, past the caches', async () => {
    answers = [send(Buffer.alloc(GOOD.length)), send(GOOD)];
    expect((await fetchVerified(FILE, manifest, ignore)).byteLength).toBe(GOOD.length);
    expect(asked).toEqual(['/models/nano/net.bin', '/models/nano/net.bin no-cache']);
  });

  test.each([
    [
      'altered',
      Buffer.alloc(GOOD.length),
      /^net\.bin is damaged: its SHA-256 is .*, not .*\. Reload the page/,
    ],
    ['truncated', GOOD.subarray(0, 1000), /it has 1000 bytes instead of 300000/],
    ['too long', Buffer.concat([GOOD, GOOD]), /it has \d+ bytes instead of 300000/],
    ['empty', Buffer.alloc(0), /it has 0 bytes instead of 300000/],
  ])('that stays %s is an integrity error with its name', async (_, body, message) => {
    answers = [send(body)];
    await expect(fetchVerified(FILE, manifest, ignore)).rejects.toMatchObject({
      name: 'integrity',
      message: expect.stringMatching(message) as string,
    });
    expect(asked).toHaveLength(2);
  });

  test('that is missing is a network error with its URL', async () => {
    answers = [send('', 404)];
    await expect(fetchVerified(FILE, manifest, ignore)).rejects.toMatchObject({
      name: 'network',
      message: `${origin}/models/nano/net.bin answered 404 Not Found.`,
    });
  });

  test('whose connection breaks is a network error that says how far it came', async () => {
    answers = [
      (_, response) => {
        response.writeHead(200, { 'Content-Length': GOOD.length });
        response.write(GOOD.subarray(0, 1000), () => setTimeout(() => response.destroy(), 50));
      },
    ];
    await expect(fetchVerified(FILE, manifest, ignore)).rejects.toMatchObject({
      name: 'network',
      message: expect.stringMatching(/net\.bin ended after \d+ of 300000 bytes\./) as string,
    });
  });
});

test('JSON that is none, and a server that is none', async () => {
  answers = [send('<html>')];
  await expect(fetchJson(`${origin}/x.json`)).rejects.toMatchObject({
    name: 'manifest',
    message: `${origin}/x.json is not JSON.`,
  });
  await expect(fetchBytes('http://127.0.0.1:1/table.bin')).rejects.toMatchObject({ name: 'network' });
});
