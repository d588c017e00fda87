import type { RedisClient } from 'redis';

/** What node_redis 3.1.2 has and its types leave out. */
interface Internals {
  ready: boolean;
  closing: boolean;
  stream: RedisClient['stream'] & { bytesRead: number };
  ready_check(): void;
  on_ready(): void;
}

/**
 * Makes PING decide whether a new connection is ready. Its own check needs INFO, which a user may not
 * have; the first command must be under way before Redis refuses the connection, as node_redis takes
 * every answer for that to a command, and would throw.
 */
export function checkReadyByPing(client: RedisClient): void {
  const internals = client as unknown as Internals;
  internals.ready_check = () => {
    // Or it would be kept for later, as all else is that is sent now.
    internals.ready = true;
    client.ping((error) => {
      if (!error) internals.on_ready();
      // Aborted: the connection was lost, and its loss is told of.
      else if (error.name !== 'AbortError') client.emit('error', error);
    });
    internals.ready = false;
  };
}

/**
 * Breaks a connection that has said nothing for two to three intervals though it was asked, so that a new one is
 * tried: a host that vanished or a frozen server resets nothing. Counted in turns, since after a pause
 * of this process the clock says that everything was silent. Ends by itself when the client is closed.
 * @param options.ask sends something, where nothing is under way.
 */
export function watchSilence(
  client: RedisClient,
  { intervalMs, ask, onSilent }: { intervalMs: number; ask: () => void; onSilent: () => void },
): void {
  const internals = client as unknown as Internals;
  let heard = { stream: internals.stream, bytes: 0 };
  let silentTurns = 0;
  const look = () => {
    const { stream } = internals;
    if (stream !== heard.stream || stream.bytesRead !== heard.bytes) {
      heard = { stream, bytes: stream.bytesRead };
      silentTurns = 0;
    } else {
      // A connection that nobody asks anything, as while a worker's hands are full, owes no answer.
      const owesAnswer = client.command_queue_length > 0 || !internals.ready;
      silentTurns = owesAnswer ? silentTurns + 1 : 0;
    }
    if (silentTurns >= 2 && !stream.destroyed) {
      onSilent();
      stream.destroy();
    } else if (internals.ready && client.command_queue_length === 0) ask();
  };
  const timer = setInterval(() => {
    if (internals.closing) clearInterval(timer);
    else look();
  }, intervalMs).unref();
}
