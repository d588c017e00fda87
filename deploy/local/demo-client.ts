import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LaunchError } from './launch-error.ts';

const documentSchema = z.object({
  id: z.string(),
  name: z.string(),
  format: z.string(),
  status: z.string(),
  chunks: z.number(),
  traceId: z.string().nullable(),
  duplicate: z.boolean().default(false),
});
export type DemoDocument = z.output<typeof documentSchema>;

const stateSchema = z.object({
  status: z.string(),
  chunks: z.number(),
  progress: z.object({ stage: z.string(), percent: z.number() }),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type DemoState = z.output<typeof stateSchema>;

const searchSchema = z.object({
  results: z.array(
    z.object({
      name: z.string(),
      text: z.string(),
      score: z.number(),
      location: z.object({ page: z.number().optional(), headings: z.array(z.string()).optional() }),
    }),
  ),
  tookMs: z.number(),
});
export type DemoSearch = z.output<typeof searchSchema>;

/** The calls of the public API that the demo makes, as any client would. */
export interface DemoClient {
  upload(file: { name: string; bytes: Uint8Array<ArrayBuffer> }): Promise<DemoDocument>;
  reprocess(id: string): Promise<DemoDocument>;
  /** Follows the events of a document until its outcome. */
  follow(id: string, onState: (state: DemoState) => void): Promise<DemoState>;
  search(query: string, limit: number): Promise<DemoSearch>;
}

/** Too many requests, and a backend that is starting: both say when to try again. */
const COME_BACK = new Set([429, 503]);

/** @param options.signal breaks off every call. */
export function demoClient(options: { url: string; apiKey: string; signal: AbortSignal }): DemoClient {
  const { url, apiKey, signal } = options;

  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    for (;;) {
      const headers = { ...init.headers, 'X-API-Key': apiKey };
      const response = await fetch(`${url}/api/v1${path}`, { ...init, headers, signal }).catch(() => undefined);
      if (response?.ok) return response;
      signal.throwIfAborted();
      if (!response) {
        await restart(signal);
        continue;
      }
      const body = (await response.json().catch(() => ({}))) as { message?: string };
      if (!COME_BACK.has(response.status))
        throw new LaunchError(`${path} answered ${response.status}: ${body.message ?? ''}`);
      await sleep(Number(response.headers.get('retry-after') ?? 1) * 1_000, undefined, { signal });
    }
  }
  const post = (path: string, body: unknown) =>
    call(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });

  return {
    async upload({ name, bytes }) {
      const form = new FormData();
      form.append('file', new Blob([bytes]), name);
      return documentSchema.parse(await (await call('/documents', { method: 'POST', body: form })).json());
    },
    reprocess: async (id) => documentSchema.parse(await (await post(`/documents/${id}/reprocess`, {})).json()),
    async follow(id, onState) {
      // A stream that ends early is opened again: it begins with the present state.
      for (;;) {
        const state = await lastState(await call(`/documents/${id}/events`), onState);
        if (state?.status === 'completed' || state?.status === 'failed') return state;
        await restart(signal);
      }
    },
    search: async (query, limit) => searchSchema.parse(await (await post('/search', { query, limit })).json()),
  };
}

/** A backend that crashed is started again by the launcher. */
const restart = (signal: AbortSignal): Promise<void> => sleep(500, undefined, { signal });

/** Reads events to the end of the stream, whether or not it is the end of the story. */
async function lastState(response: Response, onState: (state: DemoState) => void): Promise<DemoState | undefined> {
  let last: DemoState | undefined;
  try {
    for await (const state of states(response)) {
      last = state;
      onState(state);
    }
  } catch {
    // The connection broke.
  }
  return last;
}

async function* states({ body }: Response): AsyncGenerator<DemoState> {
  if (!body) return;
  for await (const line of createInterface({ input: Readable.from(body.pipeThrough(new TextDecoderStream())) })) {
    if (line.startsWith('data: ')) yield stateSchema.parse(JSON.parse(line.slice('data: '.length)));
  }
}
