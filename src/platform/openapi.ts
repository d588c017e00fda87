import type { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Endpoint } from './endpoint.ts';
import { errorAnswers, errorResponses } from './openapi-errors.ts';

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
      responses: errorResponses(),
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
        required: endpoint.rawBody !== undefined || !endpoint.body?.safeParse(undefined).success,
        content: Object.fromEntries(Object.entries(body).map(([type, schema]) => [type, { schema }])),
      },
    }),
    responses: { ...answers(endpoint), ...errorAnswers(endpoint) },
  };
}

function answers(endpoint: Endpoint): ZodOpenApiOperationObject['responses'] {
  const entries = Object.entries(endpoint.answers).map(([status, answer]) => {
    const types = [answer.contentType ?? 'application/json'].flat();
    const hasBody = answer.schema !== undefined || answer.contentType !== undefined;
    const media = answer.schema ? { schema: answer.schema } : {};
    const content = hasBody && Object.fromEntries(types.map((type) => [type, media]));
    return [status, { description: answer.description, ...(content && { content }) }];
  });
  return Object.fromEntries(entries);
}
