import { describe, expect, it } from 'vitest';
import { NO_WISH, type Capabilities, type CheckResult } from '../lib/placement.ts';
import { diagnose, guess, type Cause, type Symptoms, type Way } from './doctor.ts';
import { TEXT } from './text.ts';

const CPU: Capabilities = {
  gpu: null,
  gpuAbsent: 'this browser has no WebGPU',
  jspi: true,
  simd: true,
  isolated: true,
  cores: 8,
  memoryBytes: 8e9,
};

function gpu(
  vendor: string,
  features = ['shader-f16'],
  check: CheckResult = 'passed',
  software = false,
): Capabilities {
  return {
    ...CPU,
    gpuAbsent: '',
    gpu: {
      adapter: { vendor, architecture: '', device: '', description: '' },
      software,
      features,
      maxBufferBytes: 4e9,
      maxBindingBytes: 2e9,
      selfCheck: { fp32: 'passed', fp16: check },
    },
  };
}

const WELL: Symptoms = {
  caps: gpu('intel'),
  wish: NO_WISH,
  browser: 'chromium',
  system: 'linux',
  secure: true,
  kept: true,
  persistent: true,
  freeBytes: 1e11,
  offline: true,
};

const AGENTS = {
  firefoxLinux: 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
  chromeLinux:
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  edge: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0',
  safari:
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
  iphone:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
  android:
    'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
};

describe('diagnose', () => {
  it('finds nothing on a device that is well', () => {
    expect(diagnose(WELL)).toEqual([]);
  });

  it.each<[string, Partial<Symptoms>, Cause, readonly Way[]]>([
    ['Firefox on Linux', { caps: CPU, ...guess(AGENTS.firefoxLinux) }, 'noWebGpu', ['firefoxLinux']],
    ['Chrome on Linux', { caps: CPU, ...guess(AGENTS.chromeLinux) }, 'noWebGpu', ['chromiumLinux']],
    ['old Edge', { caps: CPU, ...guess(AGENTS.edge) }, 'noWebGpu', ['chromium']],
    ['Safari 18', { caps: CPU, ...guess(AGENTS.safari) }, 'noWebGpu', ['safari']],
    ['an old iPhone', { caps: CPU, ...guess(AGENTS.iphone) }, 'noWebGpu', ['ios']],
    ['http', { caps: CPU, secure: false }, 'insecure', ['insecure']],
    [
      'no adapter',
      {
        caps: { ...CPU, gpuAbsent: 'the browser offers no WebGPU adapter for this GPU' },
        ...guess(AGENTS.chromeLinux),
      },
      'noAdapter',
      ['gpuFlag', 'chromiumLinux', 'driver'],
    ],
    [
      'software on Linux, Intel',
      { caps: gpu('intel', [], 'passed', true) },
      'software',
      ['gpuFlag', 'intelLinux'],
    ],
    ['software on Linux, AMD', { caps: gpu('amd', [], 'passed', true) }, 'software', ['gpuFlag', 'amdLinux']],
    [
      'software on Linux, NVIDIA',
      { caps: gpu('nvidia', [], 'passed', true) },
      'software',
      ['gpuFlag', 'nvidiaLinux'],
    ],
    ['software, SwiftShader', { caps: gpu('google', [], 'passed', true) }, 'software', ['gpuFlag', 'driver']],
    ['no half floats, NVIDIA', { caps: gpu('nvidia', []) }, 'noF16', ['f16Nvidia', 'f16Other']],
    ['no half floats, AMD', { caps: gpu('amd', []) }, 'noF16', ['f16Amd', 'f16Other']],
    [
      'wrong numbers, Intel on Windows',
      { caps: gpu('intel', undefined, 'wrong'), system: 'windows' },
      'wrongCheck',
      ['choosefp32', 'intelWindows'],
    ],
    [
      'check did not run, Apple',
      { caps: gpu('apple', undefined, 'failed'), system: 'mac' },
      'wrongCheck',
      ['choosefp32', 'apple'],
    ],
    ['WASM by choice', { wish: { ...NO_WISH, provider: 'wasm' } }, 'deniedGpu', ['choose']],
    ['not isolated', { caps: { ...WELL.caps, isolated: false } }, 'notIsolated', ['reload']],
    ['no SIMD', { caps: { ...WELL.caps, simd: false } }, 'noSimd', ['update']],
    ['one core', { caps: { ...WELL.caps, cores: 1 } }, 'oneCore', ['cores']],
    ['one thread by choice', { wish: { ...NO_WISH, threads: 1 } }, 'oneThread', ['threads']],
    ['low memory', { caps: { ...WELL.caps, memoryBytes: 5e8 } }, 'lowMemory', ['memory']],
    ['private window', { kept: false, persistent: false }, 'storageDenied', ['storage']],
    ['full disk', { freeBytes: 1e8 }, 'littleRoom', ['room']],
    ['not protected', { persistent: false }, 'notPersistent', ['persist']],
    ['not offline', { offline: false }, 'notOffline', ['offline']],
  ])('%s', (_, change, cause, ways) => {
    expect(diagnose({ ...WELL, ...change })).toMatchObject([{ cause, ways }]);
  });

  it('puts what stops songs first, and gives each cause and way its words', () => {
    const worst = diagnose({
      ...WELL,
      caps: { ...CPU, simd: false, isolated: false, cores: 1, memoryBytes: 1 },
      kept: false,
      offline: false,
    });
    expect(worst.map(({ level }) => level)).toEqual(['stop', 'slow', 'slow', 'slow', 'slow', 'note', 'note']);
    for (const { cause, ways } of worst) {
      expect(TEXT.doctor.causes[cause]).toBeTruthy();
      expect(ways.length).toBeGreaterThan(0);
    }
  });

  it('guesses browser and system', () => {
    expect(guess(AGENTS.android)).toEqual({ browser: 'chromium', system: 'android' });
    expect(guess('')).toEqual({ browser: 'other', system: 'other' });
  });
});
