import express, { type Request, type RequestHandler, type Response } from 'express';
import { DomainError } from './errors.ts';
import { faultOfJson } from './json-depth.ts';

/** Middlewares that read a JSON body of `limit` bytes at most. Where there is none, the schema says whether one is needed. */
export function jsonBody({ limit }: { limit: number }): RequestHandler[] {
  return [requireJson, express.json({ limit, strict: false }), refuseHostileJson];
}

/**
 * Reads a JSON body where a handler, not the ladder, decides that there is one.
 * @param options.limit in bytes.
 * @throws DomainError `UNSUPPORTED_FORMAT` for another content type; body-parser's errors for a bad body.
 */
export async function readJsonBody(request: Request, response: Response, options: { limit: number }): Promise<unknown> {
  if (!request.is('application/json'))
    throw new DomainError('UNSUPPORTED_FORMAT', 'Send multipart/form-data with a file, or application/json.');
  for (const step of jsonBody(options))
    await new Promise<void>((resolve, reject) => {
      void step(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
    });
  return request.body;
}

const requireJson: RequestHandler = function requireJsonBody(request, _response, next) {
  if (request.is('application/json')) return next();
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (Number(length ?? 0) === 0 && encoding === undefined) return next();
  next(new DomainError('UNSUPPORTED_FORMAT', 'Send the body as application/json.'));
};

const refuseHostileJson: RequestHandler = function checkJson(request, _response, next) {
  const message = faultOfJson(request.body);
  if (message === undefined) return next();
  const details = [{ path: 'body', message }];
  next(new DomainError('INVALID_REQUEST', 'The body is not valid: see details.', { details }));
};
