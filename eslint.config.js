/**
 * The walls of docs/ARCHITECTURE.md and the house rules. Layout is prettier's.
 *
 *   lib ◄── storage ◄── engine       app ──► lib, storage, and the types of engine
 */
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

/** Layer -> layers it may import (itself included); `types` may be imported for their types only. */
const LAYERS = {
  lib: { may: ['lib'], types: [] },
  storage: { may: ['lib', 'storage'], types: [] },
  engine: { may: ['lib', 'storage', 'engine'], types: [] },
  app: { may: ['lib', 'storage', 'app'], types: ['engine'] },
};

/** One package, one door: the only files that may import it. */
const DOORS = {
  comlink: [
    'src/engine/*.worker.ts',
    'src/app/engine-client.ts',
    'src/app/models-client.ts',
    'src/app/export.worker.ts',
    'src/app/export-client.ts',
    'src/app/listen/analysis.worker.ts',
    'src/app/listen/analyst.ts',
  ],
  'client-zip': ['src/app/export.worker.ts'],
  'fft.js': ['src/lib/audio/fft.ts'],
  'hash-wasm': ['src/engine/install.ts'],
  idb: ['src/storage/*.ts'],
  mediabunny: ['src/app/export-encode.ts'],
  '@mediabunny': ['src/app/export-encode.ts'],
  'onnxruntime-web': ['src/engine/ort.ts'],
  'wavesurfer.js': ['src/app/pages/Waveform.svelte'],
};

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Rules for files of one layer that may import the packages in `open` besides. */
function walls(layer, open = []) {
  const { may, types } = LAYERS[layer];
  const layers = Object.keys(LAYERS).filter((name) => !may.includes(name));
  const closed = Object.keys(DOORS).filter((name) => !open.includes(name));
  const packages = `^(${closed.map(escape).join('|')})(/|$)`;
  return {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        patterns: [
          ...layers.map((name) => ({
            // Out of this layer's folder and into the other one: '../engine/…', '../../engine/…'.
            regex: `^(\\.\\./)+${name}(/|$)`,
            message: `${layer} may not import ${name}.`,
            allowTypeImports: types.includes(name),
          })),
          { regex: packages, message: 'This package has one door; see DOORS in eslint.config.js.' },
        ],
      },
    ],
    // The rule above does not see import().
    'no-restricted-syntax': [
      'error',
      {
        selector: `ImportExpression[source.value=/${packages.replaceAll('/', '\\/')}/]`,
        message: 'This package has one door; see DOORS in eslint.config.js.',
      },
      ...layers.map((name) => ({
        selector: `ImportExpression[source.value=/^(\\.\\.\\/)+${name}(\\/|$)/]`,
        message: `${layer} may not import ${name}.`,
      })),
    ],
  };
}

const layerOf = (file) => /^src\/(\w+)\//.exec(file)[1];
/** Packages whose doors include this pattern. */
const opened = (door) => Object.keys(DOORS).filter((name) => DOORS[name].includes(door));

export default ts.config(
  {
    ignores: [
      '.cache/',
      '.venv/',
      'dist/',
      'node_modules/',
      'public/',
      'test-results/',
      'playwright-report/',
    ],
  },
  ...ts.configs.strict,
  ...svelte.configs['flat/recommended'],
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'] } },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: globals.node },
  },
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      complexity: ['error', 24],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'max-depth': ['error', 4],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-console': 'off',
      'prefer-const': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      // An index that is known to exist still needs `!` under noUncheckedIndexedAccess; hot loops are full of them.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    // Runes rebind what is never assigned in script.
    files: ['**/*.svelte', '**/*.svelte.ts'],
    rules: {
      'prefer-const': 'off',
      'svelte/prefer-const': 'error',
      // A Map inside a function is no state; the rule takes every one for it.
      'svelte/prefer-svelte-reactivity': 'off',
      'svelte/no-at-html-tags': 'error',
      'svelte/no-inspect': 'error',
      'svelte/no-target-blank': 'error',
      'svelte/require-each-key': 'error',
      'svelte/valid-compile': 'error',
    },
  },
  {
    // Nothing fires and forgets; needs types, so it is kept to the code that ships.
    files: ['src/**/*.ts'],
    ignores: ['**/*.svelte.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // A test breaks a record on purpose.
    files: ['**/*.test.ts'],
    rules: { '@typescript-eslint/no-dynamic-delete': 'off' },
  },
  {
    files: ['src/**/*.ts', 'src/**/*.svelte'],
    ignores: ['**/*.test.ts'],
    rules: { 'no-console': ['error', { allow: ['warn', 'error'] }] },
  },
  ...Object.keys(LAYERS).map((layer) => ({
    files: [`src/${layer}/**/*.ts`, `src/${layer}/**/*.svelte`],
    ignores: ['**/*.test.ts'],
    rules: walls(layer),
  })),
  ...[...new Set(Object.values(DOORS).flat())].map((door) => ({
    files: [door],
    ignores: ['**/*.test.ts'],
    rules: walls(layerOf(door), opened(door)),
  })),
  {
    // A family may look into lib, never into its neighbour: a thing that three families share moves up.
    files: ['src/lib/families/*/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^\\.\\./[^.]', message: 'A family may not import another family.' }] },
      ],
    },
  },
);
