/** Opens a pool, and prints the id of its process once that loops. */
import { openParsePool } from '../../src/ai-worker/parse-pool.ts';

const modulePath = new URL('./hostile-child.ts', import.meta.url);
const pool = openParsePool({ concurrency: 1, timeoutMs: 600_000, memoryMb: 512, ocr: false, modulePath });
const parse = (name: string) => pool.parse({ format: 'txt', name, bytes: new Uint8Array() });

const { chunks } = await parse('pid');
process.on('SIGWINCH', () => process.stdout.write(`${chunks[0]?.text}\n`));
await parse('loop');
