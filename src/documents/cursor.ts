import { z } from 'zod';
import { DomainError } from '../platform/errors.ts';

const position = z.tuple([z.iso.datetime({ precision: 6 }), z.uuid()]);

/** A place in a list that is ordered by a time and an id: survives what is added meanwhile. */
export interface Cursor {
  /** ISO time with the microseconds that a Postgres timestamp has, and a JavaScript Date has not. */
  time: string;
  id: string;
}

/** @returns an opaque string for the client to send back. */
export const encodeCursor = ({ time, id }: Cursor): string =>
  Buffer.from(JSON.stringify([time, id])).toString('base64url');

/** @throws DomainError `INVALID_REQUEST` for anything that `encodeCursor` has not made. */
export function decodeCursor(text: string): Cursor {
  try {
    const [time, id] = position.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    return { time, id };
  } catch (cause) {
    throw new DomainError('INVALID_REQUEST', 'The cursor is not one of ours. Start again without it.', { cause });
  }
}
