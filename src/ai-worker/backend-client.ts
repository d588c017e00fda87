import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as startTimer } from 'node:timers';
import { setTimeout } from 'node:timers/promises';
import type { Lane } from '../documents/formats.ts';
import {
  type Agreement,
  agreementSchema,
  type Claimed,
  CONTRACT,
  claimedSchema,
  type EmbeddingSpace,
  type Failure,
  type Job,
  type Progress,
  type Turn,
} from '../documents/job.ts';
import type { KeyRing } from '../platform/key-ring.ts';
import { passTraceOn, traceHeaders } from '../platform/trace-context.ts';
import { AttemptLostError, BackendError, ContractError, DisagreementError } from './backend-errors.ts';

export interface BackendClientOptions {
  /** The backend's internal address. */
  url: string;
  /** `INTERNAL_TOKEN`. */
  tokens: Pick<KeyRing, 'first'>;
  /** Name of this worker: asking again for an attempt that it has is answered the same. */
  worker: string;
  /** How long a backend that is away is asked for a document, in ms. What is done for one is kept until it is back. */
  patienceMs: number;
}

/**
 * The worker's side of the job contract. Every call rejects with an error of `backend-errors.ts`, or with the
 * signal's reason. Calls with a signal are repeated until the backend is back or the signal aborts.
 */
export interface BackendClient {
  /** What this backend speaks and stores; undefined where it is of a version that does not say. Asked once. */
  agreement(timeoutMs: number): Promise<Agreement | undefined>;
  /** @param space of the vectors that this worker makes. */
  /** @param holding documents that this worker is at already. */
  claim(job: Job, own: { space: EmbeddingSpace | undefined; holding: string[] }, signal: AbortSignal): Promise<Claimed>;
  /** Asks, once, for a document of others than those in hand; undefined where none waits. */
  claimTurn(lane: Lane, turn: Turn, space: EmbeddingSpace | undefined): Promise<Claimed | undefined>;
  content(documentId: string, signal: AbortSignal): Promise<Uint8Array>;
  /** Said once: the next sign of life comes soon. */
  progress(claimed: Claimed, progress: Progress, timeoutMs: number): Promise<void>;
  /** @param lines makes the NDJSON lines afresh for each try. */
  result(claimed: Claimed, lines: () => Iterable<string>, signal: AbortSignal): Promise<void>;
  fail(claimed: Claimed, failure: Failure, signal: AbortSignal): Promise<void>;
  release(claimed: Claimed): Promise<void>;
  /** Whether the backend is there. */
  ping(timeoutMs: number): Promise<boolean>;
}

const ANSWER_MS = 10_000;
/** Of the largest document: less than a worker may stand still. */
const CONTENT_MS = 240_000;
/** A way that broke without a word is found out after this; a backend sends what it reads in parts. */
const SILENT_CONTENT_MS = 15_000;
/** Longer than the backend needs for a step of storing; on a way that broke without a word, nothing moves any more. */
const SILENT_RESULT_MS = 120_000;

export function createBackendClient(options: BackendClientOptions): BackendClient {
  const authorize = () => ({ authorization: `Bearer ${options.tokens.first}` });
  const url = (path: string) => new URL(path, options.url);
  const ofAttempt = (claimed: Claimed) => `/internal/documents/${claimed.documentId}/attempts/${claimed.attempt}`;

  const post = async (path: string, body: unknown, timeoutMs = ANSWER_MS): Promise<Response> => {
    const response = await passTraceOn(() =>
      fetch(url(path), {
        method: 'POST',
        headers: { ...authorize(), 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      }),
    );
    await check(response);
    return response;
  };

  return {
    agreement: async (timeoutMs) => {
      const response = await fetch(url('/internal/contract'), {
        headers: authorize(),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.status === 404) return undefined;
      await check(response);
      return agreementSchema.parse(await response.json());
    },
    claim: async ({ documentId, attempt }, own, signal) => {
      const claim = { attempt, worker: options.worker, contract: CONTRACT, ...own };
      const ask = () => post(`/internal/documents/${documentId}/attempts`, claim);
      const response = await persist(ask, { signal, patienceMs: options.patienceMs });
      return claimedSchema.parse(await response.json());
    },
    claimTurn: async (lane, turn, space) => {
      const claim = { ...turn, worker: options.worker, contract: CONTRACT, space };
      try {
        const response = await post(`/internal/lanes/${lane}/attempts`, claim);
        return claimedSchema.parse(await response.json());
      } catch (error) {
        // Nothing waits; or a backend of the version before does not know of turns.
        if (error instanceof AttemptLostError) return undefined;
        throw error;
      }
    },
    content: (documentId, signal) =>
      persist(() => download(url(`/internal/documents/${documentId}/content`), authorize(), signal), { signal }),
    progress: async (claimed, progress, timeoutMs) =>
      void (await post(`${ofAttempt(claimed)}/progress`, progress, timeoutMs)),
    result: (claimed, lines, signal) =>
      persist(() => putLines(url(`${ofAttempt(claimed)}/result`), authorize(), lines(), signal), { signal }),
    fail: async (claimed, failure, signal) =>
      void (await persist(() => post(`${ofAttempt(claimed)}/failure`, failure), { signal })),
    release: async (claimed) =>
      void (await persist(() => post(`${ofAttempt(claimed)}/release`, {}), { patienceMs: options.patienceMs })),
    ping: async (timeoutMs) => {
      const response = await fetch(url('/metrics'), { method: 'HEAD', signal: AbortSignal.timeout(timeoutMs) });
      return response.ok;
    },
  };
}

/** Refusals that another try may find gone, though nothing is wrong with what was sent. */
const TEMPORARY: readonly number[] = [408, 429];

async function check(response: { status: number; text(): Promise<string> }): Promise<void> {
  const { status } = response;
  if (status < 300) return;
  const body = await response.text();
  if (status === 404 || status === 409) throw new AttemptLostError('the attempt is not, or no longer, ours');
  if (status === 412) throw new DisagreementError(messageOf(body));
  if (status >= 500 || TEMPORARY.includes(status)) throw new BackendError(`the backend answered ${status}`);
  throw new ContractError(`the backend answered ${status}, which it should not`);
}

function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message);
  } catch {
    return 'The backend does not say why.';
  }
}

/** Tries again, with backoff, until there is an answer, the signal aborts, or the backend has been away for too long. */
async function persist<T>(
  call: () => Promise<T>,
  { signal, patienceMs = Number.POSITIVE_INFINITY }: { signal?: AbortSignal; patienceMs?: number },
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
    try {
      return await call();
    } catch (error) {
      if (isFinal(error) || signal?.aborted) throw error;
      if (performance.now() + delayMs > deadline) throw new BackendError('the backend is away', { cause: error });
      await setTimeout(delayMs * (0.5 + Math.random() / 2), undefined, signal ? { signal } : {});
    }
  }
}

const isFinal = (error: unknown): boolean =>
  error instanceof AttemptLostError || error instanceof DisagreementError || error instanceof ContractError;

async function download(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Uint8Array> {
  const silence = new AbortController();
  const timer = startTimer(
    () => silence.abort(new BackendError('the backend sends nothing any more')),
    SILENT_CONTENT_MS,
  );
  try {
    const limits = AbortSignal.any([signal, silence.signal, AbortSignal.timeout(CONTENT_MS)]);
    const response = await passTraceOn(() => fetch(url, { headers, signal: limits }));
    await check(response);
    const parts: Uint8Array[] = [];
    for await (const part of response.body ?? []) {
      timer.refresh();
      parts.push(part);
    }
    return Buffer.concat(parts);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Streams lines as one request. Not by `fetch`: it gives up on an answer after five minutes, and
 * the backend answers when the last line is stored, which takes a large document longer.
 */
async function putLines(
  url: URL,
  headers: Record<string, string>,
  lines: Iterable<string>,
  signal: AbortSignal,
): Promise<void> {
  const outgoing = { ...headers, 'content-type': 'application/x-ndjson', ...traceHeaders() };
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send(url, { method: 'PUT', headers: outgoing, signal });
  request.setTimeout(SILENT_RESULT_MS, () => request.destroy(new BackendError('the backend takes nothing any more')));
  const answered = new Promise<{ status: number; text(): Promise<string> }>((resolve, reject) => {
    request.on('error', reject);
    request.once('response', (response) => {
      const { statusCode: status = 0 } = response;
      resolve({ status, text: async () => Buffer.concat(await response.toArray()).toString() });
    });
  });
  // A refusal may come before the last line is sent, and end the sending: then it is the answer.
  const [answer] = await Promise.allSettled([answered, pipeline(Readable.from(lines), request)]);
  if (answer.status === 'rejected') throw answer.reason;
  await check(answer.value);
  request.destroy();
}
