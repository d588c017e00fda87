/** The app with winston's JSON access log, as its documentation writes one; for packages that add the rest. */
import express from 'express';
import winston from 'winston';
import { requestId } from '../../../src/platform/request-id.ts';
import { serve, thing } from './serve.ts';

const logger = winston.createLogger({
  format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
  defaultMeta: { service: 'bench', version: '0' },
  transports: [new winston.transports.Console()],
});
const app = express();
app.disable('x-powered-by');
app.use(requestId({ limit: 128 }));
app.use((request, response, next) => {
  const started = performance.now();
  response.on('finish', () =>
    logger.info('request', {
      method: request.method,
      route: request.route?.path ?? 'unmatched',
      status: response.statusCode,
      durationMs: performance.now() - started,
      bytes: Number(response.getHeader('content-length')),
      requestId: response.locals['requestId'],
    }),
  );
  next();
});
app.get('/things/:id', (request, response) => void response.json(thing(request.params.id)));
await serve(app);
