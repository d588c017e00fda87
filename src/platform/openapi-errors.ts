import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import type { Endpoint } from './endpoint.ts';
import { ERROR_EXAMPLES } from './error-examples.ts';
import { HTTP_STATUS } from './error-response.ts';
import type { ErrorCode } from './errors.ts';

/** What any call may meet: from its parts, the key, the limits, or what the service stands on. */
const EVERYWHERE: readonly ErrorCode[] = [
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'RATE_LIMITED',
  'HEADERS_TOO_LARGE',
  'INTERNAL',
  'UNAVAILABLE',
];
const WITH_BODY: readonly ErrorCode[] = ['REQUEST_TIMEOUT', 'FILE_TOO_LARGE', 'UNSUPPORTED_FORMAT'];

const CODES = Object.keys(HTTP_STATUS) as [ErrorCode, ...ErrorCode[]];

const errorSchema = z
  .object({
    error: z.enum(CODES).meta({ description: 'What went wrong, as a code to branch on', example: 'INVALID_REQUEST' }),
    message: z.string().meta({ description: 'What to do about it' }),
    requestId: z.string().meta({ description: 'As in X-Request-Id; quote it when you report an error' }),
    traceId: z.string().optional(),
    details: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'What is wrong where, with INVALID_REQUEST' }),
    retryAfter: z.number().optional().meta({ description: 'Seconds; with RATE_LIMITED' }),
  })
  .meta({ id: 'Error' });

/** The error answers of an endpoint, by status: those that it declares, and those that any such call may meet. */
export function errorAnswers({ errors, body, rawBody }: Endpoint): Record<string, ZodOpenApiResponseObject> {
  const codes = new Set([...errors, ...EVERYWHERE, ...(body || rawBody ? WITH_BODY : [])]);
  const byStatus = Map.groupBy(codes, (code) => HTTP_STATUS[code]);
  return Object.fromEntries([...byStatus].map(([status, ofStatus]) => [String(status), errorAnswer(ofStatus)]));
}

/** Every error of the service by its code, for those that belong to no call, such as a wrong method. */
export function errorResponses(): Record<string, ZodOpenApiResponseObject> {
  return Object.fromEntries(CODES.map((code) => [code, errorAnswer([code])]));
}

function errorAnswer(codes: readonly ErrorCode[]): ZodOpenApiResponseObject {
  const [status = 500] = codes.map((code) => HTTP_STATUS[code]);
  const headers = HEADERS[status];
  return {
    description: `${STATUS_CODES[status]}: ${codes.join(', ')}`,
    ...(headers && { headers }),
    content: {
      'application/json': {
        schema: errorSchema,
        examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }])),
      },
    },
  };
}

const header = (description: string) => ({ description, schema: { type: 'string' as const } });
const retryAfter = { 'Retry-After': header('Seconds after which it is worth trying again') };

/** What an error carries in its headers, by status. */
const HEADERS: Partial<Record<number, Record<string, ReturnType<typeof header>>>> = {
  401: { 'WWW-Authenticate': header('How to authenticate') },
  405: { Allow: header('The methods that are answered') },
  429: {
    ...retryAfter,
    RateLimit: header('What is left of the limit, by draft-ietf-httpapi-ratelimit-headers-08'),
    'RateLimit-Policy': header('The limit'),
  },
  503: retryAfter,
};

const exampleOf = (code: ErrorCode) => ({
  error: code,
  requestId: '5b0c2a4e-6f1d-4a57-9d57-6a4ad4a4a0c3',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  ...ERROR_EXAMPLES[code],
});
