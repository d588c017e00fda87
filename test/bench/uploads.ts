/** Twenty uploads of 50 MB at once, as forms and as JSON: the peak memory of the backend, and what became of each. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Service, startService } from '../support/service.ts';

const UPLOADS = 20;
const BYTES = 50 * 1024 * 1024;
const LIMIT_MB = 400;

/** Fails where the backend takes as much memory as `LIMIT_MB`. Linux only: it reads /proc. */
export async function bench(): Promise<void> {
  for (const kind of ['form', 'json'] as const) {
    const service = await startService();
    try {
      await measure(service, kind);
    } finally {
      await service.stop();
    }
  }
}

async function measure(service: Service, kind: Kind): Promise<void> {
  const pid = service.stack.processes.find(({ name }) => name === 'backend')?.pid ?? 0;
  const before = await residentMb(pid);
  let peak = before;
  const sampling = setInterval(async () => {
    peak = Math.max(peak, await residentMb(pid));
  }, 20);
  const started = performance.now();
  const answers = await Promise.all(Array.from({ length: UPLOADS }, () => upload(service, kind)));
  const seconds = (performance.now() - started) / 1000;
  clearInterval(sampling);
  const counts = Object.entries(Object.groupBy(answers, (answer) => answer));
  const outcome = counts.map(([answer, all]) => `${all?.length} x ${answer}`).join(', ');
  process.stdout.write(
    `${UPLOADS} uploads of ${BYTES / 1024 / 1024} MB as ${kind} in ${seconds.toFixed(1)} s: ${outcome}\n`,
  );
  process.stdout.write(
    `  backend RSS ${before.toFixed(0)} MB before, ${peak.toFixed(0)} MB at its peak; limit ${LIMIT_MB}\n`,
  );
  if (peak >= LIMIT_MB) process.exitCode = 1;
}

type Kind = 'form' | 'json';

/** A text of its own, made as it is sent. */
async function upload(service: Service, kind: Kind): Promise<string> {
  const block = Buffer.from(
    `${randomBytes(16).toString('hex')} is one of many sentences of a long text. `.repeat(1_000),
  );
  const boundary = randomBytes(12).toString('hex');
  const part = 'Content-Disposition: form-data; name="file"; filename="bench.txt"';
  const [type, head, tail] = {
    form: [`multipart/form-data; boundary=${boundary}`, `--${boundary}\r\n${part}\r\n\r\n`, `\r\n--${boundary}--\r\n`],
    json: ['application/json', '{"name":"bench.txt","content":"', '"}'],
  }[kind] as [string, string, string];
  const body = async function* () {
    yield Buffer.from(head);
    for (let sent = block.length; sent < BYTES; sent += block.length) yield block;
    yield Buffer.from(tail);
  };
  const init = { method: 'POST', duplex: 'half', body: ReadableStream.from(body()), headers: { 'content-type': type } };
  try {
    const response = await service.call('/api/v1/documents', init as RequestInit);
    const { error } = (await response.json()) as { error?: string };
    return error === undefined ? String(response.status) : `${response.status} ${error}`;
  } catch {
    return 'cut off';
  }
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
