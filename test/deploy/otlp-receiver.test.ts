import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { type OtlpReceiver, openOtlpReceiver } from '../../deploy/local/otlp-receiver.ts';
import { isWhole, traceTree } from '../../deploy/local/trace-tree.ts';

const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });

function exported(service: string, spans: { spanId: string; parentSpanId?: string; name: string; at: number }[]) {
  return {
    resourceSpans: [
      {
        resource: { attributes: [attribute('service.name', service)] },
        scopeSpans: [
          {
            spans: spans.map(({ at, ...span }) => ({
              traceId: 't1',
              ...span,
              startTimeUnixNano: `${1_800_000_000_000 + at}000000`,
              endTimeUnixNano: `${1_800_000_000_010 + at}000000`,
              attributes: [attribute('kind', 'test')],
              status: { code: span.name === 'broken' ? 2 : 0 },
            })),
          },
        ],
      },
    ],
  };
}

const send = (to: OtlpReceiver, body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) =>
  fetch(`${to.endpoint}/v1/traces`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  }).then(({ status }) => status);

describe('OTLP receiver', () => {
  let receiver: OtlpReceiver;
  beforeEach(async () => {
    receiver = await openOtlpReceiver();
  });
  afterEach(() => receiver.close());

  it('takes spans of two services, plain and gzip, and draws them as one tree', async () => {
    const backend = exported('backend', [
      { spanId: 'a', name: 'upload', at: 0 },
      { spanId: 'd', parentSpanId: 'b', name: 'store', at: 8 },
    ]);
    const worker = exported('worker', [
      { spanId: 'b', parentSpanId: 'a', name: 'process', at: 4 },
      { spanId: 'c', parentSpanId: 'b', name: 'broken', at: 6 },
    ]);
    assert.equal(await send(receiver, JSON.stringify(backend)), 200);
    assert.equal(isWhole(receiver.spans('t1')), false, 'a parent is on its way');
    assert.equal(await send(receiver, gzipSync(JSON.stringify(worker)), { 'content-encoding': 'gzip' }), 200);
    const spans = receiver.spans('t1');
    assert.ok(isWhole(spans));
    assert.deepEqual(spans[0]?.attributes, { kind: 'test' });
    assert.deepEqual(
      traceTree(spans).map(({ label, service, atMs, isError }) => [label, service, Math.round(atMs), isError]),
      [
        ['upload', 'backend', 0, false],
        ['└─ process', 'worker', 4, false],
        ['   ├─ broken', 'worker', 6, true],
        ['   └─ store', 'backend', 8, false],
      ],
    );
    assert.deepEqual(receiver.spans('other'), []);
  });

  it('refuses what it cannot read, and goes on', async () => {
    assert.equal(await send(receiver, 'no json'), 400);
    assert.equal(await send(receiver, '{}'), 400);
    assert.equal(await send(receiver, 'x', { 'content-encoding': 'gzip' }), 400);
    assert.equal(await send(receiver, 'x', { 'content-type': 'application/x-protobuf' }), 415);
    assert.equal(await send(receiver, JSON.stringify(exported('s', []))), 200);
  });
});
