import { on } from 'node:events';
import type { Socket } from 'node:net';

/** First number of what a client says in place of a start-up message. @see https://www.postgresql.org/docs/current/protocol-message-formats.html */
const CANCEL_REQUEST = 80_877_102;
const ENCRYPTION_REQUESTS = [80_877_103, 80_877_104];
/** As Postgres has them. */
const MAX_MESSAGE = 10_000;
const PATIENCE_MS = 10_000;

/** So many bytes of what a client says, once they are there. */
type Take = (bytes: number) => Promise<Buffer>;

const ASK_FOR_PASSWORD = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);

/**
 * Lets a client of the Postgres protocol in that knows the password: PGlite itself asks nobody. Whoever is not let in is
 * told so, and the connection ends.
 * @param client not read from yet. Once let in, what PGlite must hear of it is there to be read.
 */
export async function admitClient(client: Socket, isPassword: (given: string) => boolean): Promise<boolean> {
  const tooLong = setTimeout(() => client.destroy(), PATIENCE_MS);
  // One listener for all: each new one is told at once of what is there, and a message in pieces would be asked for without end.
  const arrivals = on(client, 'readable', { close: ['close'] });
  const take: Take = async (bytes) => {
    for (;;) {
      const taken = client.read(bytes) as Buffer | null;
      if (taken?.length === bytes) return taken;
      if (client.destroyed || client.readableEnded || (await arrivals.next()).done) throw new Error('the client left');
    }
  };
  try {
    const startUp = await readStartUp(client, take);
    client.write(ASK_FOR_PASSWORD);
    const [type] = await take(1);
    const password = (await takeMessage(take)).subarray(4, -1).toString();
    if (type !== 'p'.charCodeAt(0) || !isPassword(password)) throw new Error('no, or a wrong password');
    client.unshift(startUp);
    return true;
  } catch {
    client.end(refusal());
    return false;
  } finally {
    clearTimeout(tooLong);
    await arrivals.return?.();
  }
}

/** The start-up message, after the answers to what may come before. */
async function readStartUp(client: Socket, take: Take): Promise<Buffer> {
  for (let tries = 0; tries < 3; tries += 1) {
    const message = await takeMessage(take);
    const code = message.length < 8 ? CANCEL_REQUEST : message.readUInt32BE(4);
    // There is one session, which can't be interrupted.
    if (code === CANCEL_REQUEST) break;
    if (!ENCRYPTION_REQUESTS.includes(code)) return message;
    client.write('N');
  }
  throw new Error('no start-up message');
}

/** A message whose first four bytes are its length, with those. */
async function takeMessage(take: Take): Promise<Buffer> {
  const head = await take(4);
  const length = head.readUInt32BE(0);
  if (length < 4 || length > MAX_MESSAGE) throw new Error('not the Postgres protocol');
  return length === 4 ? head : Buffer.concat([head, await take(length - 4)]);
}

function refusal(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0');
  const head = Buffer.alloc(5, 'E');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
