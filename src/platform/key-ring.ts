import { unwatchFile, watchFile } from 'node:fs';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { fingerprint, secretMatcher } from './secrets.ts';

/** The keys that are in force now. */
export interface KeyRing {
  /** The fingerprint of the key that was given, or undefined where it is none of ours. */
  match(candidate: string): string | undefined;
  /** The one to send. */
  readonly first: string;
}

export interface KeyRingOptions {
  /** The setting that they are. */
  name: string;
  keys: readonly string[];
  /** Where the keys come from, if from a file: changes of it take effect without a restart. */
  file: string | undefined;
  /** Reads them anew. Throws where they are not usable: then those before stay in force. */
  readKeys: () => readonly string[];
  logger: Logger;
  lifecycle: Lifecycle;
  /** How often the file is looked at, in ms. */
  intervalMs?: number;
}

/** Holds keys, and follows their file, so that they are rotated without a gap. */
export function openKeyRing({
  name,
  keys,
  file,
  readKeys,
  logger,
  lifecycle,
  intervalMs = 2_000,
}: KeyRingOptions): KeyRing {
  let current = keys;
  let match = secretMatcher(keys);
  if (file !== undefined) {
    const reload = () => {
      try {
        current = readKeys();
        match = secretMatcher(current);
        logger.info('keys read again', { setting: name, keys: current.map(fingerprint) });
      } catch (error) {
        logger.error('the new keys are not usable; those before stay in force', { setting: name, error });
      }
    };
    // By looking, not by events: orchestrators swap the folder that a secret is linked from.
    watchFile(file, { interval: intervalMs, persistent: false }, reload);
    lifecycle.onClose('key ring', () => unwatchFile(file, reload));
  }
  return {
    match: (candidate) => match(candidate),
    get first() {
      return current[0] ?? '';
    },
  };
}
