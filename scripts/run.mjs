/**
 * Runs a TypeScript file of this repository in Node 20, which cannot strip types itself:
 *   node scripts/run.mjs scripts/generate.ts [arguments…]
 * Each module is translated as it is loaded, so `import.meta.url`, stack traces and dynamic imports are those of
 * the sources. The second half of this file runs in Node's loader thread.
 */
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { resolve as resolvePath } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , script, ...rest] = process.argv;
  if (script === undefined) {
    console.error('usage: node scripts/run.mjs SCRIPT.ts [arguments…]');
    process.exit(2);
  }
  process.setSourceMapsEnabled(true);
  register(import.meta.url);
  const path = resolvePath(script);
  process.argv = [process.argv[0], path, ...rest];
  await import(pathToFileURL(path).href);
}

/** Loader hook: TypeScript through Vite's own translator; JSON as a module with a default export, as in Vite. */
export async function load(url, context, next) {
  if (!url.startsWith('file:') || url.includes('/node_modules/')) return next(url, context);
  const path = fileURLToPath(url);
  if (path.endsWith('.json') && context.importAttributes?.type === undefined) {
    return {
      format: 'module',
      shortCircuit: true,
      source: `export default ${await readFile(path, 'utf8')};`,
    };
  }
  if (!path.endsWith('.ts')) return next(url, context);
  const { transformWithOxc } = await import('vite');
  const { code, map } = await transformWithOxc(await readFile(path, 'utf8'), path, { sourcemap: true });
  const inline = Buffer.from(JSON.stringify(map)).toString('base64');
  const source = `${code}\n//# sourceMappingURL=data:application/json;base64,${inline}`;
  return { format: 'module', shortCircuit: true, source };
}
