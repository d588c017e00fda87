import assert from 'node:assert/strict';
import express from 'express';
import request from 'supertest';
import { requestId } from '../../src/platform/request-id.ts';

const app = express()
  .use(requestId({ limit: 128 }))
  .get('/', (_request, response) => void response.end());

describe('request id', () => {
  it('sends back an id that is safe', async () => {
    const response = await request(app).get('/').set('X-Request-Id', 'order-42.a_B');
    assert.equal(response.get('X-Request-Id'), 'order-42.a_B');
  });

  for (const [what, id] of Object.entries({ spaces: 'a b', markup: '<b>', 'too long': 'a'.repeat(129) })) {
    it(`replaces one with ${what}`, async () => {
      const response = await request(app).get('/').set('X-Request-Id', id);
      assert.match(response.get('X-Request-Id') ?? '', /^[0-9a-f-]{36}$/);
    });
  }
});
