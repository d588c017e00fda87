import { isIP } from 'node:net';
import type { Request, RequestHandler } from 'express';
import type { Logger } from './logger.ts';

/**
 * Reads `X-Forwarded-For` as proxies write it, so that `request.ip` is an address: some add ports, which would make a
 * client of each connection. Says once that the header comes from a hop that is not trusted: behind a proxy that nobody
 * named, all clients are one.
 */
export function forwardedAddresses({ logger }: { logger: Logger }): RequestHandler {
  let isTold = false;
  return function readForwardedAddresses(request, _response, next) {
    const { 'x-forwarded-for': forwarded } = request.headers;
    if (typeof forwarded === 'string') {
      request.headers['x-forwarded-for'] = forwarded.split(',').map(bareAddress).join(', ');
      if (!isTold && !isFromProxy(request)) {
        isTold = true;
        logger.warn(
          'X-Forwarded-For comes from an address that is not trusted, and is not read: all clients behind it share one ' +
            'rate limit. If that is a proxy of yours, set TRUST_PROXY to the number of proxies, or to their addresses',
        );
      }
    }
    next();
  };
}

/** The client's address, or that of the last proxy where it does not tell one. */
export function clientAddress({ ip, socket }: Request): string {
  return (ip !== undefined && isIP(ip) !== 0 ? ip : socket.remoteAddress) ?? 'unknown';
}

function isFromProxy(request: Request): boolean {
  const isTrusted = request.app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  return isTrusted(request.socket.remoteAddress ?? '', 0);
}

/** `1.2.3.4:5678`, `[2001:db8::1]:443` and `fe80::1%eth0` without what is no part of the address. */
function bareAddress(text: string): string {
  const entry = text.trim().replace(/^"(.*)"$/, '$1');
  const bare = /^\[(.*)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
  return isIP(bare) === 6 ? bare.replace(/%.*$/, '') : bare;
}
