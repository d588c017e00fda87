import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Service, startService } from '../support/service.ts';

interface Operation {
  method: string;
  path: string;
  parameters: string[];
  statuses: string[];
}

type Described = Record<string, Record<string, { parameters?: { in: string; name: string }[]; responses: object }>>;

/** Text as clients send it, and as they should not. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom('', '0', '-1', '1e9', '\0', '\ud800', '__proto__', "'; --", '%', '*', '../..', 'null', 'NaN'),
  fc.uuid(),
);
const json = fc.oneof(fc.jsonValue({ maxDepth: 5 }), text);

/** Bodies that come close to what is asked for. */
const likely = fc.record(
  {
    query: json,
    limit: fc.oneof(fc.integer(), fc.double(), json),
    mode: fc.oneof(fc.constantFrom('hybrid', 'vector', 'keyword'), json),
    collection: fc.oneof(fc.constant('default'), json),
    filter: fc.oneof(fc.dictionary(text, json, { maxKeys: 5 }), json),
    explain: fc.oneof(fc.boolean(), json),
    name: json,
    content: json,
    format: fc.oneof(fc.constantFrom('txt', 'md', 'html', 'json', 'csv', 'pdf'), json),
    metadata: fc.oneof(fc.dictionary(text, json, { maxKeys: 5 }), json),
    code: fc.oneof(fc.constantFrom('CORRUPT_FILE', 'NO_TEXT'), json),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  likely.map((value) => JSON.stringify(value)),
  fc.tuple(likely, fc.constantFrom('query', 'name,content')).map(([value, keys]) => {
    const kept = Object.entries(value).filter(([key]) => keys.split(',').includes(key) || key === 'collection');
    return JSON.stringify(Object.fromEntries(kept));
  }),
  json.map((value) => JSON.stringify(value)),
  text,
);
const contentType = fc.oneof(
  { weight: 6, arbitrary: fc.constant('application/json') },
  fc.constantFrom(
    'multipart/form-data',
    'multipart/form-data; boundary=b',
    'text/plain',
    'application/json; charset=x',
    '',
  ),
);

describe('generated requests', function suite() {
  this.timeout(180_000);
  let service: Service;
  let operations: Operation[];
  before(async () => {
    service = await startService();
    const { paths } = (await (await service.call('/openapi.json')).json()) as { paths: Described };
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { parameters = [], responses }]) => ({
        method: method.toUpperCase(),
        path,
        parameters: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
        statuses: Object.keys(responses),
      })),
    );
  });
  after(() => service?.stop());

  it('get an answer that is described, and never a 5xx', async () => {
    const request = fc.record({
      index: fc.nat(),
      // With dots alone, or nothing, it would be another address.
      id: fc.oneof(fc.uuid(), text).filter((id) => !/^\.*$/.test(id)),
      query: fc.dictionary(text, text, { maxKeys: 2 }),
      values: fc.array(text, { minLength: 4, maxLength: 4 }),
      body,
      contentType,
    });
    const property = fc.asyncProperty(request, async ({ index, id, query, values, ...sent }) => {
      const operation = operations[index % operations.length] as Operation;
      const { method, path, parameters, statuses } = operation;
      const url = new URL(service.stack.apiUrl + path.replace('{id}', encodeURIComponent(id.toWellFormed())));
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      parameters.forEach((name, at) => {
        if (values[at]) url.searchParams.set(name, values[at]);
      });
      const response = await service.call(url.pathname + url.search, {
        method,
        ...(method === 'POST' && { body: sent.body, headers: { 'content-type': sent.contentType } }),
      });
      const answer = await response.text();
      assert.ok(statuses.includes(String(response.status)), `${method} ${path} answered ${response.status}`);
      assert.ok(response.status < 500, answer);
      assert.match(response.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
      if (response.status < 400) return;
      const error = JSON.parse(answer) as Record<string, unknown>;
      assert.deepEqual(
        [typeof error['error'], typeof error['message'], typeof error['requestId']],
        Array(3).fill('string'),
      );
    });
    await fc.assert(property, { numRuns: 600 });
  });
});
