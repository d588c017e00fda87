import { type Endpoint, endpoint } from '../platform/endpoint.ts';
import { occurrenceSchema, type Report } from './occurrence.ts';

export const REPORT_PATH = '/internal/alerts';

/** Takes what an ai-worker reports: it reaches the backend, and nothing outside. */
export function alertEndpoints(report: Report): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: REPORT_PATH,
      operationId: 'reportError',
      summary: 'Report an error of an ai-worker',
      tag: 'internal',
      body: occurrenceSchema,
      answers: { 202: { description: 'Noted' } },
      errors: ['INVALID_REQUEST'],
      handle: ({ body }) => {
        report(body);
        return { status: 202 };
      },
    }),
  ];
}
