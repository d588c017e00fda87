import type { ErrorCode, ErrorDetail } from './errors.ts';

interface Example {
  message: string;
  details?: ErrorDetail[];
  retryAfter?: number;
}

/** What each error says, for the description of the API. */
export const ERROR_EXAMPLES: Record<ErrorCode, Example> = {
  INVALID_REQUEST: {
    message: 'The query is not valid: see details.',
    details: [{ path: 'query.limit', message: 'Too big: expected number to be <=200' }],
  },
  UNAUTHORIZED: { message: 'Send an API key, as X-API-Key or as a bearer token.' },
  NOT_FOUND: { message: 'There is no document with this id.' },
  METHOD_NOT_ALLOWED: { message: 'This address answers GET, HEAD, OPTIONS, and nothing else.' },
  REQUEST_TIMEOUT: { message: 'The body stopped arriving. Send the request again.' },
  CONFLICT: { message: 'The attempt is not, or no longer, yours. Drop it.' },
  INCOMPATIBLE: {
    message: 'The ai-worker speaks edition 1 of the job contract, the backend 3. Run both from one version.',
  },
  FILE_TOO_LARGE: { message: 'The document is larger than 50 MB, the limit here.' },
  UNSUPPORTED_FORMAT: { message: 'The file looks like png, but the name says txt. Supported formats: txt, md, html.' },
  EMPTY_DOCUMENT: { message: 'The document is empty.' },
  RATE_LIMITED: { message: 'Too many requests. Try again in 42 s.', retryAfter: 42 },
  QUEUE_FULL: { message: '10000 documents are waiting already. Send this one later.' },
  HEADERS_TOO_LARGE: { message: 'The address and headers are larger than 16 KB together.' },
  INTERNAL: { message: 'Something went wrong on our side. Quote the requestId when you report it.' },
  UNAVAILABLE: { message: 'A part of the service is away. Try again in a moment.' },
};
