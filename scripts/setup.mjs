/**
 * Installs what is missing, and nothing that is there: npm packages, the Python environment, a Chromium. Plain Node
 * without a package, because it runs before there are any. Every function returns quickly when there is nothing to
 * do, and throws an Error that says what to do by hand when it cannot help.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const WINDOWS = process.platform === 'win32';
const MIN_NODE = [20, 19];
/** Interpreters for which every pinned wheel exists. */
const PYTHONS = { min: [3, 10], max: [3, 13] };
const REQUIREMENTS = 'export-scripts/requirements.txt';

const at = (...parts) => path.join(ROOT, ...parts);
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Runs a command in the repository with its output shown; rejects when it fails. */
export function run(command, args, { env = {}, cwd = ROOT } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
      shell: WINDOWS && command === 'npm', // npm is npm.cmd there, which only a shell can start
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} ended with code ${code}`)),
    );
  });
}

/** Output of a command, trimmed, or null when it cannot be run or fails. */
function ask(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? stdout.trim() : null;
}

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
    throw new Error(`Node ${MIN_NODE.join('.')} or newer is needed; this is ${process.versions.node}.`);
  }
}

// --- npm packages

/** npm keeps a copy of the lock file in node_modules, written when an installation is complete. */
function packagesAreCurrent() {
  const installed = at('node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const have = readJson(installed).packages;
  const want = Object.entries(readJson(at('package-lock.json')).packages);
  return want.every(([name, { version, optional, peer }]) =>
    name === '' || ((optional || peer) && !have[name]) ? true : have[name]?.version === version,
  );
}

export async function ensurePackages() {
  if (packagesAreCurrent()) return;
  console.log('Installing npm packages …');
  // No package of ours needs its install script, and some fetch what we do not use.
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

// --- Python

export const PYTHON = WINDOWS ? at('.venv', 'Scripts', 'python.exe') : at('.venv', 'bin', 'python');

function findPython() {
  const names = ['python3', 'python', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];
  const found = [];
  for (const name of names) {
    const version = ask(name, ['-c', 'import sys; print(*sys.version_info[:2])'])?.split(' ').map(Number);
    if (!version) continue;
    found.push(`${name} ${version.join('.')}`);
    const order = version[0] * 100 + version[1];
    const [low, high] = [PYTHONS.min, PYTHONS.max].map(([major, minor]) => major * 100 + minor);
    if (order >= low && order <= high) return name;
  }
  throw new Error(
    `Python ${PYTHONS.min.join('.')} to ${PYTHONS.max.join('.')} is needed for the exporter's tests` +
      ` (found: ${found.join(', ') || 'none'}). Install one and run again.`,
  );
}

/** Wheels of PyTorch for the CPU are a tenth of the default ones on Linux; use their index where it answers. */
async function cpuWheels() {
  if (process.platform !== 'linux') return [];
  const index = 'https://download.pytorch.org/whl/cpu';
  const answers = await fetch(`${index}/torch/`, { method: 'HEAD', signal: AbortSignal.timeout(5000) }).then(
    (response) => response.ok,
    () => false, // no such route from here: the default wheels do the same work
  );
  return answers ? ['--extra-index-url', index] : [];
}

async function createEnvironment() {
  const python = findPython();
  rmSync(at('.venv'), { recursive: true, force: true });
  console.log('Making the Python environment .venv …');
  try {
    await run(python, ['-m', 'venv', '.venv']);
  } catch (error) {
    // Debian keeps `ensurepip` in a package of its own.
    if (!(await installDebian(['python3-venv']))) {
      throw new Error(
        `${error.message}. On Debian and Ubuntu: apt-get install python3-venv, then run again.`,
      );
    }
    rmSync(at('.venv'), { recursive: true, force: true });
    await run(python, ['-m', 'venv', '.venv']);
  }
}

export async function ensurePython() {
  const wanted = createHash('sha256')
    .update(readFileSync(at(REQUIREMENTS)))
    .digest('hex');
  const stamp = at('.venv', 'requirements.sha256');
  if (existsSync(PYTHON) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (!existsSync(PYTHON) || ask(PYTHON, ['-m', 'pip', '--version']) === null) await createEnvironment();
  console.log('Installing Python packages …');
  const options = ['--disable-pip-version-check', '--progress-bar', 'off', ...(await cpuWheels())];
  await run(PYTHON, ['-m', 'pip', 'install', ...options, '-r', REQUIREMENTS]);
  writeFileSync(stamp, wanted);
}

// --- Chromium

const CHROMIUM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const CHROMIUM_PLACES = {
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  win32: ['ProgramFiles', 'ProgramFiles(x86)', 'LocalAppData'].map((name) =>
    path.join(process.env[name] ?? 'C:\\', 'Google', 'Chrome', 'Application', 'chrome.exe'),
  ),
  linux: ['/usr/bin', '/usr/local/bin', '/snap/bin'].flatMap((folder) =>
    CHROMIUM_NAMES.map((name) => path.join(folder, name)),
  ),
};

/** A browser counts when it starts: a stub that asks for a snap, or one that lacks libraries, does not. */
function works(file) {
  if (!existsSync(file)) return false;
  return WINDOWS || ask(file, ['--version']) !== null; // Chrome on Windows has no --version
}

async function playwrightChromium() {
  const { chromium } = await import('playwright-core');
  return chromium.executablePath();
}

async function findChromium() {
  const onPath = (process.env.PATH ?? '')
    .split(path.delimiter)
    .flatMap((folder) => CHROMIUM_NAMES.map((name) => path.join(folder, WINDOWS ? `${name}.exe` : name)));
  const told = process.env.PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH;
  const places = [told, await playwrightChromium(), ...onPath, ...(CHROMIUM_PLACES[process.platform] ?? [])];
  return places.find((file) => file && works(file)) ?? null;
}

/** Path of a Chromium that starts, installed first when there is none. Needs the npm packages. */
export async function ensureChromium() {
  const found = await findChromium();
  if (found) return found;
  console.log('No Chromium found: installing one through Playwright …');
  const cli = at('node_modules', 'playwright-core', 'cli.js');
  await run(process.execPath, [cli, 'install', 'chromium'], {
    env: { PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '15000' },
  }).catch((error) => console.log(`${error.message}: trying the system's package manager …`));
  const downloaded = await findChromium();
  if (downloaded) return downloaded;
  await installDebian(['chromium']);
  const installed = await findChromium();
  if (installed) return installed;
  throw new Error(
    'The end-to-end tests need Chromium and none could be installed. Install Chromium or Chrome, or set' +
      ' PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH to one, then run again.',
  );
}

/** Installs Debian packages as root or with a sudo that asks nothing; false when neither is possible or it fails. */
async function installDebian(packages) {
  if (ask('apt-get', ['--version']) === null) return false;
  const root = process.getuid?.() === 0;
  if (!root && ask('sudo', ['-n', 'true']) === null) return false;
  const apt = (args) => {
    const command = ['apt-get', '-q', ...args];
    const environment = { DEBIAN_FRONTEND: 'noninteractive' };
    return root
      ? run(command[0], command.slice(1), { env: environment })
      : run('sudo', ['-n', 'env', 'DEBIAN_FRONTEND=noninteractive', ...command]);
  };
  try {
    // A list that cannot be refreshed may still be good enough to install from.
    await apt(['update']).catch((error) => console.log(error.message));
    await apt(['install', '-y', '--no-install-recommends', ...packages]);
    return true;
  } catch (error) {
    console.log(error.message);
    return false;
  }
}
