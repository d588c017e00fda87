import assert from 'node:assert/strict';
import type { AlertMessage } from '../../src/alerting/webhook.ts';
import { webhookBody } from '../../src/alerting/webhook-body.ts';

const message: AlertMessage = {
  text: '[ragbase error] could not <store> & @everyone, 5 times within an hour',
  level: 'error',
  message: 'could not <store> & @everyone',
  context: { service: 'ragbase-backend', count: 5 },
  timestamp: '2026-01-01T00:00:00.000Z',
  traceId: null,
};
const words = `${message.text}\nservice: ragbase-backend\ncount: 5\n${message.timestamp}`;

describe('the body of a webhook', () => {
  it('is the message itself for whoever is not known', () => {
    for (const url of [
      'https://alerts.example.org/hook',
      'https://hooks.slack.com.example.org/x',
      'http://discord.local/',
    ])
      assert.deepEqual(webhookBody(message, url), message, url);
  });

  it('is text for Slack, in which nothing is a link or calls anybody', () => {
    const text = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    assert.deepEqual(webhookBody(message, 'https://hooks.slack.com/services/T0/B0/x'), { text });
  });

  it('is content for Discord, not longer than it takes, that calls nobody', () => {
    const allowed_mentions = { parse: [] };
    for (const host of ['discord.com', 'discordapp.com', 'ptb.discord.com'])
      assert.deepEqual(webhookBody(message, `https://${host}/api/webhooks/1/x`), { content: words, allowed_mentions });
    const long = { ...message, text: 'x'.repeat(3_000) };
    const { content } = webhookBody(long, 'https://discord.com/api/webhooks/1/x') as { content: string };
    assert.equal(content.length, 2_000);
  });

  it('is a card for Teams, with a block a line', () => {
    for (const host of [
      'a.webhook.office.com',
      'prod-1.westeurope.logic.azure.com:443',
      'a.b.environment.api.powerplatform.com',
    ]) {
      const { type, attachments } = webhookBody(message, `https://${host}/x`) as {
        type: string;
        attachments: { contentType: string; content: { type: string; body: { text: string }[] } }[];
      };
      const [card, ...more] = attachments;
      assert.deepEqual([type, card?.contentType, more], ['message', 'application/vnd.microsoft.card.adaptive', []]);
      assert.equal(card?.content.type, 'AdaptiveCard');
      assert.deepEqual(
        card?.content.body.map(({ text }) => text),
        words.split('\n'),
      );
    }
  });
});
