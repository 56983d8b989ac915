import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build, defaultClientConditions } from 'vite';
import type { Plugin, Rolldown } from 'vite';
import { defineConfig } from 'vitest/config';
import { ISOLATION } from './scripts/headers.mjs';

/** Big, and fetched by the engine when it needs them: WebAssembly, model packs, tables. */
const ENGINE_FILES = /^(models|data)\/|\.wasm$/;
/** Never asked for by the page: notes and licences beside fonts and models. */
const NOT_FETCHED = /\.(md|txt)$/;

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** Plain hosts know .js; many send .mjs with a type that browsers refuse to run. */
const output = {
  assetFileNames: ({ names }: { names: string[] }) =>
    names.some((name) => name.endsWith('.mjs')) ? 'assets/[name]-[hash].js' : 'assets/[name]-[hash][extname]',
};

/**
 * Mediabunny's encoders carry their workers as text and start them from blob: addresses, which our policy forbids. Here
 * each text becomes a file of ours, loaded when that format is first written; it can be exchanged on its own, as the
 * licence of LAME and FFmpeg (LGPL) asks.
 */
function encoderWorkers(): Plugin {
  return {
    name: 'cadenza:encoder-workers',
    apply: 'build',
    transform(code, id) {
      const [, name] = /@mediabunny\/(\w+-encoder)\/dist\/bundles\//.exec(id) ?? [];
      if (name === undefined) return;
      const call = inlineWorker(this.parse(code));
      if (!call) throw new Error(`${id} holds its worker in another way than expected`);
      const file = this.emitFile({ type: 'asset', name: `${name}.js`, source: call.script });
      const worker = `new Worker(import.meta.ROLLUP_FILE_URL_${file})`;
      return { code: code.slice(0, call.start) + worker + code.slice(call.end), map: null };
    },
  };
}

/** The call `inlineWorker('text')` that a function of the program returns. */
function inlineWorker({ body }: ReturnType<Rolldown.PluginContext['parse']>) {
  for (const statement of body) {
    const [first] = statement.type === 'FunctionDeclaration' ? (statement.body?.body ?? []) : [];
    if (first?.type !== 'ReturnStatement' || first.argument?.type !== 'CallExpression') continue;
    const { callee, arguments: given, start, end } = first.argument;
    if (callee.type !== 'Identifier' || callee.name !== 'inlineWorker') continue;
    const [text] = given;
    const script =
      text?.type === 'TemplateLiteral'
        ? text.quasis[0]?.value.cooked
        : text?.type === 'Literal'
          ? text.value
          : null;
    if (typeof script === 'string') return { script, start, end };
  }
  return null;
}

/**
 * One chunk for what the page needs before its words are there, one for the frame and the store behind it, one for the page
 * that opens first: many small ones wait for each other on servers that answer six requests at a time, and a single one
 * would be read in one long task. All else comes in chunks of its own when it is first opened.
 */
const FIRST = [
  { name: 'start', root: '/src/app/main.ts', priority: 3 },
  { name: 'app', root: '/src/app/App.svelte', priority: 2 },
  { name: 'page', root: '/src/app/pages/StudioPage.svelte', priority: 1 },
].map(({ name, root, priority }) => ({
  priority,
  name: (id: string, graph: Rolldown.ChunkingContext) => (reachedFrom(root, graph).has(id) ? name : null),
}));

const reached = new Map<string, ReadonlySet<string>>();

/** A module of ours and all that it imports, directly or not. */
function reachedFrom(root: string, graph: Rolldown.ChunkingContext): ReadonlySet<string> {
  const known = reached.get(root);
  if (known) return known;
  const all = new Set([path.join(import.meta.dirname, root)]);
  // A set goes on over what is added while it is walked.
  for (const one of all)
    for (const imported of graph.getModuleInfo(one)?.importedIds ?? []) all.add(imported);
  reached.set(root, all);
  return all;
}

/** The app and its first page are imported late by code; their files set out with index.html all the same. */
function earlyChunks(): Plugin {
  return {
    name: 'cadenza:early-chunks',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle = {} }) {
        const files = Object.values(bundle);
        const link = (rel: string, file: string) => ({
          tag: 'link',
          attrs: { rel, crossorigin: true, href: `./${file}` },
          injectTo: 'head' as const,
        });
        return ['app', 'page'].flatMap((name) => {
          const chunk = files.find((file) => file.type === 'chunk' && file.name === name);
          if (chunk?.type !== 'chunk') throw new Error(`the build has no chunk named ${name}`);
          const styles = [...(chunk.viteMetadata?.importedCss ?? [])];
          return [link('modulepreload', chunk.fileName), ...styles.map((file) => link('stylesheet', file))];
        });
      },
    },
  };
}

/** Builds src/sw.ts into sw.js, with the list of everything else that was built. */
function serviceWorker(): Plugin {
  let root = '';
  let outDir = '';
  return {
    name: 'cadenza:service-worker',
    apply: 'build',
    configResolved: (config) => {
      root = config.root;
      outDir = path.resolve(root, config.build.outDir);
    },
    async writeBundle() {
      const shell: Record<string, string> = {};
      const rest: Record<string, string> = {};
      for (const entry of await readdir(outDir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || NOT_FETCHED.test(entry.name)) continue;
        const file = path.join(entry.parentPath, entry.name);
        const name = path.relative(outDir, file).split(path.sep).join('/');
        (ENGINE_FILES.test(name) ? rest : shell)[name] = sha256(await readFile(file));
      }
      const version = sha256(JSON.stringify([shell, rest])).slice(0, 12);
      await build({
        root,
        configFile: false,
        publicDir: false,
        logLevel: 'warn',
        define: { CADENZA_BUILD: JSON.stringify({ version, headers: ISOLATION, shell, rest }) },
        build: {
          outDir,
          emptyOutDir: false,
          rolldownOptions: { input: 'src/sw.ts', output: { format: 'iife', entryFileNames: 'sw.js' } },
        },
      });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), earlyChunks(), serviceWorker()],
  worker: { format: 'es', plugins: () => [encoderWorkers()], rolldownOptions: { output } },
  // The .mjs glue of onnxruntime-web is served as a file of ours beside its .wasm, chosen at run time.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  build: {
    target: 'esnext',
    rolldownOptions: { output: { ...output, codeSplitting: { groups: FIRST } } },
  },
  server: { headers: ISOLATION },
  preview: { headers: ISOLATION, port: 4173 },
  test: { include: ['src/**/*.test.ts', 'scripts/**/*.test.ts'], environment: 'node', testTimeout: 60_000 },
});
