import type { Response } from 'express';

/** Whoever asked has left: nobody waits for the answer any more. */
export class ClientLeftError extends Error {
  override readonly name = 'ClientLeftError';
  readonly code = 'CLIENT_LEFT';
}

/** Aborts when the client leaves before its answer is sent, with a `ClientLeftError`. */
export function clientSignal(response: Response): AbortSignal {
  const left = new AbortController();
  const onClose = () => {
    if (!response.writableFinished) left.abort(new ClientLeftError('the client has left'));
  };
  // No event will tell of what is over.
  if (response.closed || response.destroyed) onClose();
  else response.once('close', onClose);
  return left.signal;
}
