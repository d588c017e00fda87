import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Eight hex digits that name a secret in logs and spans without telling it. */
export const fingerprint = (secret: string): string => digest(secret).toString('hex').slice(0, 8);

/**
 * Compares in constant time, whatever the lengths and however many secrets there are.
 * @returns a function that answers the fingerprint of the secret that was given, or undefined.
 */
export function secretMatcher(secrets: readonly string[]): (candidate: string) => string | undefined {
  const known = secrets.map((secret) => ({ digest: digest(secret), fingerprint: fingerprint(secret) }));
  return (candidate) => {
    const given = digest(candidate);
    let found: string | undefined;
    for (const secret of known) if (timingSafeEqual(secret.digest, given)) found = secret.fingerprint;
    return found;
  };
}

/** The token of an `Authorization: Bearer` header. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
