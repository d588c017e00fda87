import { type Endpoint, endpoint } from '../platform/endpoint.ts';
import { activeTraceId } from '../platform/trace-id.ts';
import { createSearchMetrics } from './metrics.ts';
import { searchAnswer, searchBody } from './schemas.ts';
import { type SearchDeps, search } from './search.ts';

/** Searching documents. */
export function searchEndpoints(given: Omit<SearchDeps, 'metrics'>): Endpoint[] {
  const deps = { ...given, metrics: createSearchMetrics() };
  return [
    endpoint({
      method: 'post',
      path: '/api/v1/search',
      operationId: 'search',
      summary: 'Search documents',
      description:
        'Finds the chunks that answer a query best. Only whole documents are found; a collection that does not exist is an empty one.',
      tag: 'search',
      body: searchBody,
      answers: { 200: { description: 'The best chunks', schema: searchAnswer } },
      errors: ['INVALID_REQUEST'],
      handle: async ({ body: { explain, ...request }, signal }) => {
        const answer = await search(deps, request, signal);
        const traceId = activeTraceId() ?? null;
        const { results, mode, tookMs } = answer;
        return { status: 200, body: { results, mode, tookMs, traceId, ...(explain && { explain: answer.explain }) } };
      },
    }),
  ];
}
