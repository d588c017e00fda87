import { randomBytes } from 'node:crypto';
import { type Config, ConfigError, readConfig } from '../../src/config.ts';
import { ownApiKey } from './data-folder.ts';
import type { WantedPort } from './last-run.ts';
import { LaunchError } from './launch-error.ts';
import { freePorts } from './ports.ts';

/** What will be started, with which settings: all that is decided before anything runs. */
export interface StackPlan {
  backend: { env: NodeJS.ProcessEnv; config: Config<'backend'> };
  worker: { env: NodeJS.ProcessEnv; config: Config<'worker'> };
  /** Ports of the embedded servers; undefined where an outside one is used. */
  postgresPort: number | undefined;
  redisPort: number | undefined;
  /** Of the embedded servers: on a machine of many, each could reach them. Another at each start. */
  embeddedPassword: string;
}

/** What the ai-worker must not be able to reach. Empty, not absent: a `.env` would fill the gap. */
const NOT_FOR_WORKER = ['DATABASE_URL', 'DATABASE_PASSWORD', 'API_KEY', 'METRICS_TOKEN'];

/**
 * Completes the settings: what the user set stays, the rest is made here.
 * @param options.ports `free` for free ones in the place of PORT, INTERNAL_PORT and WORKER_PORT.
 * @throws LaunchError that names every bad setting.
 */
export async function planStack(options: {
  dataDir: string;
  env: NodeJS.ProcessEnv;
  ports: 'configured' | 'free';
}): Promise<StackPlan> {
  const { dataDir } = options;
  const env: NodeJS.ProcessEnv = { ...options.env, RAGBASE_DATA_DIR: dataDir };
  const isSet = (name: string) => Boolean(env[name] || env[`${name}_FILE`]);
  const provide = (name: string, value: string) => {
    if (!isSet(name)) env[name] = value;
  };
  const [postgresPort = 0, redisPort = 0, ...servicePorts] = await freePorts(5);
  const embeddedPassword = randomBytes(24).toString('hex');
  const needsPostgres = !isSet('DATABASE_URL');
  const needsRedis = !isSet('REDIS_URL');

  if (needsPostgres) {
    env['DATABASE_URL'] = `postgres://postgres:${embeddedPassword}@127.0.0.1:${postgresPort}/postgres`;
    // PGlite is one session.
    env['DATABASE_POOL_SIZE'] = '1';
    delete env['DATABASE_POOL_SIZE_FILE'];
  }
  if (needsRedis) env['REDIS_URL'] = `redis://:${embeddedPassword}@127.0.0.1:${redisPort}`;
  for (const [index, name] of ['PORT', 'INTERNAL_PORT', 'WORKER_PORT'].entries()) {
    if (options.ports === 'free' || env[name] === '0') env[name] = String(servicePorts[index]);
  }
  if (!isSet('API_KEY')) env['API_KEY'] = await ownApiKey(dataDir);
  provide('INTERNAL_TOKEN', randomBytes(24).toString('hex'));
  provide('LOG_FORMAT', 'pretty');
  provide('CALLBACK_URL', `http://${reachable(env['HOST'] || '127.0.0.1')}:${env['INTERNAL_PORT'] || 9464}`);

  const workerEnv = { ...env };
  for (const name of NOT_FOR_WORKER) {
    workerEnv[name] = '';
    workerEnv[`${name}_FILE`] = '';
  }
  return {
    backend: { env, config: checked(() => readConfig('backend', env)) },
    worker: { env: workerEnv, config: checked(() => readConfig('worker', workerEnv)) },
    postgresPort: needsPostgres ? postgresPort : undefined,
    redisPort: needsRedis ? redisPort : undefined,
    embeddedPassword,
  };
}

/** Where the services will be reached. */
export function addresses({ backend, worker }: StackPlan) {
  const { HOST, PORT, INTERNAL_PORT } = backend.config;
  const host = reachable(HOST);
  return {
    apiUrl: `http://${host}:${PORT}`,
    metricsUrl: `http://${host}:${INTERNAL_PORT}/metrics`,
    workerUrl: `http://${host}:${worker.config.WORKER_PORT}`,
  };
}

/** The ports that the services need, and the settings that choose them. */
export function wantedPorts({ backend, worker }: StackPlan): WantedPort[] {
  const { HOST: host, PORT, INTERNAL_PORT } = backend.config;
  return [
    { setting: 'PORT', port: PORT, host },
    { setting: 'INTERNAL_PORT', port: INTERNAL_PORT, host },
    { setting: 'WORKER_PORT', port: worker.config.WORKER_PORT, host },
  ];
}

/** Beyond the limit of a service's own shutdown. */
const GRACE_MS = 5_000;

/** Longest time that a process gets to end before it is killed, in ms. */
export const stopTimeout = ({ backend }: StackPlan): number =>
  backend.config.SHUTDOWN_DELAY_MS + backend.config.SHUTDOWN_TIMEOUT_MS + GRACE_MS;

/** The address at which a server on this machine is reached, given the one that it listens on. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) throw new LaunchError(error.message);
    throw error;
  }
}
