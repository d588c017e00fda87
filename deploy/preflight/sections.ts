import { dirname } from 'node:path';
import { checkBackups } from './backups.ts';
import { type Compose, docker, engineVersion, openCompose } from './compose.ts';
import { parseContainers, parseModel } from './compose-model.ts';
import { checkComposeVersion, checkContainers } from './containers.ts';
import { checkDelivery, tryAlert } from './delivery.ts';
import { checkDoor } from './door.ts';
import { checkEnvFile, type EnvFile, readEnvFile } from './env-file.ts';
import { attempt, type Finding, fail, ok, skipped } from './finding.ts';
import { checkGrafana } from './grafana.ts';
import { checkDisk, checkSize, existing } from './machine.ts';
import { type Ask, askUrl, checkAlertmanager, checkPrometheus } from './monitoring.ts';
import { checkPublished } from './published.ts';
import { checkRole } from './role.ts';
import { checkSecrets } from './secrets.ts';
import { checkSettings } from './settings.ts';
import { tryDocument } from './try-document.ts';
import { checkWalls } from './walls.ts';
import { checkWritten } from './written.ts';

/** Where the deployment is. */
export interface Target {
  /** Absolute. */
  envFile: string;
  composeFiles: readonly string[];
  backups: string;
  /** Where not given, they are found by the settings of the file, or asked inside their containers. */
  url?: string | undefined;
  grafana?: string | undefined;
  prometheus?: string | undefined;
  alertmanager?: string | undefined;
  requireDocker: boolean;
  /** Whether an alert is sent to see whether it gets through. */
  tryAlert: boolean;
}

export interface Section {
  title: string;
  run(): Promise<Finding[]>;
}

/** What the sections share. */
interface Context {
  target: Target;
  values: EnvFile;
  api: { url: string; key: string };
  compose: Compose | undefined;
}

/** Every check, in order. Without the settings nothing else could be told. */
export async function openSections(target: Target): Promise<Section[]> {
  const values = await readEnvFile(target.envFile).catch(() => undefined);
  if (!values) {
    const todo = 'deploy/configure.sh makes it, as deploy/README.md says';
    return [{ title: 'security', run: async () => [fail(`${target.envFile} can't be read`, todo)] }];
  }
  const engine = await engineVersion();
  const compose =
    engine === undefined ? undefined : openCompose({ envFile: target.envFile, files: target.composeFiles });
  const url = target.url ?? `http://${hostOf(values)}:${values['PORT'] ?? 3000}`;
  const context = { target, values, compose, api: { url, key: values['API_KEY']?.split(',')[0]?.trim() ?? '' } };
  return [
    { title: 'security', run: () => security(context) },
    { title: 'infrastructure', run: () => infrastructure(context, engine) },
    { title: 'monitoring', run: () => monitoring(context) },
    {
      title: 'performance',
      run: () =>
        attempt('trying a document', 'docker compose … logs backend ai-worker', () => tryDocument(context.api)),
    },
    { title: 'backup', run: () => checkBackups(target.backups) },
  ];
}

/** An address that the API is published on; of all, the one that is always there. */
const hostOf = ({ PUBLISH_ADDRESS: address = '0.0.0.0' }: EnvFile): string =>
  ['0.0.0.0', '::'].includes(address) ? '127.0.0.1' : address;

async function security({ target, values, api, compose }: Context): Promise<Finding[]> {
  const grafana = target.grafana ?? `http://127.0.0.1:${values['GRAFANA_PORT'] ?? 3001}`;
  const password = values['GRAFANA_ADMIN_PASSWORD'] ?? '';
  return [
    ...(await checkEnvFile(target.envFile)),
    ...(await attempt('the file', 'deploy/configure.sh --check', () => checkWritten(target.envFile))),
    ...checkSecrets(values),
    ...checkSettings(values),
    ...(await attempt('the API', `is it at ${api.url}? say where with --url`, () => checkDoor(api))),
    ...(await withCompose(compose, target, 'published ports', async (open) =>
      checkPublished(parseModel(await open.output('config', '--format', 'json'))),
    )),
    ...(await withCompose(compose, target, 'networks', checkWalls)),
    ...(await withCompose(compose, target, 'role', checkRole)),
    ...(compose || target.grafana
      ? await attempt('Grafana', 'say where it is with --grafana', () => checkGrafana({ url: grafana, password }))
      : [withoutDocker(target, "Grafana's password")]),
  ];
}

async function infrastructure({ target, compose }: Context, engine: string | undefined): Promise<Finding[]> {
  const containers = await withCompose(compose, target, 'containers', async (open) => [
    ok(`Docker ${engine}`),
    ...checkComposeVersion(await open.output('version', '--short')),
    ...checkContainers(
      parseModel(await open.output('config', '--format', 'json')),
      parseContainers(await open.output('ps', '--all', '--format', 'json')),
    ),
  ]);
  const folder = compose && (await docker('info', '--format', '{{.DockerRootDir}}').catch(() => undefined));
  const disk = (path: string) => attempt(`disk of ${path}`, 'look with: df -h', () => checkDisk(path));
  const disks = [...new Set([folder ?? dirname(target.envFile), existing(target.backups)])];
  return [...containers, ...checkSize(), ...(await Promise.all(disks.map(disk))).flat()];
}

async function monitoring({ target, values, compose }: Context): Promise<Finding[]> {
  const asked = (name: string, given: string | undefined, port: number): Ask | undefined =>
    given !== undefined ? askUrl(given) : compose && ((path, body) => compose.ask(name, port, path, body));
  const prometheus = asked('prometheus', target.prometheus, 9090);
  const alertmanager = asked('alertmanager', target.alertmanager, 9093);
  const of = async (name: string, ask: Ask | undefined, check: (ask: Ask) => Promise<Finding[]>) =>
    ask ? attempt(name, 'deploy/runbooks/alerting.md', () => check(ask)) : [withoutDocker(target, name)];
  const isTold = values['ALERTMANAGER_WEBHOOK_URL'] !== 'none';
  return [
    ...(await of('prometheus', prometheus, checkPrometheus)),
    ...(await of('alertmanager', alertmanager, checkAlertmanager)),
    ...(isTold && prometheus && !target.tryAlert ? await of('notifications', prometheus, checkDelivery) : []),
    ...(target.tryAlert && prometheus
      ? await of('a test alert', alertmanager, (ask) => tryAlert({ prometheus, alertmanager: ask }))
      : []),
  ];
}

/** What needs Docker: done, or said to be left out. */
async function withCompose(
  compose: Compose | undefined,
  target: Target,
  what: string,
  work: (compose: Compose) => Promise<Finding[]>,
): Promise<Finding[]> {
  if (!compose) return [withoutDocker(target, what)];
  return attempt(what, 'docker compose … ps, and logs', () => work(compose));
}

const withoutDocker = ({ requireDocker }: Target, what: string): Finding =>
  requireDocker
    ? fail(`${what}: no docker`, 'run it on the machine, as a user who may talk to Docker')
    : skipped(`${what}: no docker`);
