import type { Format } from '../documents/formats.ts';
import { ProcessingError } from '../documents/job.ts';
import { createSlots } from '../platform/slots.ts';
import { OcrNeededError } from './parse/parser.ts';
import type { Enclosure } from './parse-enclosure.ts';
import { chunkAllowance, cpuAllowance } from './parse-limits.ts';
import { type Parsed, type ParseProcess, startParseProcess } from './parse-process.ts';

export interface ParsePoolOptions {
  /** How the system walls the processes in. */
  enclosure: Enclosure;
  /** Documents parsed at the same time, each in a process of its own. */
  concurrency: number;
  /** A document that takes longer is given up. */
  timeoutMs: number;
  /** Computing that any document may take, in ms; large ones may take more. */
  cpuMs: number;
  /** Memory that one process may hold, in MiB. */
  memoryMb: number;
  /** A document of more chunks is given up. */
  maxChunks: number;
  /** Whether pictures, and pages that are pictures, are read. */
  ocr: boolean;
  /** What the processes run; for tests of the pool itself. */
  modulePath?: URL;
}

/** A document as the pool takes it. */
export interface ParsedDocument {
  format: Format;
  name: string;
  bytes: Uint8Array;
  /** Whose it is. */
  owner: string;
  signal?: AbortSignal;
}

export interface ParsePool {
  /**
   * Parses and chunks a document in a process of its own; waits for a free one.
   * @throws ProcessingError as `Parser` has it; `TOO_LARGE_EXPANDED` or `PARSE_TIMEOUT` of a document that took too
   *   much memory, chunks or computing; `PARSE_TIMEOUT` or `WORKER_CRASHED` that are retryable; `ParserStartError`
   *   where no process could be started; the signal's reason when it aborts.
   */
  parse(document: ParsedDocument): Promise<Parsed>;
  /** Reads a known text in a process of each kind. @throws whatever keeps it from being read. */
  check(signal: AbortSignal): Promise<void>;
  /** Ends all processes, with the documents they are at. */
  close(): Promise<void>;
}

/** Which process a document needs. */
interface Kind {
  /** One that has read nothing of others. */
  owner?: string;
  ocr: boolean;
  /** One that has read nothing yet. */
  fresh: boolean;
}

/** Memory ran out, but what earlier documents left behind is not this one's. */
class NotFreshError extends Error {}

const KNOWN_TEXT = 'High water is at noon.';

/**
 * A pool of warm parser processes. A document that crashes its parser, loops, or eats memory costs
 * that process and nothing else: the next document gets a fresh one. OCR, which needs native code,
 * has processes of its own. So has each owner: what got into a process by one document sees the next.
 *
 * Processes, not threads: a thread that runs out of memory takes its process with it.
 */
export function openParsePool(options: ParsePoolOptions): ParsePool {
  const { modulePath = new URL('./parse-child.ts', import.meta.url), concurrency, memoryMb } = options;
  const processes = new Set<ParseProcess>();
  const idle: ParseProcess[] = [];
  const owners = new WeakMap<ParseProcess, string>();
  const closing = new AbortController();
  const slots = createSlots(concurrency);

  const take = ({ owner, ocr, fresh }: Kind): ParseProcess => {
    for (const candidate of fresh ? [] : idle.toReversed()) {
      if (candidate.ocr !== ocr || (owners.get(candidate) ?? owner) !== owner) continue;
      idle.splice(idle.indexOf(candidate), 1);
      if (candidate.isFit()) return candidate;
      discard(candidate);
    }
    // Idle ones hold memory too: all together are as many as documents at a time.
    if (processes.size >= concurrency) for (const spare of idle.splice(0, 1)) discard(spare);
    const started = startParseProcess({ enclosure: options.enclosure, memoryMb, ocr, modulePath });
    processes.add(started);
    return started;
  };
  const discard = (process: ParseProcess): void => {
    void process.stop().finally(() => processes.delete(process));
  };

  const parseIn = async (
    kind: Kind,
    { format, name, bytes }: Omit<ParsedDocument, 'owner'>,
    signal: AbortSignal,
  ): Promise<Parsed> => {
    const process = take(kind);
    if (kind.owner !== undefined) owners.set(process, kind.owner);
    const { isUsed } = process;
    const maxChunks = chunkAllowance(bytes.length, options.maxChunks);
    const limits = {
      wallMs: options.timeoutMs,
      cpuMs: cpuAllowance(bytes.length, { baseMs: options.cpuMs, ocr: kind.ocr }),
      memoryMb,
      maxChunks,
    };
    const ocr = kind.ocr ? 'here' : options.ocr ? 'elsewhere' : 'off';
    try {
      return await process.parse({ format, name, bytes, ocr, maxChunks }, { limits, signal });
    } catch (error) {
      const isOutOfMemory = error instanceof ProcessingError && error.code === 'TOO_LARGE_EXPANDED' && !process.isFit();
      throw isUsed && isOutOfMemory ? new NotFreshError() : error;
    } finally {
      if (process.isFit()) idle.push(process);
      else discard(process);
    }
  };

  /** A process after the other, until one can tell. */
  const parseSomewhere = async (document: ParsedDocument, signal: AbortSignal): Promise<Parsed> => {
    const { owner } = document;
    for (let kind: Kind = { owner, ocr: false, fresh: false }; ; ) {
      try {
        return await parseIn(kind, document, signal);
      } catch (error) {
        if (error instanceof NotFreshError) kind = { ...kind, fresh: true };
        else if (error instanceof OcrNeededError) kind = { owner, ocr: true, fresh: false };
        else throw error;
      }
    }
  };

  const inSlot = async <T>(caller: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const signal = AbortSignal.any([closing.signal, ...(caller ? [caller] : [])]);
    await slots.acquire(signal);
    try {
      return await work(signal);
    } finally {
      slots.release();
    }
  };

  return {
    parse: (document) => inSlot(document.signal, (signal) => parseSomewhere(document, signal)),
    check: (caller) =>
      inSlot(caller, async (signal) => {
        for (const ocr of options.ocr ? [true, false] : [false]) {
          const bytes = new TextEncoder().encode(KNOWN_TEXT);
          const { chunks } = await parseIn({ ocr, fresh: true }, { format: 'txt', name: 'known.txt', bytes }, signal);
          if (chunks[0]?.text !== KNOWN_TEXT) throw new Error('a known text was read as another');
        }
      }),
    async close() {
      closing.abort(new Error('the parse pool is closed'));
      await Promise.all([...processes].map((process) => process.stop()));
    },
  };
}
