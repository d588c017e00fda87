import { setTimeout as delay } from 'node:timers/promises';

/** A running ragbase. */
export interface Api {
  url: string;
  key: string;
  signal: AbortSignal;
}

/** What the API answered. */
export interface ApiAnswer {
  status: number;
  body: unknown;
}

/**
 * Calls the API, and waits as long as it asks to where it is being called too fast.
 * @param expected statuses that are no surprise.
 * @throws Error for any other status.
 */
export async function call(
  api: Api,
  request: { method: string; path: string; body?: unknown; expected: readonly number[] },
): Promise<ApiAnswer> {
  for (;;) {
    const response = await fetch(new URL(request.path, api.url), {
      method: request.method,
      headers: { 'X-API-Key': api.key, 'Content-Type': 'application/json' },
      signal: api.signal,
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
    });
    const text = await response.text();
    if (response.status === 429 || (response.status === 503 && response.headers.has('Retry-After'))) {
      await delay(Number(response.headers.get('Retry-After') ?? 1) * 1000, undefined, { signal: api.signal });
      continue;
    }
    if (!request.expected.includes(response.status))
      throw new Error(`${request.method} ${request.path} answered ${response.status}: ${text.slice(0, 500)}`);
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
}

/** Runs `work` on each item, a few at a time. */
export async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>, atATime = 4): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
