/** The app without telemetry. The request's id is the API's, so that it stays. */
import express from 'express';
import { requestId } from '../../../src/platform/request-id.ts';
import { serve, thing } from './serve.ts';

const app = express();
app.disable('x-powered-by');
app.use(requestId({ limit: 128 }));
app.get('/things/:id', (request, response) => void response.json(thing(request.params.id)));
await serve(app);
