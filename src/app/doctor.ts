/**
 * What keeps this device from running songs, or from running them faster, and the way out. A table over what the browser
 * tells: rows are tried in order, and a row names its ways by system, browser and maker of the graphics processor. Names
 * of makers serve advice alone; what runs where is decided by abilities (lib/placement.ts).
 */
import type { Capabilities, Wish } from '../lib/placement.ts';
import type { Words } from './text.ts';

export type Browser = 'firefox' | 'safari' | 'chromium' | 'other';
export type System = 'linux' | 'windows' | 'mac' | 'android' | 'ios' | 'other';
export type Cause = keyof Words['doctor']['causes'];
export type Way = keyof Words['doctor']['ways'];
/** Songs cannot be made; they are slower than they could be; or something else is worth knowing. */
export type Level = keyof Words['doctor']['levels'];

export interface Symptoms {
  readonly caps: Capabilities;
  readonly wish: Wish;
  readonly browser: Browser;
  readonly system: System;
  /** isSecureContext */
  readonly secure: boolean;
  /** False: songs end with this tab. */
  readonly kept: boolean;
  /** The browser promised not to clear this site. */
  readonly persistent: boolean;
  /** Room for songs, bytes; null where the browser does not tell. */
  readonly freeBytes: number | null;
  readonly offline: boolean;
}

export interface Finding {
  readonly cause: Cause;
  readonly level: Level;
  readonly ways: readonly Way[];
}

const GIB = 2 ** 30;
/** Below this the small model shares the machine with nothing else. */
const LITTLE_MEMORY = 1.5 * GIB;
/** Ten songs of four minutes. */
const LITTLE_ROOM = 1e9;
/** The least that WebGPU promises; models with long songs want more. */
const SMALL_BINDING = 128 * 2 ** 20;

interface Row {
  readonly cause: Cause;
  readonly level: Level;
  readonly when: (symptoms: Symptoms) => boolean;
  readonly ways: (symptoms: Symptoms) => readonly Way[];
}

const noApi = ({ caps }: Symptoms): boolean =>
  caps.gpu === null && caps.gpuAbsent === 'this browser has no WebGPU';
const wrong = ({ caps: { gpu } }: Symptoms): boolean =>
  gpu !== null && Object.values(gpu.selfCheck).some((result) => result === 'wrong' || result === 'failed');

const ROWS: readonly Row[] = [
  { cause: 'insecure', level: 'slow', when: ({ secure }) => !secure, ways: () => ['insecure'] },
  {
    cause: 'noWebGpu',
    level: 'slow',
    when: (symptoms) => symptoms.secure && noApi(symptoms),
    ways: ({ browser, system }) => {
      if (system === 'ios') return ['ios'];
      if (browser === 'safari') return ['safari'];
      if (browser === 'firefox') return [system === 'linux' ? 'firefoxLinux' : 'firefox'];
      return system === 'linux' ? ['chromiumLinux'] : browser === 'chromium' ? ['chromium'] : ['update'];
    },
  },
  {
    cause: 'noAdapter',
    level: 'slow',
    when: (symptoms) => symptoms.secure && symptoms.caps.gpu === null && !noApi(symptoms),
    ways: ({ browser, system }) => [
      'gpuFlag',
      ...(system === 'linux' && browser !== 'firefox' ? (['chromiumLinux'] as const) : []),
      'driver',
    ],
  },
  {
    cause: 'software',
    level: 'slow',
    when: ({ caps }) => caps.gpu?.software === true,
    ways: (symptoms) => ['gpuFlag', driverOf(symptoms)],
  },
  { cause: 'wrongCheck', level: 'slow', when: wrong, ways: (symptoms) => ['choosefp32', driverOf(symptoms)] },
  {
    cause: 'noF16',
    level: 'slow',
    when: ({ caps: { gpu } }) => gpu !== null && !gpu.software && !gpu.features.includes('shader-f16'),
    ways: ({ caps }) => [F16[makerOf(caps)], 'f16Other'],
  },
  {
    cause: 'smallBinding',
    level: 'note',
    when: ({ caps: { gpu } }) => gpu !== null && !gpu.software && gpu.maxBindingBytes <= SMALL_BINDING,
    ways: () => ['binding'],
  },
  {
    cause: 'deniedGpu',
    level: 'slow',
    when: (symptoms) =>
      symptoms.wish.provider === 'wasm' &&
      symptoms.caps.gpu !== null &&
      !symptoms.caps.gpu.software &&
      !wrong(symptoms),
    ways: () => ['choose'],
  },
  { cause: 'notIsolated', level: 'slow', when: ({ caps }) => !caps.isolated, ways: () => ['reload'] },
  { cause: 'noSimd', level: 'stop', when: ({ caps }) => !caps.simd, ways: () => ['update'] },
  { cause: 'oneCore', level: 'slow', when: ({ caps }) => caps.cores < 2, ways: () => ['cores'] },
  {
    cause: 'oneThread',
    level: 'slow',
    when: ({ wish, caps }) => wish.threads === 1 && caps.isolated && caps.cores > 1,
    ways: () => ['threads'],
  },
  {
    cause: 'lowMemory',
    level: 'slow',
    when: ({ caps }) => caps.memoryBytes < LITTLE_MEMORY,
    ways: () => ['memory'],
  },
  { cause: 'storageDenied', level: 'note', when: ({ kept }) => !kept, ways: () => ['storage'] },
  {
    cause: 'littleRoom',
    level: 'note',
    when: ({ kept, freeBytes }) => kept && freeBytes !== null && freeBytes < LITTLE_ROOM,
    ways: () => ['room'],
  },
  {
    cause: 'notPersistent',
    level: 'note',
    when: ({ kept, persistent }) => kept && !persistent,
    ways: () => ['persist'],
  },
  { cause: 'notOffline', level: 'note', when: ({ offline }) => !offline, ways: () => ['offline'] },
];

/** Findings, worst first. */
export function diagnose(symptoms: Symptoms): readonly Finding[] {
  const order: readonly Level[] = ['stop', 'slow', 'note'];
  return ROWS.filter(({ when }) => when(symptoms))
    .map(({ cause, level, ways }) => ({ cause, level, ways: ways(symptoms) }))
    .toSorted((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
}

type Maker = 'intel' | 'amd' | 'nvidia' | 'apple' | 'other';

const F16: Readonly<Record<Maker, Way>> = {
  intel: 'f16Intel',
  amd: 'f16Amd',
  nvidia: 'f16Nvidia',
  apple: 'apple',
  other: 'driver',
};

const DRIVERS: Readonly<Partial<Record<System, Readonly<Partial<Record<Maker, Way>>>>>> = {
  linux: { intel: 'intelLinux', amd: 'amdLinux', nvidia: 'nvidiaLinux' },
  windows: { intel: 'intelWindows', amd: 'amdWindows', nvidia: 'nvidiaWindows' },
  mac: { apple: 'apple', intel: 'apple', amd: 'apple' },
};

const driverOf = ({ caps, system }: Symptoms): Way => DRIVERS[system]?.[makerOf(caps)] ?? 'driver';

export function makerOf({ gpu }: Capabilities): Maker {
  if (!gpu) return 'other';
  const text = Object.values(gpu.adapter).join(' ').toLowerCase();
  if (/nvidia|geforce/.test(text)) return 'nvidia';
  if (/\bamd\b|radeon|\bati\b/.test(text)) return 'amd';
  if (/intel/.test(text)) return 'intel';
  return /apple/.test(text) ? 'apple' : 'other';
}

/** From navigator.userAgent; wrong guesses cost a wrong hint and nothing else. */
export function guess(userAgent: string): { readonly browser: Browser; readonly system: System } {
  const has = (pattern: RegExp): boolean => pattern.test(userAgent);
  const system = has(/iPhone|iPad/)
    ? 'ios'
    : has(/Android/)
      ? 'android'
      : has(/Windows/)
        ? 'windows'
        : has(/Mac OS X|Macintosh/)
          ? 'mac'
          : has(/Linux|CrOS/)
            ? 'linux'
            : 'other';
  const browser = has(/Firefox\//)
    ? 'firefox'
    : has(/Chrom(e|ium)\//)
      ? 'chromium'
      : has(/Safari\//)
        ? 'safari'
        : 'other';
  return { browser, system };
}
