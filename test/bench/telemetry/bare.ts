/** Express and nothing else. */
import express from 'express';
import { serve, thing } from './serve.ts';

const app = express();
app.disable('x-powered-by');
app.get('/things/:id', (request, response) => void response.json(thing(request.params.id)));
await serve(app);
