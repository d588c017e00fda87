/** The same with ragbase's telemetry: server span, both sets of HTTP metrics, JSON access log. */
import { metrics } from '@opentelemetry/api';
import express from 'express';
import { httpTelemetry } from '../../../src/platform/http-telemetry.ts';
import { openLogger } from '../../../src/platform/logger.ts';
import { metricsRoute } from '../../../src/platform/metrics-route.ts';
import { requestId } from '../../../src/platform/request-id.ts';
import { telemetry } from '../../../telemetry/register.ts';
import { serve, thing } from './serve.ts';

const logger = openLogger({ service: 'bench', version: '0', level: 'info', format: 'json' });
const app = express();
app.disable('x-powered-by');
app.use(requestId({ limit: 128 }));
app.use(httpTelemetry({ logger, untraced: (path) => path === '/metrics' }));
app.get('/things/:id', (request, response) => void response.json(thing(request.params.id)));
app.use(metricsRoute({ serveMetrics: telemetry.serveMetrics, metricsAccess: 'open' }));
await serve(app, { makeSeries });

/** An instrument holds 2,000 sets of attributes at most. */
function makeSeries(count: number): void {
  const meter = metrics.getMeter('bench');
  for (let made = 0; made < count; made += 1) {
    const counter = meter.createCounter(`bench_${count}_${Math.floor(made / 1000)}_total`);
    counter.add(1, { path: `/api/v1/things/${made % 1000}`, method: 'GET', status: '200' });
  }
}
