import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';

/** What an endpoint answers with a given status. */
export interface Answer {
  description: string;
  /** Shape of a JSON body; none for an empty one. */
  schema?: z.ZodType;
  /** For anything but JSON, e.g. `text/event-stream`. */
  contentType?: string | readonly string[];
}

/**
 * One call of the API, declared once: `mount-endpoints.ts` validates by its schemas and serves it,
 * `openapi.ts` describes it, so that the two can't differ.
 */
export interface Endpoint<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  method: 'get' | 'post' | 'put' | 'delete';
  /** Full path in Express syntax (`/api/v1/documents/:id`): it is the route pattern of spans and series. */
  path: `/${string}`;
  operationId: string;
  summary: string;
  description?: string;
  tag: string;
  params?: Params;
  query?: Query;
  /** Shape of a JSON body; with `rawBody`, only described. */
  body?: Body;
  /** The handler reads the body from the request stream itself. */
  rawBody?: { contentTypes: Record<string, z.ZodType> };
  answers: Record<number, Answer>;
  /** Beyond those that any call may meet (401, 429, 500, 503). */
  errors: readonly ErrorCode[];
  /** Returns the reply, or nothing where it wrote to the response itself. A rejection becomes an error answer. */
  handle(input: Input<Params, Query, Body>): Promise<Reply | undefined> | Reply | undefined;
}

/** A validated request. */
export interface Input<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  params: z.output<Params>;
  query: z.output<Query>;
  body: z.output<Body>;
  request: Request;
  response: Response;
  /** Aborts when the client leaves before its answer: for work that takes its time. Made when it is first asked for. */
  readonly signal: AbortSignal;
}

/** What a handler answers: a JSON body or none. */
export interface Reply {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Declares an endpoint; only the types need the call. */
export function endpoint<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  declaration: Endpoint<P, Q, B>,
): Endpoint {
  return declaration as unknown as Endpoint;
}
