import type { IncomingMessage, ServerResponse } from 'node:http';
import { Router } from 'express';
import type { KeyRing } from './key-ring.ts';
import { bearerToken } from './secrets.ts';

export interface MetricsRouteOptions {
  serveMetrics: (request: IncomingMessage, response: ServerResponse) => void;
  /** Whoever has a token of the ring, everybody, or nobody. */
  metricsAccess: Pick<KeyRing, 'match'> | 'open' | 'hidden';
}

/** `GET /metrics`. To whom it is not open it does not exist: the ladder goes on to its 404. */
export function metricsRoute({ serveMetrics, metricsAccess }: MetricsRouteOptions): Router {
  const tokens = typeof metricsAccess === 'object' ? metricsAccess : undefined;
  const router = Router();
  router.get('/metrics', (request, response, next) => {
    const given = bearerToken(request.get('authorization'));
    const allowed = metricsAccess === 'open' || (given !== undefined && tokens?.match(given) !== undefined);
    if (allowed) serveMetrics(request, response);
    else next('router');
  });
  return router;
}
