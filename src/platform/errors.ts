import type { RefusalReason } from './refusals.ts';

/** Every code that an API client can meet in `error`. */
export type ErrorCode =
  | 'INVALID_REQUEST'
  | 'UNAUTHORIZED'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'REQUEST_TIMEOUT'
  | 'CONFLICT'
  | 'INCOMPATIBLE'
  | 'FILE_TOO_LARGE'
  | 'UNSUPPORTED_FORMAT'
  | 'EMPTY_DOCUMENT'
  | 'RATE_LIMITED'
  | 'QUEUE_FULL'
  | 'HEADERS_TOO_LARGE'
  | 'INTERNAL'
  | 'UNAVAILABLE';

/** One thing that is wrong with a request: where it stands and what is expected there. */
export interface ErrorDetail {
  path: string;
  message: string;
}

/**
 * An error that a client is told of, by code. It knows no HTTP: `httpStatus` in
 * `error-response.ts` is the only table from codes to statuses.
 */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  readonly code: ErrorCode;
  readonly details: ErrorDetail[] | undefined;
  /** Seconds after which it is worth trying again. */
  readonly retryAfter: number | undefined;
  /** Where somebody is turned away for the sake of others: the reason, for its series. */
  readonly refusal: RefusalReason | undefined;

  /** @param message what to do about it, in words for the client; never document text, never a key. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: ErrorDetail[]; retryAfter?: number; refusal?: RefusalReason; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryAfter = options.retryAfter;
    this.refusal = options.refusal;
  }
}

/** Whatever was thrown, as an `Error`; anything else becomes the cause of one. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('a value that is no Error was thrown', { cause: thrown });
}

/** A short, bounded name of an error for `error.type` and logs: its code or class, never its message. */
export function errorType(thrown: unknown): string {
  const { code, name } = toError(thrown) as Error & { code?: unknown };
  return typeof code === 'string' && /^[A-Za-z0-9_]{1,64}$/.test(code) ? code : name;
}

/**
 * Sockets that broke, and the SQLSTATE classes of a server that is away, full, starting, read-only, lets nobody in, or is
 * too busy for a statement: 28 (password), 40 (serialization, deadlock), 55 (locks), 57 (operator, timeouts).
 */
const UNAVAILABLE_CODES = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN|08|25006|25P03|28|40|53|55|57)/;

/** SQLSTATEs of values that a client can send past our checks: encodings, dates, numbers, patterns, paths; not of a division by 0. */
const INVALID_VALUE_CODES = /^22(?!012)/;

/** Whether the database refuses a value that a client has sent. */
export const isInvalidValue = (thrown: unknown): boolean => INVALID_VALUE_CODES.test(errorType(thrown));

/** Whether there is no room left on a disk: ours, or that of Postgres. Nothing but a person helps. */
export function isDiskFull(thrown: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', '53100'].includes(errorType(thrown));
}

/** Whether a part that we depend on is away: worth trying again, and nobody's mistake. */
export function isUnavailable(thrown: unknown): boolean {
  const { code, message } = toError(thrown) as Error & { code?: unknown };
  if (typeof code === 'string') return UNAVAILABLE_CODES.test(code);
  // pg gives these no code.
  return /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/.test(
    message,
  );
}
