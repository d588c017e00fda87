import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is asked of a server process, and what it answers. */
export type Question = 'cpu' | { series: number };
export interface Answers {
  port?: number;
  /** CPU time that the process has used, in µs. */
  cpu?: number;
  done?: true;
}

/** The answer to every request, in every variant. */
export const thing = (id: string) => ({ id, name: 'a thing', tags: ['one', 'two'], size: 42 });

/** Serves on a free port of 127.0.0.1, and answers its parent's questions. */
export async function serve(
  handler: RequestListener,
  options: { makeSeries?: (count: number) => void } = {},
): Promise<void> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  answerParent((server.address() as AddressInfo).port, options);
}

/** Tells the parent where this process listens, and how much CPU it has used. */
export function answerParent(port: number, options: { makeSeries?: (count: number) => void } = {}): void {
  const send = (answers: Answers) => process.send?.(answers);
  process.on('disconnect', () => process.exit());
  process.on('message', (question: Question) => {
    if (question !== 'cpu') {
      options.makeSeries?.(question.series);
      send({ done: true });
    } else {
      const { user, system } = process.cpuUsage();
      send({ cpu: user + system });
    }
  });
  send({ port });
}
