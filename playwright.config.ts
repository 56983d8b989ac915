import { defineConfig } from '@playwright/test';
import { ensureChromium } from './scripts/setup.mjs';

// Workers of the test runner read this file again: they get the answer instead of searching once more.
const executablePath = (process.env.PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH ??= await ensureChromium());

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  globalSetup: './e2e/global-setup.ts',
  // Songs keep two cores busy, and times are measured.
  workers: 1,
  retries: 0,
  timeout: 180_000,
  expect: { timeout: 20_000 },
  reporter: 'list',
  use: {
    browserName: 'chromium',
    viewport: { width: 1440, height: 900 },
    launchOptions: {
      executablePath,
      // Chromium's own sandbox cannot be set up by root.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    },
    trace: 'retain-on-failure',
  },
});
