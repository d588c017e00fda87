import type { IRouter, RequestHandler } from 'express';
import type { z } from 'zod';
import { clientSignal } from './client-signal.ts';
import type { Endpoint } from './endpoint.ts';
import { methodNotAllowed } from './error-response.ts';
import { DomainError, type ErrorDetail } from './errors.ts';
import { jsonBody } from './json-body.ts';

/**
 * Serves endpoints, each under its full path, so that the matched route is the pattern of spans and
 * series; any other method on the same paths is answered 405.
 * @param options.jsonLimit largest JSON body, in bytes.
 */
export function mountEndpoints(router: IRouter, endpoints: readonly Endpoint[], options: { jsonLimit: number }): void {
  const json = jsonBody({ limit: options.jsonLimit });
  for (const endpoint of endpoints) {
    const readsJson = endpoint.body !== undefined && endpoint.rawBody === undefined;
    router[endpoint.method](endpoint.path, ...(readsJson ? json : []), serve(endpoint));
  }
  for (const path of new Set(endpoints.map((endpoint) => endpoint.path))) {
    router.all(path, methodNotAllowed(endpoints.filter((other) => other.path === path).map((other) => other.method)));
  }
}

function serve(endpoint: Endpoint): RequestHandler {
  return async function serveEndpoint(request, response) {
    let signal: AbortSignal | undefined;
    const reply = await endpoint.handle({
      params: validated(endpoint.params, request.params, 'path'),
      query: validated(endpoint.query, request.query, 'query'),
      body: endpoint.rawBody ? undefined : validated(endpoint.body, request.body, 'body'),
      request,
      response,
      get signal() {
        signal ??= clientSignal(response);
        return signal;
      },
    });
    if (!reply) return;
    response.status(reply.status).set(reply.headers ?? {});
    if (reply.body === undefined) response.end();
    else response.json(reply.body);
  };
}

function validated(schema: z.ZodType | undefined, value: unknown, part: string): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalidRequest(parsed.error, part);
}

/** A `DomainError` with one detail a fault, from what zod found. */
export function invalidRequest(error: z.ZodError, part: string): DomainError {
  const details: ErrorDetail[] = error.issues.slice(0, 20).map((issue) => ({
    path: [part, ...issue.path.map(String)].join('.').slice(0, 200),
    message: issue.message.slice(0, 300),
  }));
  return new DomainError('INVALID_REQUEST', `The ${part} is not valid: see details.`, { details });
}
