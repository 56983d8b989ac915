/** Ends the process when the case in hand stays the same for too long: a loop without end lets nothing else run. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const LIMIT = 30; // seconds
let seen = -1;
let since = 0;
setInterval(() => {
  const now = workerData[0];
  since = now === seen ? since + 1 : 0;
  seen = now;
  if (since < LIMIT) return;
  writeSync(2, `FOUND a case that does not end: seed ${now}\n`); // the stream would need the thread that hangs
  process.kill(process.pid, 'SIGKILL');
}, 1000);
