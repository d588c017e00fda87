import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

/** A page of a real browser, by the Chrome DevTools protocol. */
export interface Page {
  open(url: string): Promise<void>;
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Every address that the browser asked for. */
  requests: string[];
  /** What the browser complained of: errors, and what its security policy blocked. */
  complaints: string[];
  close(): Promise<void>;
}

/** The browser's program; undefined where there is none. */
export const findChromium = (): string | undefined => candidates().find((path) => existsSync(path));

function candidates(): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  return [...names.flatMap((name) => folders.map((folder) => join(folder, name))), mac];
}

/** Starts a browser with one empty page. */
export async function openPage(program: string): Promise<Page> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const args = [...flags, ...quiet, '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const { port } = new URL(await devToolsAddress(child));
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as Record<string, string>[];
  const socket = new WebSocket(targets.find(({ type }) => type === 'page')?.['webSocketDebuggerUrl'] ?? '');
  await once(socket, 'open');
  const page = { requests: [] as string[], complaints: [] as string[] };
  const send = converse(socket, (event) => note(event, page));
  for (const domain of ['Network', 'Log', 'Runtime', 'Page']) await send(`${domain}.enable`, {});
  return {
    ...page,
    open: async (url) => void (await send('Page.navigate', { url })),
    evaluate: async (expression) => {
      const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      return (answer['result'] as { value?: unknown }).value;
    },
    async close() {
      socket.close();
      const exited = once(child, 'exit');
      child.kill();
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function devToolsAddress(child: ChildProcess): Promise<string> {
  if (!child.stderr) throw new Error('no output');
  for await (const line of createInterface({ input: child.stderr })) {
    const address = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (address) {
      child.stderr.resume();
      return address;
    }
  }
  throw new Error('chromium did not start');
}

type Fields = Record<string, unknown>;

function converse(socket: WebSocket, onEvent: (event: { method: string; params: Fields }) => void) {
  const waiting = new Map<number, (result: Fields) => void>();
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as { id?: number; result: Fields; method: string; params: Fields };
    if (message.id === undefined) return onEvent(message);
    waiting.get(message.id)?.(message.result ?? {});
    waiting.delete(message.id);
  });
  let lastId = 0;
  return (method: string, params: Fields): Promise<Fields> =>
    new Promise((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      socket.send(JSON.stringify({ id: lastId, method, params }));
    });
}

function note(
  { method, params }: { method: string; params: Fields },
  page: Pick<Page, 'requests' | 'complaints'>,
): void {
  if (method === 'Network.requestWillBeSent') page.requests.push((params['request'] as { url: string }).url);
  if (method === 'Runtime.exceptionThrown') page.complaints.push(JSON.stringify(params['exceptionDetails']));
  const entry = params['entry'] as { level: string; text: string } | undefined;
  if (method === 'Log.entryAdded' && entry?.level === 'error') page.complaints.push(entry.text);
}
