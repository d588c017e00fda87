import { errorType } from './errors.ts';

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const PROBLEMS: readonly [RegExp, string][] = [
  [/^(25006|READ_ONLY)$/, 'the database is read-only: a standby, or set so'],
  [/^53100$/, 'the disk of the database is full'],
  [/^53300$/, 'the database has no connection left: lower DATABASE_POOL_SIZE, or raise its max_connections'],
  [/^53/, 'the database has too little memory or room'],
  [/^28/, 'the database refuses the user or the password of DATABASE_URL'],
  [/^3D000$/, 'there is no database of the name in DATABASE_URL'],
  [/^42501$/, 'the database refuses a permission: its user must own the tables'],
  [/^57014$/, 'a statement took too long, or was cancelled'],
  [/^55P03$/, 'a lock was held for too long'],
  [/^57P03$/, 'the database is starting or stopping'],
  [/^57/, 'the database was shut down, or ended the connection'],
  [/^ECONNREFUSED$/, 'nothing listens at the address of DATABASE_URL'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'the host name of DATABASE_URL is not known'],
];

/** What is wrong with the database, in words that quote nothing; undefined where it is not known. */
export function postgresProblem(thrown: unknown): string | undefined {
  // pg gives these no code.
  if (thrown instanceof Error && thrown.message === 'Query read timeout') return 'the database does not answer';
  if (thrown instanceof Error && thrown.message.startsWith('timeout exceeded when trying to connect'))
    return 'no connection to the database was to be had in time';
  const type = errorType(thrown);
  return PROBLEMS.find(([code]) => code.test(type))?.[1];
}
