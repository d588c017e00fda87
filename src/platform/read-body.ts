import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { DomainError, toError } from './errors.ts';

export interface ReadBodyOptions {
  /** Largest body, inflated, in bytes. */
  limit: number;
  /** Told of bytes as they come, inflated; may refuse them by throwing. */
  onBytes: (bytes: number) => void;
}

const DECOMPRESSORS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * Reads a body whole, inflated where it is compressed. It settles, whatever the client does, and did before; the rest of a
 * body that is refused is read and dropped, as closing would reset the connection under the answer.
 * @throws DomainError `INVALID_REQUEST` for one that is cut off or badly compressed, `FILE_TOO_LARGE` beyond the limit,
 * `UNSUPPORTED_FORMAT` for a compression that is not known; whatever `onBytes` throws.
 */
export function readBody(request: IncomingMessage, { limit, onBytes }: ReadBodyOptions): Promise<Buffer> {
  const decompressor = decompressorOf(request);
  const source = decompressor ?? request;
  const pieces: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const settle = () => {
      request.off('close', cutOff).unpipe().resume();
      source.off('data', take);
      decompressor?.destroy();
    };
    const fail = (error: unknown) => {
      settle();
      reject(error);
    };
    const cutOff = () => request.readableEnded || fail(new DomainError('INVALID_REQUEST', 'The body was cut off.'));
    const take = (piece: Buffer) => {
      try {
        size += piece.length;
        if (size > limit) throw new DomainError('FILE_TOO_LARGE', 'The body is larger than this call allows.');
        onBytes(piece.length);
        pieces.push(piece);
      } catch (error) {
        fail(error);
      }
    };
    // Gone before anybody read it: no event will tell.
    if (request.destroyed) return void cutOff();
    request.on('close', cutOff);
    request.on('error', cutOff);
    decompressor?.on('error', (error) =>
      fail(new DomainError('INVALID_REQUEST', 'The body is not compressed as it says.', { cause: toError(error) })),
    );
    source.on('data', take);
    source.on('end', () => {
      settle();
      resolve(Buffer.concat(pieces, size));
    });
    if (decompressor) request.pipe(decompressor);
  });
}

function decompressorOf({ headers }: IncomingMessage): Transform | undefined {
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (encoding === 'identity') return undefined;
  const create = Object.hasOwn(DECOMPRESSORS, encoding) ? DECOMPRESSORS[encoding] : undefined;
  if (!create)
    throw new DomainError('UNSUPPORTED_FORMAT', 'Send the body uncompressed, or as gzip, deflate, br or zstd.');
  return create();
}
