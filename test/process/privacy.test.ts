import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { type EmbeddingsServer, respond, startEmbeddingsServer } from '../embeddings/embeddings-server.ts';
import { type Collector, openCollector } from '../support/collector.ts';
import { openPgliteDatabase } from '../support/pglite-database.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { createServerDatabase } from '../support/server-database.ts';
import { type Service, type ShownDocument, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Each of its own, so that a failure says what leaked; of one word, so that nothing changes it on its way. */
const CANARIES = {
  apiKey: 'canarykey7f3a91c2d4e5',
  wrongKey: 'canarywrongkey8b1c',
  text: 'canarytextmoorhen',
  heading: 'canaryheadingplover',
  fileName: 'canarynamedunlin',
  query: 'canaryquerycurlew',
  metadata: 'canarymetasanderling',
  rawPath: 'canarypathwhimbrel',
  header: 'canaryheadergodwit',
  databasePassword: 'canarydbpassknot',
  redisPassword: 'canaryredispassruff',
  internalToken: 'canaryinternaltokenstint',
  metricsToken: 'canarymetricstokensnipe',
  embeddingKey: 'canaryembedkeyavocet',
} as const;

/** Everything that leaves the service without being what a client asked for. */
interface Evidence {
  spans: string;
  lines: string;
  series: string;
  errors: string;
}

describe('what was entrusted to the service', function suite() {
  this.timeout(240_000);
  const errors: string[] = [];
  let collector: Collector;
  let provider: EmbeddingsServer;
  let redis: RedisServer;
  let database: CanaryDatabase;
  let service: Service;
  let evidence: Evidence;

  before(async () => {
    [collector, provider, redis, database] = await Promise.all([
      openCollector(),
      startEmbeddingsServer(),
      openRedisServer(),
      openDatabase(),
    ]);
    await redis.command('CONFIG', 'SET', 'requirepass', CANARIES.redisPassword);
    service = await startService({
      API_KEY: CANARIES.apiKey,
      INTERNAL_TOKEN: CANARIES.internalToken,
      METRICS_TOKEN: CANARIES.metricsToken,
      DATABASE_URL: database.url,
      DATABASE_POOL_SIZE: database.poolSize,
      REDIS_URL: `redis://:${CANARIES.redisPassword}@127.0.0.1:${redis.port}`,
      ...provider.settings,
      EMBEDDING_API_KEY: CANARIES.embeddingKey,
      MAX_ATTEMPTS: '1',
      LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    });
    await succeed();
    await failAtTheDoor();
    await failInside();
    evidence = await collect();
  });
  after(async () => {
    await service?.stop();
    await Promise.all([collector?.close(), provider?.close(), redis?.close(), database?.close()]);
  });

  /** A call whose error, if it is one, is kept. */
  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await service.call(path, init);
    if (response.status >= 400) errors.push(JSON.stringify([...response.headers]), await response.clone().text());
    return response;
  }
  const post = (path: string, body: unknown) =>
    call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const search = (body: object = {}) => post('/api/v1/search', { query: CANARIES.query, ...body });

  async function upload(options: { name?: string; content: string; metadata?: string }): Promise<Response> {
    const form = new FormData();
    form.set('metadata', options.metadata ?? JSON.stringify({ bird: CANARIES.metadata }));
    form.set('file', new Blob([options.content]), options.name ?? `${CANARIES.fileName}.md`);
    return call('/api/v1/documents', { method: 'POST', body: form });
  }
  const text = () => `# ${CANARIES.heading}\n\n${CANARIES.text} ${randomUUID()}`;

  async function settle(response: Response): Promise<ShownDocument> {
    assert.equal(response.status, 202);
    return service.settled(((await response.json()) as ShownDocument).id);
  }

  async function succeed(): Promise<void> {
    const done = await settle(await upload({ content: text() }));
    assert.equal(done.status, 'completed');
    for (const mode of ['hybrid', 'vector', 'keyword'])
      assert.equal((await search({ mode, filter: { bird: CANARIES.metadata }, explain: true })).status, 200);
    for (const path of ['', '/content', '/chunks', '/events']) await call(`/api/v1/documents/${done.id}${path}`);
    await settle(await call(`/api/v1/documents/${done.id}/reprocess`, { method: 'POST' }));
    assert.equal((await call(`/api/v1/documents/${done.id}`, { method: 'DELETE' })).status, 204);
  }

  async function failAtTheDoor(): Promise<void> {
    const statuses = [
      await upload({ content: '' }),
      await upload({ name: `${CANARIES.fileName}.${CANARIES.text}`, content: '\0\x01' }),
      await upload({ name: `${CANARIES.fileName}.pdf`, content: text() }),
      await upload({ content: text(), metadata: `{"bird": ${CANARIES.metadata}` }),
      await upload({ content: text(), metadata: JSON.stringify({ bird: `${CANARIES.metadata}\0` }) }),
      await post('/api/v1/documents', `{"name": ${CANARIES.fileName}, "content": ${CANARIES.text}`),
      await post('/api/v1/documents', { name: CANARIES.fileName, content: CANARIES.text, format: CANARIES.metadata }),
      await search({ query: `${CANARIES.query}\0` }),
      await search({ mode: CANARIES.query, filter: { bird: { not: CANARIES.metadata } } }),
      await call(`/api/v1/documents/${CANARIES.rawPath}`),
      await call(`/api/v1/documents?cursor=${CANARIES.query}&status=${CANARIES.query}`),
      await call(`/${CANARIES.rawPath}?q=${CANARIES.query}`),
      await call('/api/v1/stats', { headers: { 'x-api-key': CANARIES.wrongKey } }),
      await call('/api/v1/stats', { headers: { 'x-api-key': '', authorization: `Bearer ${CANARIES.wrongKey}` } }),
      await call('/%E0%A4%A', { headers: { 'x-request-id': `${CANARIES.header}!`, 'user-agent': CANARIES.header } }),
    ].map((response) => response.status);
    assert.ok(
      statuses.every((status) => status >= 400 && status < 500),
      `each is refused: ${statuses}`,
    );
  }

  async function failInside(): Promise<void> {
    const broken = await settle(
      await upload({ name: `${CANARIES.fileName}.json`, content: `{"a": "${CANARIES.text}` }),
    );
    const cut = await settle(await upload({ name: `${CANARIES.fileName}.pdf`, content: `%PDF-1.7\n${CANARIES.text}` }));
    // A provider that repeats what it was sent, as they do.
    const echo = { error: { message: `${CANARIES.text} ${CANARIES.embeddingKey}`, code: CANARIES.text } };
    provider.answers.push((_body, response) => respond(response, 400, echo));
    const refused = await settle(await upload({ content: text() }));
    assert.deepEqual([broken.status, cut.status, refused.status], ['failed', 'failed', 'failed']);
    provider.answers.push((_body, response) => respond(response, 400, echo));
    assert.equal((await search()).status, 503);

    await database.execute(REFUSE);
    assert.equal((await upload({ name: `refused-${CANARIES.fileName}.md`, content: text() })).status, 500);

    await redis.kill();
    assert.equal((await upload({ content: text() })).status, 202, 'accepted without the queue');
    await until(() => service.lines.some((line) => line.includes('queue fails')));
    await database.stop();
    assert.equal((await search({ mode: 'keyword' })).status, 503);
    assert.equal((await upload({ content: text() })).status, 503);
  }

  async function collect(): Promise<Evidence> {
    const { metricsUrl, workerUrl } = service.stack;
    const series = await Promise.all(
      [metricsUrl, `${workerUrl}/metrics`].map(async (url) => (await fetch(url)).text()),
    );
    await service.stop();
    return {
      spans: collector.bodies.join('\n'),
      lines: service.lines.join('\n'),
      series: series.join('\n'),
      errors: errors.join('\n'),
    };
  }

  it('was there to be leaked', () => {
    assert.match(evidence.spans, /"INSERT INTO documents /);
    assert.match(evidence.spans, /"evalsha"/);
    assert.match(evidence.spans, /embeddings m/);
    assert.match(evidence.lines, /"request failed"/);
    assert.match(evidence.series, /^documents_processed_total\{status="failed",format="pdf",lane="heavy"\} 1$/m);
    assert.ok(errors.length > 20);
  });

  for (const [what, canary] of Object.entries(CANARIES)) {
    it(`is in no span, log line, series or error: ${what}`, () => {
      for (const [where, found] of Object.entries(evidence)) assertNone(found, canary, `${what} in ${where}`);
    });
  }

  it('and no address of a client is, either', () => {
    for (const where of ['spans', 'series', 'errors'] as const)
      assertNone(evidence[where], '127.0.0.1', `an address in ${where}`);
    // What the launcher says to its user names addresses: they are what it is for.
    const services = evidence.lines.split('\n').filter((line) => /^(backend|worker) /.test(line));
    assertNone(services.join('\n'), '127.0.0.1', 'an address in lines');
  });
});

function assertNone(text: string, canary: string, what: string): void {
  const at = text.toLowerCase().indexOf(canary);
  assert.equal(at, -1, `${what}: …${text.slice(Math.max(0, at - 200), at + 100)}…`);
}

/** An error whose message and detail quote the row, as those of drivers may. */
const REFUSE = `
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'refused: %', NEW.name USING DETAIL = NEW.metadata::text; END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON documents FOR EACH ROW WHEN (NEW.name LIKE 'refused%') EXECUTE FUNCTION refuse()`;

interface CanaryDatabase {
  /** With a password that nobody checks. */
  url: string;
  poolSize: string;
  execute(statements: string): Promise<void>;
  /** Nobody can connect any more. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

async function openDatabase(): Promise<CanaryDatabase> {
  const server = process.env['TEST_DATABASE_URL'];
  if (server === undefined) {
    const { url, execute, close } = await openPgliteDatabase();
    return { url: withPassword(url), poolSize: '1', execute, stop: close, close: async () => undefined };
  }
  const { url, close } = await createServerDatabase(server);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return {
    url: withPassword(url),
    poolSize: '5',
    execute: async (statements) => void (await client.query(statements)),
    stop: async () => {
      await client.end();
      await close();
    },
    close: async () => undefined,
  };
}

function withPassword(url: string): string {
  const changed = new URL(url);
  changed.password = CANARIES.databasePassword;
  return changed.href;
}
