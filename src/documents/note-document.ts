import { trace } from '@opentelemetry/api';
import type { Endpoint } from '../platform/endpoint.ts';
import { addLogFields } from '../platform/logger.ts';
import { ATTR_DOCUMENT_ID } from './attributes.ts';

/** Says on the active span, and on every further log line of this request, which document it is about. */
export function noteDocument(id: string): void {
  addLogFields({ documentId: id });
  trace.getActiveSpan()?.setAttribute(ATTR_DOCUMENT_ID, id);
}

/** The endpoints, those of one document noting which it is. */
export function notingDocuments(endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints.map((endpoint) =>
    endpoint.path.includes('/:id')
      ? {
          ...endpoint,
          handle: (input) => {
            noteDocument((input.params as { id: string }).id);
            return endpoint.handle(input);
          },
        }
      : endpoint,
  );
}
