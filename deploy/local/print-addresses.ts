import { join, relative } from 'node:path';
import type { Stack } from './stack.ts';
import { print, styled } from './terminal.ts';

/** Prints where the service is reached, and the key that was made for it. */
export function printAddresses(stack: Stack, options: { dataDir: string; env: NodeJS.ProcessEnv }): void {
  const { dataDir, env } = options;
  const isOwnKey = !env['API_KEY'] && !env['API_KEY_FILE'];
  const keyFile = relative(process.cwd(), join(dataDir, 'api-key'));
  const rows = [
    ['API', `${stack.apiUrl}/api/v1`],
    ['API docs', `${stack.apiUrl}/docs`],
    ['Metrics', `${stack.metricsUrl}  ${stack.workerUrl}/metrics`],
    [
      'API key',
      isOwnKey ? `${stack.apiKey}  ${styled('gray', `(header X-API-Key; kept in ${keyFile})`)}` : 'as set in API_KEY',
    ],
    ['Data', dataDir],
  ];
  for (const [label = '', value = ''] of rows) print(`  ${styled('bold', label.padEnd(9))} ${value}`);
  print();
}
