import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { ENCLOSURES, type Enclosure, findEnclosure, isPossible, nameOf } from '../../src/ai-worker/parse-enclosure.ts';
import { type ParseProcess, startParseProcess } from '../../src/ai-worker/parse-process.ts';
import { type Aims, DEEDS } from './wall-deeds.ts';

const LIMITS = { wallMs: 60_000, cpuMs: 60_000, memoryMb: 512, maxChunks: 10 };

const textOf = async (parser: ParseProcess, name: string, content: string): Promise<string> => {
  const bytes = new TextEncoder().encode(content);
  const request = { format: 'txt', name, bytes, ocr: 'off', maxChunks: 10 } as const;
  const { chunks } = await parser.parse(request, { limits: LIMITS, signal: new AbortController().signal });
  return chunks[0]?.text ?? '';
};

describe('the wall around a parser', function suite() {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'ragbase-wall-'));
  const file = join(folder, 'outside');
  const server = net.createServer((socket) => socket.end());
  const socketFolder = mkdtempSync(join(tmpdir(), 'ragbase-wall-'));
  const local = net.createServer((socket) => socket.end());
  let aims: Aims;
  let enclosure: Enclosure;
  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const socket = join(socketFolder, 'socket');
    await once(local.listen(socket), 'listening');
    aims = { file, socket, port: (server.address() as AddressInfo).port };
    writeFileSync(file, 'SECRET=outside');
    enclosure = await findEnclosure();
  });
  after(() => {
    server.close();
    local.close();
    rmSync(socketFolder, { recursive: true });
    rmSync(folder, { recursive: true });
  });

  for (const [index, candidate] of ENCLOSURES.entries())
    for (const ocr of [false, true])
      describe(`${index}: ${nameOf(candidate)}, ${ocr ? 'with' : 'without'} native code`, () => {
        let parser: ParseProcess | undefined;
        before(async function setUp() {
          if (!(await isPossible(candidate))) this.skip();
          const modulePath = new URL('./wall-child.ts', import.meta.url);
          parser = startParseProcess({ enclosure: candidate, memoryMb: 512, ocr, modulePath });
        });
        after(() => parser?.stop());
        const act = (deed: string) => (parser ? textOf(parser, deed, JSON.stringify(aims)) : undefined);

        for (const deed of Object.keys(DEEDS))
          if (ocr && deed === 'load native code')
            it(`lets it ${deed}`, async () => {
              assert.equal(await act(deed), 'done');
            });
          else
            it(`keeps it from: ${deed}`, async () => {
              assert.notEqual(await act(deed), 'done');
              assert.deepEqual(readdirSync(folder), ['outside']);
            });
      });

  /** Runs code as a parser would run, but without what Node itself refuses: what native code could do. */
  const runEnclosed = async (code: string): Promise<string> => {
    const [program = '', ...rest] = [...enclosure.command, process.execPath, '-e', code];
    return (await promisify(execFile)(program, rest, { env: {} })).stdout.trim();
  };

  it('lets native code write nothing', async function test() {
    if (enclosure.command.length === 0) this.skip();
    const code = (path: string) =>
      `try { fs.writeFileSync(${JSON.stringify(path)}, 'x'); console.log('written') } catch (e) { console.log(e.code) }`;
    assert.equal(await runEnclosed(code(file)), 'EFBIG');
  });

  it('lets native code reach no network', async function test() {
    if (enclosure.command.length === 0 || !enclosure.withoutNetwork) this.skip();
    const code = `net.connect(${aims.port}, '127.0.0.1', () => console.log('connected')).on('error', (e) => console.log(e.code))`;
    assert.equal(await runEnclosed(code), 'ENETUNREACH');
  });

  it('lets native code signal nobody', async function test() {
    if (!enclosure.isInner) this.skip();
    const code = `try { process.kill(${process.pid}, 0); console.log('sent') } catch (e) { console.log(e.code) }`;
    assert.equal(await runEnclosed(code), 'ESRCH');
  });

  for (const [what, link] of [
    ['is a link', (project: string, modules: string) => symlinkSync(modules, join(project, 'node_modules'))],
    [
      'stands above the project',
      (project: string, modules: string) => symlinkSync(modules, join(project, '../node_modules')),
    ],
  ] as const)
    it(`lets it read its code where node_modules ${what}`, async () => {
      const root = join(import.meta.dirname, '../..');
      const project = join(folder, what.replaceAll(' ', '-'), 'packages/ragbase');
      mkdirSync(project, { recursive: true });
      cpSync(join(root, 'src'), join(project, 'src'), { recursive: true });
      cpSync(join(root, 'package.json'), join(project, 'package.json'));
      link(project, join(root, 'node_modules'));
      const at = (path: string) => pathToFileURL(join(project, 'src/ai-worker', path));
      const copied: typeof import('../../src/ai-worker/parse-process.ts') = await import(at('parse-process.ts').href);
      const modulePath = at('parse-child.ts');
      const parser = copied.startParseProcess({ enclosure, memoryMb: 512, ocr: false, modulePath });
      try {
        assert.equal(await textOf(parser, 'a.txt', 'High water at noon.'), 'High water at noon.');
      } finally {
        await parser.stop();
        rmSync(join(folder, what.replaceAll(' ', '-')), { recursive: true });
      }
    });
});
