import { type Span, SpanStatusCode } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions';

/** @param type a code, as `errorType` makes it; never a message, which would go wherever traces go. */
export function markFailed(span: Span | undefined, type: string): void {
  span?.setAttribute(ATTR_ERROR_TYPE, type).setStatus({ code: SpanStatusCode.ERROR });
}
