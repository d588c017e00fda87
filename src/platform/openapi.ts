import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Endpoint } from './endpoint.ts';
import { HTTP_STATUS } from './error-response.ts';
import type { ErrorCode } from './errors.ts';

const EVERYWHERE: readonly ErrorCode[] = ['UNAUTHORIZED', 'RATE_LIMITED', 'INTERNAL', 'UNAVAILABLE'];

const errorBody = z
  .object({
    error: z.string().meta({ description: 'What went wrong, as a code to branch on', example: 'INVALID_REQUEST' }),
    message: z.string().meta({ description: 'What to do about it' }),
    requestId: z.string(),
    traceId: z.string().optional(),
    details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    retryAfter: z.number().optional().meta({ description: 'Seconds; with RATE_LIMITED' }),
  })
  .meta({ id: 'Error' });

/** Describes endpoints as an OpenAPI 3.1 document, from the very declarations that are served. */
export function openApiDocument(
  endpoints: readonly Endpoint[],
  info: { title: string; version: string; description: string },
): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [endpoint.method]: operation(endpoint) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: { ...info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    security: [{ apiKey: [] }, { bearer: [] }],
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
    paths,
  });
}

function operation(endpoint: Endpoint): ZodOpenApiOperationObject {
  const body = endpoint.rawBody?.contentTypes ?? (endpoint.body ? { 'application/json': endpoint.body } : undefined);
  return {
    operationId: endpoint.operationId,
    summary: endpoint.summary,
    ...(endpoint.description && { description: endpoint.description }),
    tags: [endpoint.tag],
    requestParams: {
      ...(endpoint.params && { path: endpoint.params as z.ZodObject }),
      ...(endpoint.query && { query: endpoint.query as z.ZodObject }),
    },
    ...(body && {
      requestBody: {
        required: true,
        content: Object.fromEntries(Object.entries(body).map(([type, schema]) => [type, { schema }])),
      },
    }),
    responses: { ...answers(endpoint), ...errors(endpoint) },
  };
}

function answers(endpoint: Endpoint): ZodOpenApiOperationObject['responses'] {
  const entries = Object.entries(endpoint.answers).map(([status, answer]) => {
    const type = answer.contentType ?? 'application/json';
    const content =
      answer.schema || answer.contentType ? { [type]: answer.schema ? { schema: answer.schema } : {} } : undefined;
    return [status, { description: answer.description, ...(content && { content }) }];
  });
  return Object.fromEntries(entries);
}

function errors(endpoint: Endpoint): ZodOpenApiOperationObject['responses'] {
  const byStatus = Map.groupBy([...endpoint.errors, ...EVERYWHERE], (code) => HTTP_STATUS[code]);
  const entries = [...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: `${STATUS_CODES[status]}: ${[...new Set(codes)].join(', ')}`,
      content: {
        'application/json': {
          schema: errorBody,
          examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }])),
        },
      },
    },
  ]);
  return Object.fromEntries(entries);
}

const exampleOf = (code: ErrorCode) => ({
  error: code,
  message: 'What to do about it.',
  requestId: '5b0c2a4e-6f1d-4a57-9d57-6a4ad4a4a0c3',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
});
