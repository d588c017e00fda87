import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Chunk } from '../documents/job.ts';
import { converse } from './converse.ts';
import { openParserChannel } from './parse-channel.ts';
import { childrenFile, type Enclosure, LIFETIME_CPU_SECONDS } from './parse-enclosure.ts';
import { watchEnd } from './parse-end.ts';
import type { ParseLimits } from './parse-limits.ts';
import type { ParseRequest } from './parse-messages.ts';
import { parserOptions } from './parse-permissions.ts';
import { type Usage, usageOf } from './process-usage.ts';

/** A document's chunks. */
export interface Parsed {
  chunks: Chunk[];
  /** Length of the extracted text that their offsets point into, in UTF-16 units. */
  characters: number;
  /** How long it took to cut it into chunks, in ms. */
  chunkMs: number;
}

export interface ParseProcessOptions {
  enclosure: Enclosure;
  memoryMb: number;
  /** Whether it reads pictures: then it may load native code. */
  ocr: boolean;
  /** What the process runs. */
  modulePath: URL;
}

/** A warm process that parses one document at a time. */
export interface ParseProcess {
  readonly ocr: boolean;
  /** True once it has read a document. */
  readonly isUsed: boolean;
  /**
   * @throws ProcessingError as the parser does, or as `watchParse` and `watchEnd` have it; `OcrNeededError`;
   *   `ParserStartError` when the process never came to read it; the signal's reason when it aborts, which ends the process too.
   */
  parse(request: ParseRequest, options: { limits: ParseLimits; signal: AbortSignal }): Promise<Parsed>;
  /** False once it has ended, or has grown or worked so much that a fresh one is better. */
  isFit(): boolean;
  stop(): Promise<void>;
}

const MAX_DOCUMENTS = 200;
/** What is left of its life must do for the next document. */
const MAX_CPU_MS = (LIFETIME_CPU_SECONDS * 1000) / 3;

/** Starts a parser process. It reads the project's own code and nothing else, and has no settings or secrets. */
export function startParseProcess(options: ParseProcessOptions): ParseProcess {
  const child = start(options);
  const channel = openParserChannel(child);
  const { memoryMb } = options;
  let hasEnded = false;
  const ended = watchEnd(child, { channel, memoryMb }).finally(() => {
    hasEnded = true;
  });
  const kill = () => void child.kill('SIGKILL');
  const usage = async (): Promise<Usage | undefined> => {
    const pid = pidOf(child, options.enclosure);
    return pid === undefined ? undefined : usageOf(pid);
  };
  let documents = 0;
  let used: Usage = { cpuMs: 0, rssBytes: 0 };
  return {
    ocr: options.ocr,
    get isUsed() {
      return documents > 0;
    },
    async parse(request, { limits, signal }) {
      try {
        const { chunks, characters, chunkMs } = await converse(channel, request, {
          limits,
          signal,
          usage,
          ended,
          kill,
        });
        return { chunks, characters, chunkMs };
      } finally {
        documents++;
        used = (await usage()) ?? used;
      }
    },
    isFit: () =>
      !hasEnded &&
      !child.killed &&
      documents < MAX_DOCUMENTS &&
      used.cpuMs < MAX_CPU_MS &&
      used.rssBytes < (memoryMb / 2) * 1024 ** 2,
    async stop() {
      kill();
      await ended;
    },
  };
}

function start({ enclosure, memoryMb, ocr, modulePath }: ParseProcessOptions): ChildProcess {
  const path = fileURLToPath(modulePath);
  const [program = process.execPath, ...rest] = [...enclosure.command, process.execPath];
  return spawn(program, [...rest, ...parserOptions({ memoryMb, addons: ocr, modulePath: path }), path], {
    // None, because the parent's holds secrets.
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  });
}

/** The process that reads, which may be the child of the one that was started; undefined where there is none (yet). */
function pidOf(child: ChildProcess, { isInner }: Enclosure): number | undefined {
  if (child.pid === undefined || !isInner) return child.pid;
  try {
    const [inner] = readFileSync(childrenFile(child.pid), 'latin1').split(' ');
    return Number(inner) || undefined;
  } catch {
    return undefined;
  }
}
