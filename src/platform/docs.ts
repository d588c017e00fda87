import { fileURLToPath } from 'node:url';
import express, { type RequestHandler, Router } from 'express';
import { methodNotAllowed } from './error-response.ts';

const ASSETS = fileURLToPath(new URL('.', import.meta.resolve('swagger-ui-dist/package.json')));

const PAGE = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>ragbase API</title>
  <link rel="icon" href="/docs/favicon-32x32.png">
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="ui"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, tryItOutEnabled: true });\n`;

/** What `docs` answers. */
export const DOCS_PATHS = ['/openapi.json', '/docs', '/docs/start.js', '/docs/:asset'] as const;

/** The OpenAPI document and a readable page of it, all from this server: no script of anyone else's. */
export function docs(document: object): Router {
  const router = Router();
  const send =
    (type: string, body: string): RequestHandler =>
    (_request, response) =>
      void response.type(type).send(body);
  router.get('/openapi.json', (_request, response) => void response.json(document));
  router.get('/docs', send('html', PAGE));
  router.get('/docs/start.js', send('js', START));
  const assets = express.static(ASSETS, { index: false, redirect: false, maxAge: '1d' });
  router.get('/docs/:asset', (request, response, next) => {
    if (!/^(swagger-ui\.css|swagger-ui-bundle\.js|favicon-(16x16|32x32)\.png)$/.test(request.params.asset))
      return next('router');
    request.url = `/${request.params.asset}`;
    assets(request, response, next);
  });
  for (const path of DOCS_PATHS.slice(0, 3)) router.all(path, methodNotAllowed(['get']));
  return router;
}
