import { type Attributes, type Span, trace } from '@opentelemetry/api';
import { errorType } from '../platform/errors.ts';
import { markFailed } from '../platform/mark-failed.ts';

/** Runs `work` within a span of its own, which learns of an error by its code alone: never a query's text. */
export function inSpan<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer('ragbase.search').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      markFailed(span, errorType(error));
      throw error;
    } finally {
      span.end();
    }
  });
}
