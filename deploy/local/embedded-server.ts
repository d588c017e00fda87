import { join } from 'node:path';
import { PASSWORD_VARIABLE } from './child-protocol.ts';
import { ROOT } from './root.ts';
import { type Supervised, type SuperviseOptions, supervise } from './supervise.ts';

/** A server that the launcher brings along, on a folder of its own. */
export interface EmbeddedServer {
  name: 'postgres' | 'redis';
  /** Port of 127.0.0.1; the same one after a crash. */
  port: number;
  dataDir: string;
  /** What its clients must know. */
  password: string;
  env: NodeJS.ProcessEnv;
}

/** Starts one. Where another still uses its folder, it waits for as long as a shutdown may take. */
export function superviseServer(server: EmbeddedServer, options: SuperviseOptions): Supervised {
  const { name, port, dataDir, password } = server;
  const env = { ...server.env, [PASSWORD_VARIABLE]: password };
  const args = [
    `deploy/local/${name}-server.ts`,
    join(dataDir, name),
    String(port),
    // Left by a launcher that was killed, it stays until its clients are done.
    String(options.stopTimeoutMs),
  ];
  return supervise({ name, args, env, cwd: ROOT }, options);
}
