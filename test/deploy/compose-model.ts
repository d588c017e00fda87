import type { ComposeModel } from '../../deploy/preflight/compose-model.ts';
import { interpolate } from './compose-environment.ts';
import { compose, type Loose } from './static-files.ts';

/** As far as preflight looks, what `docker compose config --format json` makes of the compose file. */
export function composeModel(env: Record<string, string>): ComposeModel {
  const services = Object.entries<Loose>(compose().services).map(([name, { restart, ports = [] }]) => [
    name,
    { restart, ports: ports.map((port: string) => longForm(interpolate(port, env))) },
  ]);
  return { services: Object.fromEntries(services) };
}

/** `127.0.0.1:3001:3000` */
function longForm(port: string) {
  const [target = '', published, host_ip] = port.split(':').reverse();
  return { target: Number(target), ...(published && { published }), ...(host_ip && { host_ip }) };
}
