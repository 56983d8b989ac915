/**
 * `npm start`: everything from a fresh clone to a running app. Needs Node and npm, nothing else.
 *
 *   npm start [-- --port 4173] [-- --no-isolation]
 *
 * `--no-isolation` serves without the isolation headers, as plain static hosting does.
 */
import { parseArgs } from 'node:util';
import { addressOf, serve } from './serve.mjs';
import { checkNode, ensurePackages } from './setup.mjs';
import { ensureSite, SITE } from './site.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4173' },
    host: { type: 'string' },
    'no-isolation': { type: 'boolean', default: false },
  },
});
const port = Number(values.port);

try {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`--port must be a whole number from 0 to 65535 (got ${values.port})`);
  }
  checkNode();
  await ensurePackages();
  await ensureSite();
  const server = await serve({ root: SITE, port, host: values.host, isolation: !values['no-isolation'] });
  console.log(`\nCadenza is running at ${addressOf(server)}\nPress Ctrl+C to stop.`);
} catch (error) {
  console.error(
    error.code === 'EADDRINUSE'
      ? `Port ${port} is in use. Stop what listens there, or choose another: npm start -- --port ${port + 1}`
      : error.message,
  );
  process.exit(1);
}
