/** By what Redis begins an error with; in scripts of Redis 6, it stands in the middle. */
const WORDS: readonly [RegExp, string][] = [
  [/\b(WRONGPASS|NOAUTH)\b|invalid password/, 'Redis refuses the user or password of REDIS_URL'],
  [/\bREADONLY\b/, 'Redis is a read-only replica'],
  [/\bMASTERDOWN\b/, 'Redis is a replica that has lost its master'],
  [/\bOOM\b/, 'Redis is full: it has reached its maxmemory'],
  [/\bMISCONF\b/, "Redis can't save its data, and takes no writes"],
  [/\bNOREPLICAS\b/, 'Redis has too few replicas to take writes'],
  [/\bLOADING\b/, 'Redis is loading its data'],
  [/\bDENIED\b/, 'Redis is in protected mode, and has no password'],
  [/\bmax number of clients\b/, 'Redis takes no more connections: it has reached its maxclients'],
  [/\bNOPERM\b.*\bkeys?\b/, 'the user of REDIS_URL lacks the permission for a key; README.md lists the patterns'],
  [/user executing the script/, 'the user of REDIS_URL lacks a permission; README.md lists the commands'],
];

/** What Redis said no to, in words for whoever runs it; undefined where it is no refusal that we know. Holds nothing of what was sent. */
export function describeRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const command = /\bNOPERM\b.*\brun the '([\w|-]{1,40})' command/.exec(error.message)?.[1];
  if (command) return `the user of REDIS_URL lacks the permission for ${command.toUpperCase()}`;
  return WORDS.find(([pattern]) => pattern.test(error.message))?.[1];
}

/** Whether another connection may meet another answer: the server behind an address changes, a password is rotated. */
export function isWorthReconnecting(error: unknown): boolean {
  return error instanceof Error && /\b(NOAUTH|READONLY|MASTERDOWN)\b/.test(error.message);
}
