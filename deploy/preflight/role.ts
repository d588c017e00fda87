import type { Compose } from './compose.ts';
import { type Finding, unless } from './finding.ts';

const ASK = "SELECT rolsuper FROM pg_roles WHERE rolname = 'ragbase'";

/** Whether the service's role in Postgres is a plain owner: earlier versions made it a superuser. */
export async function checkRole(compose: Compose): Promise<Finding[]> {
  const answer = await compose.output('exec', '-T', 'postgres', 'psql', '-U', 'ragbase', '-d', 'ragbase', '-Atc', ASK);
  return unless(
    answer === 'f' ? [] : ['the role of the service is a superuser of Postgres'],
    'the role of the service is no superuser',
    'docker compose … exec postgres /docker-entrypoint-initdb.d/10-roles.sh, then restart the backend',
  );
}
