/** Opens a pool, and prints the id of its process once that is about to loop. */
import { findEnclosure } from '../../src/ai-worker/parse-enclosure.ts';
import { openParsePool } from '../../src/ai-worker/parse-pool.ts';
import { parserProcesses } from './parser-processes.ts';

const pool = openParsePool({
  enclosure: await findEnclosure(),
  concurrency: 1,
  timeoutMs: 600_000,
  cpuMs: 600_000,
  memoryMb: 512,
  maxChunks: 100,
  ocr: false,
  modulePath: new URL('./hostile-child.ts', import.meta.url),
});
const parse = (name: string) => pool.parse({ format: 'txt', name, bytes: new Uint8Array(), owner: 'one' });

await parse('identity');
const [pid] = parserProcesses();
process.stdout.write(`${pid}\n`);
await parse('loop');
