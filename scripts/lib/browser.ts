/** The built application's engine in a real Chromium, without the page around it: for measurements. */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';
import type { Engine, Memory, Result } from '../../src/engine/engine.ts';
import type { EngineEvent } from '../../src/lib/events.ts';
import type { Capabilities, Placement, Wish } from '../../src/lib/placement.ts';
import { addressOf, serve } from '../serve.mjs';
import { ensureChromium } from '../setup.mjs';

export interface BrowserEngine {
  probe(): Promise<Capabilities>;
  place(model: string): Promise<Placement>;
  /** Makes a song; its events come along, without the sound in them. */
  generate(task: unknown): Promise<{ readonly result: Result; readonly events: readonly EngineEvent[] }>;
  memory(): Promise<Memory>;
  selfCheck(): ReturnType<Engine['selfCheck']>;
  /** Processor time of the browser's page processes so far, all threads: what other load on the machine cannot stretch. */
  processorSeconds(): Promise<number>;
  close(): Promise<void>;
}

/** What the page below gives to this file; only evaluated inside the browser. */
interface EngineWindow {
  engine: Engine;
  Comlink: {
    wrap(worker: Worker): new (options: { base: string; wish: Wish }) => Promise<Engine>;
    proxy<T>(value: T): T;
  };
}

/** @param site the built application (`dist`) */
export async function openBrowserEngine(site: string, wish: Wish): Promise<BrowserEngine> {
  const worker = (await readdir(path.join(site, 'assets'))).find((name) =>
    /^engine\.worker-.*\.js$/.test(name),
  );
  if (worker === undefined) throw new Error(`${site} has no engine. Run npm run build.`);
  const server = await serve({ root: site, port: 0 });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--enable-unsafe-webgpu'],
  });
  const close = async (): Promise<void> => {
    await browser.close();
    server.close();
  };
  try {
    const page = await browser.newPage();
    const devtools = await browser.newBrowserCDPSession();
    const base = addressOf(server);
    // Any document of the site will do: it gives the origin and its headers, and runs nothing of its own.
    await page.goto(`${base}models/index.json`);
    await page.evaluate(
      readFileSync(createRequire(import.meta.url).resolve('comlink/dist/umd/comlink.min.js'), 'utf8'),
    );
    await page.evaluate(
      async ({ url, options }) => {
        const here = window as unknown as EngineWindow; // the two scripts before made it one
        here.engine = await new (here.Comlink.wrap(new Worker(url, { type: 'module' })))(options);
      },
      { url: `${base}assets/${worker}`, options: { base, wish } },
    );
    return {
      probe: () => page.evaluate(() => (window as unknown as EngineWindow).engine.probe()),
      memory: () => page.evaluate(() => (window as unknown as EngineWindow).engine.memory()),
      selfCheck: () => page.evaluate(() => (window as unknown as EngineWindow).engine.selfCheck()),
      // The casts: see EngineWindow.
      place: (model) => page.evaluate((id) => (window as unknown as EngineWindow).engine.place(id), model),
      generate: (task) =>
        page.evaluate(async (input) => {
          const { engine, Comlink } = window as unknown as EngineWindow; // see there
          const events: EngineEvent[] = [];
          const on = (event: EngineEvent): void =>
            void events.push(event.type === 'audio' ? { ...event, channels: [] } : event);
          const { songs, ...rest } = await engine.generate(input, Comlink.proxy(on));
          // Peaks are long and blobs do not cross into Node.
          const bare = songs.map(({ peaks: _, unstored: __, ...song }) => song);
          return { result: { ...rest, songs: bare } as unknown as Result, events };
        }, task),
      async processorSeconds() {
        const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
        return processInfo
          .filter(({ type }) => type === 'renderer')
          .reduce((sum, { cpuTime }) => sum + cpuTime, 0);
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
