/**
 * Loaded before all else in a parser's process: takes away what Node's permissions leave open before
 * version 25, network and signals. Holds for JavaScript; the system's part is in `parse-enclosure.ts`.
 */
import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

function refuse(): never {
  throw Object.assign(new Error('A parser may not do this.'), { code: 'ERR_ACCESS_DENIED' });
}

function seal(owner: object, names: readonly string[]): void {
  for (const name of names)
    Object.defineProperty(owner, name, { value: refuse, writable: false, configurable: false, enumerable: true });
}

const functionsOf = (owner: object): string[] =>
  Object.entries(owner).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));

seal(net.Socket.prototype, ['connect']);
seal(net.Server.prototype, ['listen', '_listen2']);
seal(net, ['connect', 'createConnection', 'createServer', '_createServerHandle', 'Server']);
seal(dgram, ['createSocket', '_createSocketHandle', 'Socket']);
seal(dns.promises, functionsOf(dns.promises));
seal(dns, functionsOf(dns));
// Reports and debuggers are no business of a parser; `_kill` is what `kill` ends in.
seal(process, ['kill', '_kill', '_debugProcess', '_debugEnd', 'report']);
syncBuiltinESMExports();
