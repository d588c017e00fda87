import { parseRetryAfter } from './backoff.ts';
import { EmbeddingError } from './embedder.ts';
import { type Embeddings, readEmbeddings } from './openai-response.ts';

export interface EmbeddingsRequestOptions {
  /** Up to and with `/v1`: OpenAI's, or that of Ollama, vLLM, TEI and the like. */
  baseUrl: string;
  /** Sent as a bearer token; servers of one's own often want none. What gives it is asked for each request. */
  apiKey?: string | (() => string | undefined);
  model: string;
  /** Asked of the server, for models that can give shorter vectors. */
  dimensions?: number;
  /** For one request, its answer read to the end. 30 s by default. */
  timeoutMs?: number;
}

/** One HTTP request, without retries. Rejects with an EmbeddingError, or with the signal's reason. */
export type EmbeddingsRequest = (
  texts: readonly string[],
  options: { dimensions: number | undefined; signal?: AbortSignal },
) => Promise<Embeddings>;

/** @throws Error for an address or a key that can't be sent. */
export function createRequest(options: EmbeddingsRequestOptions): EmbeddingsRequest {
  const url = endpointUrl(options.baseUrl);
  const { apiKey } = options;
  const headers = () => requestHeaders(typeof apiKey === 'function' ? apiKey() : apiKey);
  headers();
  return async (texts, { dimensions, signal }) => {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? 30_000);
    const body = JSON.stringify({
      model: options.model,
      input: texts,
      encoding_format: 'base64',
      ...(options.dimensions !== undefined && { dimensions: options.dimensions }),
    });
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: headers(),
        body,
        // The texts go where they were meant to go, and nowhere else.
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      if (!response.ok) throw await refusal(response);
      return readEmbeddings(await response.json(), { count: texts.length, dimensions });
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof EmbeddingError ? error : unreachable(error, { timedOut: timeout.aborted });
    }
  };
}

function requestHeaders(apiKey: string | undefined): Headers {
  const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json' });
  if (!apiKey) return headers;
  // Headers refuses them too, with a message that holds the key.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new Error('the key of the embedding service holds characters that no key has');
  headers.set('authorization', `Bearer ${apiKey}`);
  return headers;
}

function endpointUrl(baseUrl: string): URL {
  const url = new URL(`${baseUrl.replace(/\/+$/, '')}/embeddings`);
  // fetch refuses them too, with a message that holds them.
  if (url.username || url.password) throw new Error('the base URL of the embedding service must hold no credentials');
  return url;
}

/** Of a refusal's body only these go into the message: servers repeat keys and texts in whatever else they say. */
const KNOWN_CODES: readonly unknown[] = [
  'context_length_exceeded',
  'insufficient_quota',
  'invalid_api_key',
  'model_not_found',
  'rate_limit_exceeded',
  'unsupported_parameter',
];

/** Not by the texts that were sent: a queue that is full, a key that expired, a model that was taken away. */
const MENDED_ELSEWHERE: readonly number[] = [401, 402, 403, 404, 408, 409, 425, 429];

async function refusal(response: Response): Promise<EmbeddingError> {
  const { status, headers } = response;
  const body = (await response.json().catch(() => undefined)) as { error?: { code?: unknown } } | undefined;
  const code = body?.error?.code;
  const detail = KNOWN_CODES.includes(code) ? ` (${code})` : '';
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'));
  return new EmbeddingError(`the embedding service answered ${status}${detail}`, {
    retryable: status >= 500 || MENDED_ELSEWHERE.includes(status),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function unreachable(cause: unknown, { timedOut }: { timedOut: boolean }): EmbeddingError {
  if (timedOut) return new EmbeddingError('the embedding service did not answer in time', { retryable: true, cause });
  if (cause instanceof SyntaxError) {
    return new EmbeddingError('the embedding service answered something else than JSON', { retryable: true });
  }
  return new EmbeddingError('the embedding service could not be reached', { retryable: true, cause });
}
