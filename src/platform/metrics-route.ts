import type { IncomingMessage, ServerResponse } from 'node:http';
import { Router } from 'express';
import { bearerToken, secretMatcher } from './secrets.ts';

export interface MetricsRouteOptions {
  serveMetrics: (request: IncomingMessage, response: ServerResponse) => void;
  metricsAccess: { token: string } | 'open' | 'hidden';
}

/** `GET /metrics`. To whom it is not open it does not exist: the ladder goes on to its 404. */
export function metricsRoute({ serveMetrics, metricsAccess }: MetricsRouteOptions): Router {
  const match = typeof metricsAccess === 'object' ? secretMatcher([metricsAccess.token]) : undefined;
  const router = Router();
  router.get('/metrics', (request, response, next) => {
    const given = bearerToken(request.get('authorization'));
    const allowed =
      metricsAccess === 'open' || (match !== undefined && given !== undefined && match(given) !== undefined);
    if (allowed) serveMetrics(request, response);
    else next('router');
  });
  return router;
}
