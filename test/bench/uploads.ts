/**
 * Twenty uploads of 50 MB at once: the peak memory of the backend, and what became of each.
 * `node test/bench/uploads.ts [json]`. Fails where the peak reaches 400 MB beyond which nothing was promised.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { startService } from '../support/service.ts';

const UPLOADS = 20;
const BYTES = 50 * 1024 * 1024;
const LIMIT_MB = 400;
const asJson = process.argv[2] === 'json';

const service = await startService();
try {
  const pid = service.stack.processes.find(({ name }) => name === 'backend')?.pid ?? 0;
  const before = await residentMb(pid);
  let peak = before;
  const sampling = setInterval(async () => {
    peak = Math.max(peak, await residentMb(pid));
  }, 20);
  const started = performance.now();
  const answers = await Promise.all(Array.from({ length: UPLOADS }, (_, index) => upload(index)));
  const seconds = (performance.now() - started) / 1000;
  clearInterval(sampling);
  const counts = Object.entries(Object.groupBy(answers, (answer) => answer)).map(
    ([answer, all]) => `${all?.length} x ${answer}`,
  );
  process.stdout.write(
    `${UPLOADS} uploads of ${BYTES / 1024 / 1024} MB in ${seconds.toFixed(1)} s: ${counts.join(', ')}\n`,
  );
  process.stdout.write(
    `backend RSS: ${before.toFixed(0)} MB before, ${peak.toFixed(0)} MB at its peak (limit ${LIMIT_MB})\n`,
  );
  if (peak >= LIMIT_MB) process.exitCode = 1;
} finally {
  await service.stop();
}

/** A text of its own, made as it is sent. */
function upload(index: number): Promise<string> {
  const line = `${randomBytes(16).toString('hex')} ${index} is one of many lines of a long text.\n`;
  const block = Buffer.from(line.repeat(Math.ceil(65_536 / line.length)));
  const boundary = randomBytes(12).toString('hex');
  const [head, tail] = asJson
    ? [`{"name":"bench.txt","content":"`, '"}']
    : [
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="bench.txt"\r\n\r\n`,
        `\r\n--${boundary}--\r\n`,
      ];
  const body = async function* () {
    yield Buffer.from(head);
    for (let sent = 0; sent + block.length < BYTES; sent += block.length)
      yield asJson ? Buffer.from(block.toString().replaceAll('\n', ' ')) : block;
    yield Buffer.from(tail);
  };
  const type = asJson ? 'application/json' : `multipart/form-data; boundary=${boundary}`;
  const init = { method: 'POST', duplex: 'half', body: ReadableStream.from(body()), headers: { 'content-type': type } };
  return service.call('/api/v1/documents', init as RequestInit).then(
    async (response) => {
      const { error } = (await response.json()) as { error?: string };
      return error ? `${response.status} ${error}` : String(response.status);
    },
    // The answer came, and the connection went, before all was sent.
    () => 'cut off',
  );
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
