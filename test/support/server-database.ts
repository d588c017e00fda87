import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Makes an empty database of its own on a server that is shared; `close` drops it. */
export async function createServerDatabase(server: string): Promise<{ url: string; close(): Promise<void> }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, close: () => administer(server, `DROP DATABASE ${name} WITH (FORCE)`) };
}

async function administer(server: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
