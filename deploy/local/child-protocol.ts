/** What a server process of the launcher tells it over IPC. */
export type Report =
  /** It can be used now. */
  | { type: 'ready' }
  /** Worth a line on the screen. */
  | { type: 'note'; message: string }
  /** It can't go on; it exits next. One line that says what to do. */
  | { type: 'failed'; message: string };

/** How the launcher hands a server its password: by the environment, which, unlike arguments, only its owner can see. */
export const PASSWORD_VARIABLE = 'RAGBASE_EMBEDDED_PASSWORD';

/** @throws Error where this process was started without one. */
export function embeddedPassword(): string {
  const password = process.env[PASSWORD_VARIABLE];
  if (!password) throw new Error(`${PASSWORD_VARIABLE} is not set`);
  return password;
}

/** Tells the launcher; on the terminal where the process was started by hand. */
export function report(message: Report): Promise<void> {
  return new Promise((resolve) => {
    const send = process.send?.bind(process);
    if (send && process.connected) send(message, undefined, undefined, () => resolve());
    else process.stderr.write(`${JSON.stringify(message)}\n`, () => resolve());
  });
}

/** Why a server process ends: its launcher says so, or its launcher is gone. */
export type EndReason = 'told' | 'launcher gone';

/** Ends this process once: with status 0 after `close`, with 1 where that fails. */
export function endWithLauncher(close: (reason: EndReason) => Promise<void>): void {
  let ending = false;
  const end = (reason: EndReason) => {
    if (ending) return;
    ending = true;
    close(reason).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', () => end('told'));
  process.on('SIGINT', () => end('told'));
  process.on('disconnect', () => end('launcher gone'));
  // Died before the listener was there.
  if (process.send && !process.connected) end('launcher gone');
}
