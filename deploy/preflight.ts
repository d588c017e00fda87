/** `npm run preflight`: checks a running deployment before it goes live, as `--help` says. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { print, printError } from './local/terminal.ts';
import type { Finding } from './preflight/finding.ts';
import { printFindings, printSum } from './preflight/report.ts';
import { openSections } from './preflight/sections.ts';

const HELP = `npm run preflight -- [options]

Checks a deployment that runs: security, infrastructure, monitoring, performance, backup.
Uploads one small document and deletes it again; changes nothing else.
Ends with status 1 where a check failed, 2 where it could not check.

  -s, --settings FILE   settings of the deployment                (.env.production)
  -f, --file FILE       a compose file; several lie upon another  (docker-compose.prod.yml)
  --backups FOLDER      where deploy/backup.sh writes             (backups)
  --url URL             the API                                   (http://127.0.0.1:PORT)
  --grafana URL         Grafana                                   (http://127.0.0.1:GRAFANA_PORT)
  --prometheus URL      Prometheus, where it is not to be asked in its container
  --alertmanager URL    Alertmanager, likewise
  --try-alert           has Alertmanager send a test alert to whoever hears of alerts
  --require-docker      fail, not skip, what needs Docker where there is none
  --help`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      // Not --env-file: Node would take that for its own, wherever it stands.
      settings: { ...text, short: 's', default: '.env.production' },
      file: { ...text, short: 'f', multiple: true, default: ['docker-compose.prod.yml'] },
      backups: { ...text, default: 'backups' },
      ...{ url: text, grafana: text, prometheus: text, alertmanager: text },
      ...{ 'try-alert': flag, 'require-docker': flag, help: flag },
    },
  });
  if (values.help) {
    print(HELP);
    return 0;
  }
  const { settings, 'require-docker': requireDocker, 'try-alert': tryAlert, file: files, backups, ...urls } = values;
  const findings: Finding[] = [];
  const sections = await openSections({
    ...urls,
    envFile: resolve(settings),
    composeFiles: files.map((file) => resolve(file)),
    backups: resolve(backups),
    requireDocker,
    tryAlert,
  });
  for (const { title, run } of sections) {
    const found = await run();
    printFindings(title, found);
    findings.push(...found);
  }
  return printSum(findings) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  printError(`${error instanceof Error ? error.message : String(error)}; see --help`);
  process.exitCode = 2;
}
