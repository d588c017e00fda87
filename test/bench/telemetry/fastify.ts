/** The same endpoint on Fastify, with pino's access log and prom-client's histogram. */
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { collectDefaultMetrics, Histogram, register } from 'prom-client';
import { answerParent, thing } from './serve.ts';

collectDefaultMetrics();
const duration = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'Duration of requests',
  labelNames: ['method', 'path', 'status'],
  buckets: [0.01, 0.05, 0.1, 0.5, 1, 2, 5],
});
const app = Fastify({ logger: true });
app.addHook('onResponse', async (request, reply) => {
  const labels = { method: request.method, path: request.routeOptions.url ?? 'unmatched', status: reply.statusCode };
  duration.observe(labels, reply.elapsedTime / 1000);
});
app.get<{ Params: { id: string } }>('/things/:id', async (request) => thing(request.params.id));
app.get('/metrics', async (_request, reply) => reply.type('text/plain').send(await register.metrics()));
await app.listen({ host: '127.0.0.1', port: 0 });
answerParent((app.server.address() as AddressInfo).port);
