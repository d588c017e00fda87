import { Router } from 'express';
import { methodNotAllowed } from '../platform/error-response.ts';
import type { Readiness } from './readiness.ts';

/** Probes come every few seconds from every side: they are neither traced, logged, limited nor guarded. */
export const HEALTH_PATHS = ['/health', '/live', '/ready'] as const;

/** Liveness is constant and touches nothing; readiness is honest. */
export function healthRoutes(readiness: () => Promise<Readiness>): Router {
  const router = Router();
  router.get('/health', (_request, response) => void response.json({ status: 'ok' }));
  router.get('/live', (_request, response) => void response.json({ alive: true }));
  router.get('/ready', async (_request, response) => {
    const { ready, body } = await readiness();
    response.status(ready ? 200 : 503).json(body);
  });
  for (const path of HEALTH_PATHS) router.all(path, methodNotAllowed(['get']));
  return router;
}
