import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { z } from 'zod';

/** A span as it arrived, with the name of the service that sent it. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  name: string;
  /** As OTLP numbers them: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  service: string;
  /** Milliseconds since 1970, with fractions. */
  startMs: number;
  durationMs: number;
  attributes: Record<string, unknown>;
  /** Other spans that had a hand in it. */
  links: { traceId: string; spanId: string }[];
  isError: boolean;
}

/** A collector of one process's lifetime, for the demo and for tests. */
export interface OtlpReceiver {
  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_PROTOCOL=http/json. */
  endpoint: string;
  /** What has arrived, of one trace or of all, in the order of arrival. */
  spans(traceId?: string): ReceivedSpan[];
  close(): Promise<void>;
}

/**
 * Receives spans by OTLP over HTTP as JSON (plain or gzip) on a free port of 127.0.0.1.
 * @param options.keep beyond it, the oldest spans are forgotten.
 */
export async function openOtlpReceiver({ keep = 20_000 }: { keep?: number } = {}): Promise<OtlpReceiver> {
  const received: ReceivedSpan[] = [];
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/traces') {
      response.writeHead(404).end();
      return;
    }
    if (!request.headers['content-type']?.startsWith('application/json')) {
      response.writeHead(415).end();
      return;
    }
    const body = exportSchema.safeParse(await readJson(request).catch(() => undefined));
    if (!body.success) {
      response.writeHead(400).end();
      return;
    }
    received.push(...spansOf(body.data));
    received.splice(0, Math.max(received.length - keep, 0));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans: (traceId) => received.filter((span) => traceId === undefined || span.traceId === traceId),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await buffer(request);
  const isGzip = request.headers['content-encoding'] === 'gzip';
  return JSON.parse((isGzip ? await promisify(gunzip)(bytes) : bytes).toString());
}

// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
const attributesSchema = z
  .array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])));
// 64-bit numbers are strings in OTLP's JSON.
const nanos = z.union([z.string(), z.number()]).transform((value) => Number(value) / 1e6);
const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number().default(0),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes: attributesSchema,
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
  status: z.object({ code: z.number().default(0) }).optional(),
});
const exportSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }).prefault({}),
      scopeSpans: z.array(z.object({ spans: z.array(spanSchema).default([]) })).default([]),
    }),
  ),
});

const STATUS_ERROR = 2;

function spansOf(body: z.output<typeof exportSchema>): ReceivedSpan[] {
  return body.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId || undefined,
        name: span.name,
        kind: span.kind,
        service: String(resource.attributes['service.name'] ?? 'unknown'),
        startMs: span.startTimeUnixNano,
        durationMs: span.endTimeUnixNano - span.startTimeUnixNano,
        attributes: span.attributes,
        links: span.links,
        isError: span.status?.code === STATUS_ERROR,
      })),
    ),
  );
}
