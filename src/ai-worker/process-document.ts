import { setTimeout } from 'node:timers/promises';
import { type Span, trace } from '@opentelemetry/api';
import {
  ATTR_CHUNK_COUNT,
  ATTR_DOCUMENT_ATTEMPT,
  ATTR_DOCUMENT_BYTES,
  ATTR_DOCUMENT_FORMAT,
  ATTR_DOCUMENT_ID,
  ATTR_TEXT_CHARACTERS,
} from '../documents/attributes.ts';
import type { Lane } from '../documents/formats.ts';
import {
  type Chunk,
  type Claimed,
  indexedText,
  type Job,
  jobId,
  queueName,
  type ResultChunk,
  type ResultEnd,
  type Stage,
} from '../documents/job.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import { errorType } from '../platform/errors.ts';
import { type Logger, withLogFields } from '../platform/logger.ts';
import { markFailed } from '../platform/mark-failed.ts';
import { traceProcess } from '../platform/queue-tracing.ts';
import type { BackendClient } from './backend-client.ts';
import { AttemptLostError, ContractError, DisagreementError } from './backend-errors.ts';
import type { InHand } from './in-hand.ts';
import { recordStage } from './metrics.ts';
import type { ParsePool } from './parse-pool.ts';
import type { Parsed } from './parse-process.ts';
import { settleAttempt } from './settle-attempt.ts';
import { type SignsOfLife, startSigns } from './signs-of-life.ts';

export interface ProcessDeps {
  backend: BackendClient;
  parsePool: ParsePool;
  embedder: Embedder;
  logger: Logger;
  /** Told whenever a document gets on. */
  onProgress: () => void;
  /** Whose documents are being worked on. */
  inHand: InHand;
  /** Told when the backend says that this worker can't work for it. */
  onDisagreement: () => void;
}

/** Longer than it takes to ask the backend once more, and to hand everything back. */
const DISAGREEMENT_MS = 20_000;

const tracer = trace.getTracer('ragbase.ai-worker');

/** Texts are embedded in about this many steps, each a span and a step of the progress. */
const EMBED_STEPS = 20;
const MIN_TEXTS_A_STEP = 32;
/** So that a step of the longest document ends before the worker is taken for stalled. */
const MAX_TEXTS_A_STEP = 256;

/**
 * Does one job: claims an attempt, of the document whose turn it is, reads, parses, embeds, and hands the result to
 * the backend. Resolves whatever becomes of the document: the backend is told, or finds out by the lease.
 * @param signal aborted when the worker shuts down: the attempt is handed back.
 */
export async function processJob(job: Job, lane: Lane, signal: AbortSignal, deps: ProcessDeps): Promise<void> {
  let claimed: Claimed;
  try {
    const holding = deps.inHand.of(lane).map(({ documentId }) => documentId);
    claimed = await deps.backend.claim(job, { space: deps.embedder.space.current, holding }, signal);
  } catch (error) {
    return notClaimed(error, job, signal, deps);
  }
  if (claimed.documentId === job.documentId) return processClaimed(claimed, lane, signal, deps);
  await processInOwnTrace(claimed, lane, signal, deps);
}

/** Works on a document whose job is still waiting, as a part of its own trace and not of what runs now. */
export function processInOwnTrace(claimed: Claimed, lane: Lane, signal: AbortSignal, deps: ProcessDeps): Promise<void> {
  return traceProcess({ queue: queueName(lane), id: jobId(claimed) }, claimed, () =>
    processClaimed(claimed, lane, signal, deps),
  );
}

async function processClaimed(claimed: Claimed, lane: Lane, signal: AbortSignal, deps: ProcessDeps): Promise<void> {
  const { documentId, attempt, format } = claimed;
  trace.getActiveSpan()?.setAttributes({
    [ATTR_DOCUMENT_ID]: documentId,
    [ATTR_DOCUMENT_ATTEMPT]: attempt,
    [ATTR_DOCUMENT_FORMAT]: format,
  });
  const leave = deps.inHand.enter(lane, claimed);
  try {
    await withLogFields({ documentId, attempt }, () => runAttempt(claimed, signal, deps));
  } finally {
    leave();
  }
}

/** Whoever asks next is answered: the job goes on to others, or comes again. */
async function notClaimed(error: unknown, job: Job, signal: AbortSignal, deps: ProcessDeps): Promise<void> {
  if (error instanceof AttemptLostError || signal.aborted) return;
  if (error instanceof DisagreementError) {
    deps.onDisagreement();
    // Kept until all jobs are handed back, unless the backend agrees by then: dropped, it comes again half a minute later.
    await setTimeout(DISAGREEMENT_MS, undefined, { signal }).catch(() => undefined);
  } else if (error instanceof ContractError) {
    deps.logger.error('the backend refuses to say what a job is about', { documentId: job.documentId, error });
  } else deps.logger.warn('could not ask for a document', { documentId: job.documentId, error });
}

async function runAttempt(claimed: Claimed, shutdown: AbortSignal, deps: ProcessDeps): Promise<void> {
  const lost = new AbortController();
  const signal = AbortSignal.any([shutdown, lost.signal]);
  const life = startSigns(claimed, lost, deps);
  try {
    const bytes = await staged('fetch', claimed, life, (span) => {
      span.setAttribute(ATTR_DOCUMENT_BYTES, claimed.bytes);
      return deps.backend.content(claimed.documentId, signal);
    });
    const parsed = await staged('parse', claimed, life, async (span) => {
      const result = await deps.parsePool.parse({
        format: claimed.format,
        name: claimed.name,
        bytes: bytes.value,
        owner: claimed.owner,
        signal,
      });
      span.setAttributes({ [ATTR_TEXT_CHARACTERS]: result.characters, [ATTR_CHUNK_COUNT]: result.chunks.length });
      traceChunking(result);
      return result.chunks;
    });
    const vectors = await staged('embed', claimed, life, (span) => {
      span.setAttribute(ATTR_CHUNK_COUNT, parsed.value.length);
      return embedChunks(parsed.value, deps, life, signal);
    });
    const end: ResultEnd = {
      end: true,
      chunks: parsed.value.length,
      parseMs: parsed.durationMs,
      embedMs: vectors.durationMs,
      space: deps.embedder.space.current,
    };
    await staged('store', claimed, life, () =>
      deps.backend.result(claimed, () => noted(resultLines(parsed.value, vectors.value, end), deps.onProgress), signal),
    );
    deps.logger.info('document processed', {
      chunks: end.chunks,
      parseMs: Math.round(end.parseMs),
      embedMs: Math.round(end.embedMs),
    });
  } catch (error) {
    await settleAttempt(error, claimed, { shutdown, lost: lost.signal }, deps);
  } finally {
    life.stop();
  }
}

/** A span of what happened in the parser's process, which has no telemetry. */
function traceChunking({ chunks, chunkMs }: Parsed): void {
  const attributes = { [ATTR_CHUNK_COUNT]: chunks.length };
  tracer.startSpan('chunk', { startTime: Date.now() - chunkMs, attributes }).end();
}

/** Runs one stage as a span, and says which one the document is in. */
function staged<T>(
  stage: Stage,
  claimed: Claimed,
  life: SignsOfLife,
  work: (span: Span) => Promise<T>,
): Promise<{ value: T; durationMs: number }> {
  // `store` is what the backend does with it; here it is the call back.
  return tracer.startActiveSpan(stage === 'store' ? 'callback' : stage, async (span) => {
    const started = performance.now();
    life.enter(stage);
    try {
      const value = await work(span);
      const durationMs = performance.now() - started;
      recordStage({ stage, format: claimed.format, durationMs });
      return { value, durationMs };
    } catch (error) {
      markFailed(span, errorType(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

async function embedChunks(
  chunks: readonly Chunk[],
  { embedder, onProgress }: ProcessDeps,
  life: SignsOfLife,
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const texts = chunks.map(indexedText);
  const step = Math.min(MAX_TEXTS_A_STEP, Math.max(MIN_TEXTS_A_STEP, Math.ceil(texts.length / EMBED_STEPS)));
  const vectors: Float32Array[] = [];
  while (vectors.length < texts.length) {
    const batch = texts.slice(vectors.length, vectors.length + step);
    vectors.push(...(await embedder.embed(batch, { purpose: 'document', signal, onProgress })));
    life.percent(Math.floor((vectors.length / texts.length) * 100));
  }
  return vectors;
}

/** The backend takes minutes to store a long result, and lines as it goes. */
function* noted(lines: Iterable<string>, onProgress: () => void): Generator<string> {
  for (const line of lines) {
    onProgress();
    yield line;
  }
}

function* resultLines(chunks: readonly Chunk[], vectors: readonly Float32Array[], end: ResultEnd): Generator<string> {
  for (const [index, chunk] of chunks.entries()) {
    const vector = vectors[index];
    if (!vector) throw new Error('fewer vectors than chunks');
    const embedding = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
    yield `${JSON.stringify({ ...chunk, embedding } satisfies ResultChunk)}\n`;
  }
  yield `${JSON.stringify(end)}\n`;
}
