import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Chunk } from '../documents/job.ts';
import { converse } from './converse.ts';
import type { ParseRequest } from './parse-messages.ts';

/** A document's chunks. */
export interface Parsed {
  chunks: Chunk[];
  /** Length of the extracted text that their offsets point into, in UTF-16 units. */
  characters: number;
  /** How long it took to cut it into chunks, in ms. */
  chunkMs: number;
}

export interface ParseProcessOptions {
  timeoutMs: number;
  memoryMb: number;
  ocr: boolean;
  /** What the process runs. */
  modulePath: URL;
}

/** A warm process that parses one document at a time. */
export interface ParseProcess {
  /**
   * @throws ProcessingError as the parser does; `PARSE_TIMEOUT` or `WORKER_CRASHED` when the process
   *   had to be ended or ended itself; the signal's reason when it aborts, which ends the process too.
   */
  parse(request: ParseRequest, signal: AbortSignal): Promise<Parsed>;
  /** False once it has ended, or has grown or worked so much that a fresh one is better. */
  isFit(): boolean;
  stop(): Promise<void>;
}

const MAX_DOCUMENTS = 200;
const MAX_STDERR_CHARACTERS = 2000;

/** Code, and what it is told by. Not the project's folder: `.env` and the data folder stand there. */
const READABLE = ['../../src/', '../../node_modules/', '../../package.json'];

/** Starts a parser process. It reads the project's own files and nothing else, and has no settings or secrets. */
export function startParseProcess(options: ParseProcessOptions): ParseProcess {
  const child = forkChild(options);
  const exited = once(child, 'close').catch(() => undefined);
  const startup = startupErrors(child);
  let documents = 0;
  let rss = 0;
  return {
    async parse(request, signal) {
      documents++;
      const parsed = await converse(child, request, { ...options, signal, crashCause: startup });
      rss = parsed.rss;
      return { chunks: parsed.chunks, characters: parsed.characters, chunkMs: parsed.chunkMs };
    },
    isFit: () =>
      child.connected && !child.killed && documents < MAX_DOCUMENTS && rss < (options.memoryMb / 2) * 1024 ** 2,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function forkChild({ memoryMb, ocr, modulePath }: ParseProcessOptions): ChildProcess {
  return fork(fileURLToPath(modulePath), [String(memoryMb)], {
    // Explicit, because the parent's own would load telemetry; no environment, because it holds secrets.
    execArgv: [
      `--max-old-space-size=${Math.floor(memoryMb * 0.75)}`,
      '--permission',
      ...READABLE.map((path) => `--allow-fs-read=${fileURLToPath(new URL(path, import.meta.url))}`),
      `--allow-fs-read=${fileURLToPath(new URL('.', modulePath))}`,
      '--allow-worker',
      ...(ocr ? ['--allow-addons'] : []),
      '--disable-warning=SecurityWarning',
    ],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
}

/** What the process printed before it met its first document; later output may quote one. */
function startupErrors(child: ChildProcess): () => string {
  let printed = '';
  let isReady = false;
  child.on('message', () => {
    isReady = true;
  });
  child.stderr?.on('data', (data: Buffer) => {
    if (!isReady) printed = (printed + data.toString()).slice(-MAX_STDERR_CHARACTERS);
  });
  return () => (isReady ? '' : printed);
}
