/**
 * Loaded before all else in a parser's process: takes away what Node's permissions leave open before
 * version 25, network and signals. Holds for JavaScript; the system's part is in `parse-enclosure.ts`.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import v8 from 'node:v8';

function refuse(): never {
  throw Object.assign(new Error('A parser may not do this.'), { code: 'ERR_ACCESS_DENIED' });
}

function seal(owner: object, names: readonly string[]): void {
  for (const name of names)
    Object.defineProperty(owner, name, { value: refuse, writable: false, configurable: false, enumerable: true });
}

const functionsOf = (owner: object): string[] =>
  Object.entries(owner).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));

/** What is within a socket. Its class can be had from any, and opens others past all that is sealed above it. */
function handleOf(to: net.NetConnectOpts): object {
  const socket = new net.Socket().on('error', () => undefined).connect(to);
  const { _handle: handle } = socket as unknown as { _handle: object };
  socket.destroy();
  return handle;
}

// A socket in the file system is reached from every network namespace.
if (Number.parseInt(process.versions.node, 10) < 25)
  for (const to of [{ path: '/' }, { host: '127.0.0.1', port: 9 }])
    seal(Object.getPrototypeOf(handleOf(to)), ['connect', 'connect6', 'bind', 'bind6', 'listen']);
seal(net.Socket.prototype, ['connect']);
seal(net.Server.prototype, ['listen', '_listen2']);
seal(net, ['connect', 'createConnection', 'createServer', '_createServerHandle', 'Server']);
seal(dgram, ['createSocket', '_createSocketHandle', 'Socket']);
seal(dns.promises, functionsOf(dns.promises));
seal(dns, functionsOf(dns));
// Reports and debuggers are no business of a parser; `_kill` is what `kill` ends in.
// V8 itself writes files where a flag says so, past the permissions, and has functions that break its own walls.
seal(v8, ['setFlagsFromString', 'setHeapSnapshotNearHeapLimit', 'writeHeapSnapshot']);
seal(process, ['kill', '_kill', '_debugProcess', '_debugEnd', 'report']);
syncBuiltinESMExports();
