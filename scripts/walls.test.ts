import { ESLint } from 'eslint';
import { expect, test } from 'vitest';

const eslint = new ESLint();

/** Messages about imports for a file of that name with that content. */
async function wallsHit(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath });
  return result!.messages
    .filter(({ ruleId }) => /no-restricted/.test(ruleId ?? ''))
    .map(({ message }) => message);
}

test.each([
  ['lib keeps out of engine', 'src/lib/errors.ts', `import '../engine/engine.ts';`],
  ['lib keeps out of app, from any depth', 'src/lib/audio/pcm.ts', `import '../../app/job.ts';`],
  ['lib loads nothing of engine later either', 'src/lib/errors.ts', `await import('../engine/engine.ts');`],
  ['lib has no runtime', 'src/lib/errors.ts', `import 'onnxruntime-web/wasm';`],
  ['storage keeps out of engine', 'src/storage/blobs.ts', `import '../engine/engine.ts';`],
  ['engine keeps out of app', 'src/engine/host.ts', `import '../app/job.ts';`],
  ['app takes no code of engine', 'src/app/job.ts', `import { Engine } from '../engine/engine.ts'; Engine;`],
  ['one door to comlink', 'src/engine/host.ts', `import 'comlink';`],
  ['one door to the runtime, also later', 'src/engine/host.ts', `await import('onnxruntime-web/jspi');`],
  ['one door to the database', 'src/app/job.ts', `import 'idb';`],
  [
    'families do not know each other',
    'src/lib/families/ace-step-v1/config.ts',
    `import '../other/index.ts';`,
  ],
])('%s', async (_, file, code) => {
  expect(await wallsHit(file, code)).toHaveLength(1);
});

test.each([
  [
    'lib imports lib',
    'src/lib/families/ace-step-v1/config.ts',
    `import '../../errors.ts'; import './index.ts';`,
  ],
  ['app knows the types of engine', 'src/app/job.ts', `import type { Engine } from '../engine/engine.ts';`],
  ['the runtime comes in by its door', 'src/engine/ort.ts', `await import('onnxruntime-web/jspi');`],
])('%s', async (_, file, code) => {
  expect(await wallsHit(file, code)).toEqual([]);
});
