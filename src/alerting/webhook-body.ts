import type { AlertMessage } from './webhook.ts';

/** Longest `content` that Discord takes. */
const DISCORD_MAX = 2_000;

const FORMS: [host: RegExp, body: (words: string) => unknown][] = [
  // Slack reads links and mentions between angle brackets.
  [
    /^hooks\.slack\.com$/,
    (words) => ({ text: words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') }),
  ],
  [
    /^(\w+\.)?discord(app)?\.com$/,
    (words) => ({ content: words.slice(0, DISCORD_MAX), allowed_mentions: { parse: [] } }),
  ],
  [/\.webhook\.office\.com$|\.logic\.azure\.com$|\.api\.powerplatform\.com$/, adaptiveCard],
];

/**
 * What to post for a message: to Slack, Discord and Teams, told by the host of the address, what they show; to all others
 * the message itself, whose `text` is what Slack's likes show.
 */
export function webhookBody(message: AlertMessage, url: string): unknown {
  const { hostname } = new URL(url);
  const form = FORMS.find(([host]) => host.test(hostname));
  return form ? form[1](inWords(message)) : message;
}

function inWords({ text, context, timestamp }: AlertMessage): string {
  const fields = Object.entries(context).map(([name, value]) => `${name}: ${value}`);
  return [text, ...fields, timestamp].join('\n');
}

/** @see https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook */
function adaptiveCard(words: string): unknown {
  const [title, ...lines] = words.split('\n');
  const block = (text: string, more: object = {}) => ({ type: 'TextBlock', text, wrap: true, ...more });
  const body = [block(title ?? '', { weight: 'Bolder' }), ...lines.map((line) => block(line, { spacing: 'None' }))];
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.2',
    body,
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }],
  };
}
