/** What code that got into a parser would try. */
import assert from 'node:assert/strict';
import { execSync, fork } from 'node:child_process';
import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import fs from 'node:fs';
import http from 'node:http';
import inspector from 'node:inspector';
import net from 'node:net';
import { TLSSocket } from 'node:tls';
import v8 from 'node:v8';
import { Worker } from 'node:worker_threads';

/** Where it would like to get. */
export interface Aims {
  /** A file outside the project. */
  file: string;
  /** A socket in the file system that somebody listens at. */
  socket: string;
  /** A TCP port of this machine that somebody listens at. */
  port: number;
}

const settled = (emitter: NodeJS.EventEmitter, event: string): Promise<unknown> =>
  new Promise((resolve, reject) => emitter.once(event, resolve).once('error', reject));

/** Opens a socket by what lies under all of Node's own, as it can be had from any. */
function byHandle(options: { pipe: boolean }, ...to: unknown[]): unknown {
  const made = new TLSSocket(null as never, options as object) as unknown as { _handle: { _parent: object } };
  const Handle = made._handle._parent.constructor as new (
    type: number,
  ) => { connect(request: object, ...to: unknown[]): number };
  return new Promise((resolve, reject) => {
    const request = Object.assign(new (requestClass())(), {
      oncomplete: (status: number) => (status === 0 ? resolve(status) : reject(new Error(`${status}`))),
    });
    assert.equal(new Handle(0).connect(request, ...to), 0);
  });
}

let known: (new () => object) | undefined;

/** Of what a socket waits for: that which it ends with will do. */
function requestClass(): new () => object {
  if (known) return known;
  const socket = new net.Socket({ fd: 2 }) as unknown as net.Socket & { _handle: Record<string, unknown> };
  socket.on('error', () => undefined);
  for (const name of ['writeUtf8String', 'writeLatin1String', 'shutdown'])
    socket._handle[name] = (request: object) => {
      known ??= request.constructor as new () => object;
      return 0;
    };
  socket.write('x');
  socket.end();
  assert.ok(known, 'a request');
  return known;
}

/** Each returns, or resolves, where it could. */
export const DEEDS: Record<string, (aims: Aims) => unknown> = {
  'see an environment': () => assert.notEqual(Object.keys(process.env).length, 0),
  'read a file': ({ file }) => fs.readFileSync(file),
  'read it by way of the sources': ({ file }) => fs.readFileSync(`${import.meta.dirname}${'/..'.repeat(30)}${file}`),
  'list the project': () => fs.readdirSync(`${import.meta.dirname}/../..`),
  'read its own environment': () => fs.readFileSync('/proc/self/environ'),
  'read the environment of its parent': () => fs.readFileSync(`/proc/${process.ppid}/environ`),
  'write a file': ({ file }) => fs.writeFileSync(`${file}.written`, 'x'),
  'write beside itself': () => fs.writeFileSync(`${import.meta.filename}.written`, 'x'),
  'link to a file': ({ file }) => fs.symlinkSync(file, `${import.meta.filename}.link`),
  'read an .env': ({ file }) => process.loadEnvFile(file),
  'open a database': ({ file }) => new (process.getBuiltinModule('node:sqlite').DatabaseSync)(`${file}.db`),
  'write a report': ({ file }) => process.report.writeReport(`${file}.json`),
  'have V8 write files': ({ file }) => {
    for (const flag of ['--allow-natives-syntax', '--trace-turbo', `--trace-turbo-path=${file}/..`])
      v8.setFlagsFromString(flag);
    new Function('const f = () => 1; %PrepareFunctionForOptimization(f); f(); %OptimizeFunctionOnNextCall(f); f()')();
  },
  'write its heap': ({ file }) => v8.writeHeapSnapshot(`${file}.heap`),
  'run a program': () => execSync('id'),
  'run a module': () => fork(import.meta.filename),
  'start a thread': () => settled(new Worker('', { eval: true }), 'online'),
  'start a thread without permissions': () => settled(new Worker('', { eval: true, execArgv: [] }), 'online'),
  'connect to a port': ({ port }) => settled(net.connect(port, '127.0.0.1'), 'connect'),
  'connect by a socket of its own': ({ port }) => settled(new net.Socket().connect(port, '127.0.0.1'), 'connect'),
  'connect by what lies under a socket': ({ port }) => byHandle({ pipe: false }, '127.0.0.1', port),
  'connect to a socket in the file system': ({ socket }) => byHandle({ pipe: true }, socket),
  'ask over HTTP': ({ port }) => settled(http.get({ port, host: '127.0.0.1' }), 'response'),
  fetch: ({ port }) => fetch(`http://127.0.0.1:${port}/`),
  listen: () => settled(net.createServer().listen(0, '127.0.0.1'), 'listening'),
  'listen for HTTP': () => settled(http.createServer().listen(0, '127.0.0.1'), 'listening'),
  'send a datagram': ({ port }) => dgram.createSocket('udp4').send('x', port, '127.0.0.1'),
  'look up a name': () => lookup('localhost'),
  'look up a name by a class': () => new (process.getBuiltinModule('node:dns').Resolver)(),
  'signal its parent': () => process.kill(process.ppid, 0),
  'signal everybody': () => process.kill(-1, 0),
  'open a debugger': () => inspector.open(0),
  'debug its parent': () => (process as unknown as { _debugProcess(pid: number): void })._debugProcess(process.ppid),
  'reach into Node': () => (process as unknown as { binding(name: string): unknown }).binding('tcp_wrap'),
  'load native code': () => import('@napi-rs/canvas'),
};
