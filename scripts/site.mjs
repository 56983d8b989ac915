/** The built site: made only when a source is newer than it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compress } from './compress.mjs';
import { ROOT, run } from './setup.mjs';

/** What the site is made of. */
const SOURCES = [
  'index.html',
  'package-lock.json',
  'public',
  'scripts/headers.mjs',
  'src',
  'tsconfig.base.json',
  'vite.config.ts',
];
export const SITE = path.join(ROOT, 'dist');
const STAMP = path.join(ROOT, '.cache', 'site.sha256');

/** Changes when a source is added, removed or written. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const place = path.join(ROOT, source);
    const files = statSync(place).isDirectory() ? readdirSync(place, { recursive: true }).sort() : [''];
    for (const file of files) {
      const { size, mtimeMs } = statSync(path.join(place, file));
      hash.update(`${source}/${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

const isCurrent = (wanted) =>
  existsSync(path.join(SITE, 'index.html')) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted;

/** Builds the site into dist/ with compressed copies beside the files, unless it is current. */
export async function ensureSite() {
  const wanted = fingerprint();
  if (isCurrent(wanted)) return;
  console.log('Building the site …');
  rmSync(STAMP, { force: true }); // a build that fails half-way must not look current
  await run(process.execPath, [path.join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js'), 'build']);
  await compress(SITE);
  mkdirSync(path.dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, wanted);
}
