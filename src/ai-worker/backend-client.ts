import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { context, propagation } from '@opentelemetry/api';
import { type Claimed, claimedSchema, type Failure, type Progress } from '../documents/job.ts';

export interface BackendClientOptions {
  /** The backend's internal address. */
  url: string;
  /** `INTERNAL_TOKEN`. */
  token: string;
  /** Name of this worker: asking again for an attempt that it has is answered the same. */
  worker: string;
  /** How long a backend that is away is tried again, in ms. */
  patienceMs: number;
}

/** The attempt is not, or no longer, this worker's: the document is gone or somebody else has it. */
export class AttemptLostError extends Error {
  override readonly name = 'AttemptLostError';
}

/** The backend did not answer, or answered what it should not. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}

/** The worker's side of the job contract. Every call rejects with `AttemptLostError` or `BackendError`. */
export interface BackendClient {
  claim(documentId: string, attempt: number): Promise<Claimed>;
  content(documentId: string, signal: AbortSignal): Promise<Uint8Array>;
  progress(claimed: Claimed, progress: Progress): Promise<void>;
  /** @param lines makes the NDJSON lines afresh for each try. */
  result(claimed: Claimed, lines: () => Iterable<string>, signal: AbortSignal): Promise<void>;
  fail(claimed: Claimed, failure: Failure): Promise<void>;
  release(claimed: Claimed): Promise<void>;
  /** Whether the backend is there. */
  ping(timeoutMs: number): Promise<boolean>;
}

const ANSWER_MS = 10_000;

export function createBackendClient(options: BackendClientOptions): BackendClient {
  const authorization = `Bearer ${options.token}`;
  const url = (path: string) => new URL(path, options.url);
  const ofAttempt = (claimed: Claimed) => `/internal/documents/${claimed.documentId}/attempts/${claimed.attempt}`;

  const post = (path: string, body: unknown) =>
    persist(options.patienceMs, async () => {
      const response = await fetch(url(path), {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      check(response.status);
      return response;
    });

  return {
    claim: async (documentId, attempt) => {
      const response = await post(`/internal/documents/${documentId}/attempts`, { attempt, worker: options.worker });
      return claimedSchema.parse(await response.json());
    },
    content: (documentId, signal) =>
      persist(
        options.patienceMs,
        async () => {
          const response = await fetch(url(`/internal/documents/${documentId}/content`), {
            headers: { authorization },
            signal,
          });
          check(response.status);
          return new Uint8Array(await response.arrayBuffer());
        },
        signal,
      ),
    progress: async (claimed, progress) => void (await post(`${ofAttempt(claimed)}/progress`, progress)),
    result: (claimed, lines, signal) =>
      persist(
        options.patienceMs,
        () => putLines(url(`${ofAttempt(claimed)}/result`), { authorization }, lines(), signal),
        signal,
      ),
    fail: async (claimed, failure) => void (await post(`${ofAttempt(claimed)}/failure`, failure)),
    release: async (claimed) => void (await post(`${ofAttempt(claimed)}/release`, {})),
    ping: async (timeoutMs) => {
      const response = await fetch(url('/metrics'), { method: 'HEAD', signal: AbortSignal.timeout(timeoutMs) });
      return response.ok;
    },
  };
}

function check(status: number): void {
  if (status === 404 || status === 409) throw new AttemptLostError('the attempt is not, or no longer, ours');
  if (status >= 300) throw new BackendError(`the backend answered ${status}`);
}

/** Tries again, with backoff, until the backend has been away for too long. */
async function persist<T>(patienceMs: number, call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof AttemptLostError || signal?.aborted) throw error;
      if (performance.now() + delayMs > deadline) throw new BackendError('the backend is away', { cause: error });
      await setTimeout(delayMs * (0.5 + Math.random() / 2), undefined, signal ? { signal } : {});
    }
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
  const outgoing: Record<string, string> = { ...headers, 'content-type': 'application/x-ndjson' };
  propagation.inject(context.active(), outgoing);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send(url, { method: 'PUT', headers: outgoing, signal });
  const status = new Promise<number>((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
  // A refusal may come before the last line is sent, and end the sending: then it is the answer.
  const [answer] = await Promise.allSettled([status, pipeline(Readable.from(lines), request)]);
  if (answer.status === 'rejected') throw answer.reason;
  check(answer.value);
}
