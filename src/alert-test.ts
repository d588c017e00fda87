/** `npm run alert:test`: sends one alert, and says what became of it. */
import { postAlert } from './alerting/webhook.ts';
import { readAlertUrl } from './config.ts';
import { VERSION } from './platform/version.ts';

try {
  const url = readAlertUrl();
  if (url === undefined) throw new Error('ALERT_WEBHOOK_URL is not set: there is nobody to tell.');
  await postAlert(
    {
      text: '[ragbase test] This is what an alert looks like. Nothing is wrong.',
      level: 'info',
      message: 'test of the alerting',
      context: { service: 'alert:test', version: VERSION },
      timestamp: new Date().toISOString(),
      traceId: null,
    },
    { url },
  );
  process.stdout.write(`An alert was sent to ${new URL(url).host}.\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
