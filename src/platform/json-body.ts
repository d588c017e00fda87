import express, { type Request, type Response } from 'express';
import { DomainError } from './errors.ts';

/**
 * Reads a JSON body where a handler, not the ladder, decides that there is one.
 * @param options.limit in bytes.
 * @throws DomainError `UNSUPPORTED_FORMAT` for another content type; body-parser's errors for a bad body.
 */
export function readJsonBody(request: Request, response: Response, options: { limit: number }): Promise<unknown> {
  if (!request.is('application/json'))
    throw new DomainError('UNSUPPORTED_FORMAT', 'Send multipart/form-data with a file, or application/json.');
  return new Promise((resolve, reject) => {
    express.json({ limit: options.limit })(request, response, (error?: unknown) =>
      error ? reject(error) : resolve(request.body),
    );
  });
}
