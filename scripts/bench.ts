/**
 * Time and memory, beside other runtimes on the same machine at the same time:
 *
 *   npm run bench -- [--seconds 30]     a song of the embedded model: browser, native onnxruntime, PyTorch
 *   npm run bench -- --block            one block of the 3.5B model's denoiser with 60 s of sound: the same three
 *   npm run bench -- --decoder [--full] latents to sound at 30, 60, 120 and 240 s; `--full` adds 30 s at real widths
 *
 * Options: --rounds 3 (medians are compared), --threads N, --json OUT. Exits with 1 when a gate is missed.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { benchBlock } from './bench/block.ts';
import { benchDecoder } from './bench/decoder.ts';
import { benchSong } from './bench/song.ts';

const { values } = parseArgs({
  options: {
    block: { type: 'boolean', default: false },
    decoder: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string' },
    json: { type: 'string' },
  },
});
const bench = values.block ? benchBlock : values.decoder ? benchDecoder : benchSong;
const { report, passed } = await bench({
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
  threads: values.threads === undefined ? null : Number(values.threads),
  full: values.full,
});
if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(passed ? 0 : 1);
