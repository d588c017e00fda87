import express, { type Request, type RequestHandler } from 'express';
import { DomainError } from './errors.ts';
import { faultOfJson } from './json-depth.ts';
import { type ReadBodyOptions, readBody } from './read-body.ts';

/** Middlewares that read a JSON body of `limit` bytes at most. Where there is none, the schema says whether one is needed. */
export function jsonBody({ limit }: { limit: number }): RequestHandler[] {
  return [requireJson, express.json({ limit, strict: false }), refuseHostileJson];
}

/**
 * Reads a JSON body where a handler, not the ladder, decides that there is one.
 * @throws DomainError `UNSUPPORTED_FORMAT` for another content type or charset, `INVALID_REQUEST` for what is no JSON, or as
 * `readBody` does.
 */
export async function readJsonBody(request: Request, options: ReadBodyOptions): Promise<unknown> {
  if (!request.is('application/json'))
    throw new DomainError('UNSUPPORTED_FORMAT', 'Send multipart/form-data with a file, or application/json.');
  const charset = charsetOf(request);
  const value = parsedJson(new TextDecoder(charset).decode(await readBody(request, options)));
  const message = faultOfJson(value);
  if (message !== undefined) throw hostileJson(message);
  return value;
}

/** @see https://www.rfc-editor.org/rfc/rfc8259#section-8.1 */
function charsetOf(request: Request): string {
  const charset = /;\s*charset="?([^\s;"]+)/i.exec(request.get('content-type') ?? '')?.[1] ?? 'utf-8';
  if (/^utf-(8|16|16le|16be)$/i.test(charset)) return charset;
  throw new DomainError('UNSUPPORTED_FORMAT', 'Send the body as UTF-8.');
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DomainError('INVALID_REQUEST', 'The body is not valid JSON.', { cause });
  }
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
  next(hostileJson(message));
};

const hostileJson = (message: string): DomainError =>
  new DomainError('INVALID_REQUEST', 'The body is not valid: see details.', { details: [{ path: 'body', message }] });
