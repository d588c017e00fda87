import { setTimeout } from 'node:timers/promises';
import type { Service, ShownDocument } from '../support/service.ts';
import type { Accepted } from './uploads.ts';

/** What became of the documents that were accepted. */
export interface Account {
  accepted: number;
  completed: number;
  /** How many of them took how many attempts. */
  attempts: Map<number, number>;
  /** With the reason: each could be read, so that none is good enough. */
  failed: string[];
  /** Gone. */
  lost: string[];
  /** Neither completed nor failed, long after the last fault. */
  stuck: string[];
  /** Completed with a chunk twice, or one missing. */
  duplicated: string[];
  /** Completed, and not found by the word that only it has. */
  unfindable: string[];
  /** Last lines of processes that ended without being killed. */
  crashes: string[];
}

const CRASH =
  /"message":"(crashed|stalled for too long)|^ragbase (backend|worker): ended by itself \(exit status [1-9]/;

/** Waits until every document has an outcome, at most `patienceMs`, and looks at each. */
export async function takeAccount(
  service: Service,
  accepted: readonly Accepted[],
  patienceMs: number,
): Promise<Account> {
  const account: Account = {
    accepted: accepted.length,
    completed: 0,
    attempts: new Map(),
    failed: [],
    lost: [],
    stuck: [],
    duplicated: [],
    unfindable: [],
    crashes: service.lines.filter((line) => CRASH.test(line)),
  };
  const deadline = Date.now() + patienceMs;
  for (const document of accepted) {
    const shown = await outcome(service, document.id, deadline);
    if (shown === undefined) account.lost.push(document.id);
    else if (shown.status === 'completed') {
      account.completed += 1;
      account.attempts.set(shown.attempts, (account.attempts.get(shown.attempts) ?? 0) + 1);
      if (!(await hasEachChunkOnce(service, shown))) account.duplicated.push(document.id);
      if (document.word !== undefined && !(await isFound(service, document))) account.unfindable.push(document.id);
    } else if (shown.status === 'failed') account.failed.push(describeFailure(document, shown));
    else account.stuck.push(document.id);
  }
  return account;
}

export const isClean = ({ failed, lost, stuck, duplicated, unfindable, crashes }: Account): boolean =>
  [failed, lost, stuck, duplicated, unfindable, crashes].every((found) => found.length === 0);

const describeFailure = ({ name }: Accepted, { id, attempts, error }: ShownDocument): string =>
  `${id} (${name}, ${attempts} attempts: ${error?.code} ${error?.message})`;

async function outcome(service: Service, id: string, deadline: number): Promise<ShownDocument | undefined> {
  for (;;) {
    const response = await service.call(`/api/v1/documents/${id}`).catch(() => undefined);
    if (response?.status === 404) return undefined;
    const shown = response?.ok ? ((await response.json()) as ShownDocument) : undefined;
    if (shown && (['completed', 'failed'].includes(shown.status) || Date.now() > deadline)) return shown;
    if (Date.now() > deadline + 30_000) throw new Error('the service does not answer');
    await setTimeout(200);
  }
}

async function hasEachChunkOnce(service: Service, { id, chunks }: ShownDocument): Promise<boolean> {
  const ordinals: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const response = await service.call(`/api/v1/documents/${id}/chunks?limit=200${cursor && `&cursor=${cursor}`}`);
    const page = (await response.json()) as { items: { ordinal: number }[]; nextCursor: string | null };
    ordinals.push(...page.items.map(({ ordinal }) => ordinal));
    cursor = page.nextCursor;
  }
  return ordinals.length === chunks && ordinals.every((ordinal, index) => ordinal === index);
}

async function isFound(service: Service, { id, word, collection }: Accepted): Promise<boolean> {
  const response = await service.call('/api/v1/search', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: word, mode: 'keyword', collection, limit: 1 }),
  });
  const { results } = (await response.json()) as { results: { documentId: string }[] };
  return results[0]?.documentId === id;
}
