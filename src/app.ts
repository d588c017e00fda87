import type { IncomingMessage, ServerResponse } from 'node:http';
import cors from 'cors';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import type { Readiness } from './health/readiness.ts';
import { HEALTH_PATHS, healthRoutes } from './health/routes.ts';
import { authenticate, identify } from './platform/authenticate.ts';
import { forwardedAddresses } from './platform/client-address.ts';
import { DOCS_PATHS, docs } from './platform/docs.ts';
import type { Endpoint } from './platform/endpoint.ts';
import { errorResponse, notFound } from './platform/error-response.ts';
import { httpTelemetry } from './platform/http-telemetry.ts';
import type { KeyRing } from './platform/key-ring.ts';
import type { Logger } from './platform/logger.ts';
import { metricsRoute } from './platform/metrics-route.ts';
import { mountEndpoints } from './platform/mount-endpoints.ts';
import { openApiDocument } from './platform/openapi.ts';
import { announceRefusals } from './platform/refusals.ts';
import { requestId } from './platform/request-id.ts';
import { requireHost } from './platform/require-host.ts';
import { requireToken } from './platform/require-token.ts';
import { routePattern } from './platform/route-pattern.ts';
import { refuseSlowBodies } from './platform/slow-body.ts';
import { whileStarting } from './platform/while-starting.ts';

type ServeMetrics = (request: IncomingMessage, response: ServerResponse) => void;

export interface AppOptions {
  endpoints: readonly Endpoint[];
  readiness: () => Promise<Readiness>;
  /** Until it answers true, the API answers 503. */
  hasStarted: () => boolean;
  /** Of requests, and of those with wrong keys. */
  limits: { requests: RequestHandler; guesses: RequestHandler };
  serveMetrics: ServeMetrics;
  /** Who may read /metrics on the public port: whoever has the token, everybody, or nobody. */
  metricsAccess: Pick<KeyRing, 'match'> | 'open' | 'hidden';
  apiKeys: Pick<KeyRing, 'match'>;
  /** How long the body of a request may stand still, in ms. */
  idleMs: number;
  corsOrigins: readonly string[];
  trustProxy: boolean | number | string;
  /** Whether the sampled flag of a caller's trace decides about the spans here. */
  trustTraceContext: boolean;
  version: string;
  logger: Logger;
}

/** The public ladder: what a request meets, in order. */
export function createApp(options: AppOptions): Express {
  const { endpoints, logger, version } = options;
  announceRefusals();
  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', options.trustProxy);
  app.set('query parser', 'simple');

  app.use(requestId({ limit: 128 }));
  const patternOf = routePattern(publicPaths(endpoints));
  const trustsCaller = options.trustTraceContext;
  app.use(httpTelemetry({ logger, untraced: isProbe, patternOf, trustsCaller, expected: endpoints }));
  app.use(forwardedAddresses({ logger }));
  app.use(helmet({ contentSecurityPolicy: { directives: CONTENT_SECURITY } }));
  app.use(refuseSlowBodies({ idleMs: options.idleMs, least: LEAST_RATE, lingerMs: 30_000 }));
  app.use(requireHost);
  app.use(healthRoutes(options.readiness));
  app.use(metricsRoute(options));
  app.use(cors(corsOptions(options.corsOrigins)));
  app.use('/api/v1', identify({ keys: options.apiKeys }));
  app.use(options.limits.requests);
  app.use(docs(openApiDocument(endpoints, { title: 'ragbase', version, description: DESCRIPTION })));
  app.use(whileStarting(options.hasStarted));
  app.use('/api/v1', options.limits.guesses);
  app.use('/api/v1', authenticate);
  mountEndpoints(app, endpoints, { jsonLimit: 256 * 1024 });
  app.use(notFound);
  app.use(errorResponse({ logger }));
  return app;
}

export interface InternalAppOptions {
  hasStarted: () => boolean;
  endpoints: readonly Endpoint[];
  serveMetrics: ServeMetrics;
  /** `INTERNAL_TOKEN`. */
  tokens: Pick<KeyRing, 'match'>;
  logger: Logger;
}

/** The ladder of the internal port: series for Prometheus, the job contract for workers. */
export function createInternalApp({
  endpoints,
  hasStarted,
  serveMetrics,
  tokens,
  logger,
}: InternalAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(requestId({ limit: 128 }));
  // A sign of life every few seconds for each document would drown what happens to it.
  const untraced = (path: string) => isProbe(path) || path.endsWith('/progress');
  const patternOf = routePattern(endpoints.map(({ path }) => path));
  // Its callers have the token.
  app.use(httpTelemetry({ logger, untraced, patternOf, trustsCaller: true }));
  app.use(metricsRoute({ serveMetrics, metricsAccess: 'open' }));
  app.use(whileStarting(hasStarted));
  app.use('/internal', requireToken(tokens));
  mountEndpoints(app, endpoints, { jsonLimit: 64 * 1024 });
  app.use(notFound);
  app.use(errorResponse({ logger }));
  return app;
}

export interface WorkerAppOptions {
  readiness: () => Promise<Readiness>;
  serveMetrics: ServeMetrics;
  logger: Logger;
}

/** The ladder of the ai-worker's only port. */
export function createWorkerApp({ readiness, serveMetrics, logger }: WorkerAppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(requestId({ limit: 128 }));
  app.use(httpTelemetry({ logger, untraced: isProbe }));
  app.use(healthRoutes(readiness));
  app.use(metricsRoute({ serveMetrics, metricsAccess: 'open' }));
  app.use(notFound);
  app.use(errorResponse({ logger }));
  return app;
}

/** Route patterns of the public port that a limit or the door may refuse. */
export const publicPaths = (endpoints: readonly Endpoint[]): string[] => [
  ...new Set([...endpoints.map(({ path }) => path), ...DOCS_PATHS]),
];

/** Of a body: slower than any line that people have. */
const LEAST_RATE = { bytes: 30 * 1024, windowMs: 30_000 };

const probes: readonly string[] = [...HEALTH_PATHS, '/metrics'];
const isProbe = (path: string): boolean => probes.includes(path);

const DESCRIPTION = 'Document ingestion and retrieval: upload documents, follow them, search what is in them.';

/** For an API and its docs page; helmet's defaults for the rest. */
const CONTENT_SECURITY = {
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'"],
  frameAncestors: ["'none'"],
  // We can't know whether there is TLS before us.
  upgradeInsecureRequests: null,
};

/** No credentials: a key is sent by a script that has it, never by a browser by itself, so that `*` gives nothing away. */
function corsOptions(origins: readonly string[]): cors.CorsOptions {
  return {
    origin: origins.includes('*') ? '*' : [...origins],
    credentials: false,
    exposedHeaders: ['X-Request-Id', 'X-Trace-Id', 'Location', 'Retry-After', 'RateLimit', 'RateLimit-Policy'],
    maxAge: 600,
  };
}
