import { join } from 'node:path';
import { superviseServer } from './embedded-server.ts';
import { prepareModel } from './prepare-model.ts';
import { ROOT } from './root.ts';
import { addresses, type StackPlan, stopTimeout } from './stack-plan.ts';
import { type Supervised, type SuperviseOptions, supervise } from './supervise.ts';

/** Arguments of `node` for each service, and whether the local model is prepared before. */
export interface Services {
  backend: readonly string[];
  worker: readonly string[];
  usesModel: boolean;
}

/** One thing that is done at the start; the process that it started, if it goes on running. */
export type Step = () => Promise<Supervised | undefined> | Supervised;

export interface StepOptions extends Pick<SuperviseOptions, 'onLine' | 'onSpawn'> {
  dataDir: string;
  services: Services | undefined;
}

/** What is done at the start, in order. The end runs in reverse. */
export function stackSteps(plan: StackPlan, { dataDir, services: chosen, ...context }: StepOptions): Step[] {
  const options = { ...context, stopTimeoutMs: stopTimeout(plan) };
  const { backend, worker, postgresPort, redisPort } = plan;
  const services = chosen ?? ragbaseServices(plan);
  const { apiUrl, workerUrl } = addresses(plan);

  const server = (name: 'postgres' | 'redis', port: number) =>
    superviseServer({ name, port, dataDir, password: plan.embeddedPassword, env: backend.env }, options);
  const service = (name: 'backend' | 'worker', env: NodeJS.ProcessEnv, url: string) =>
    supervise({ name, args: services[name], env, cwd: ROOT }, { ...options, readyUrl: `${url}/ready` });

  const steps: Step[] = [];
  if (services.usesModel) {
    steps.push(async () => {
      await prepareModel(join(dataDir, 'models'), { env: backend.env, onLine: options.onLine });
      return undefined;
    });
  }
  if (postgresPort !== undefined) steps.push(() => server('postgres', postgresPort));
  if (redisPort !== undefined) steps.push(() => server('redis', redisPort));
  steps.push(() => service('backend', { MALLOC_ARENA_MAX: '2', ...backend.env }, apiUrl));
  steps.push(() => service('worker', worker.env, workerUrl));
  return steps;
}

function ragbaseServices({ backend }: StackPlan): Services {
  // The settings of `.env` are in the environment that they are given.
  const node = ['--import', './telemetry/register.ts'];
  return {
    // With MALLOC_ARENA_MAX=2, a quarter less memory: what uploads go through is garbage soon.
    backend: ['--max-semi-space-size=8', ...node, 'src/server.ts'],
    worker: [...node, 'src/worker.ts'],
    usesModel: backend.config.EMBEDDING_PROVIDER === 'local',
  };
}
