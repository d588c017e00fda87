/** What a setting may be made of: each reads the text of an environment variable. */
import { isIP } from 'node:net';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { TLS_MODES } from './platform/postgres-tls.ts';

/** The longest that a timer of Node can wait; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
export const count = (fallback: number) =>
  z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(fallback);
export const milliseconds = count;
/** Milliseconds, or none. */
export const delay = z.coerce.number().int().min(0).max(600_000).default(0);

export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' });
export const postgresUrl = serverUrl(/^postgres(ql)?:\/\//, 'postgres://user:password@host:5432/name').superRefine(
  (text, context) => {
    const { sslmode, sslrootcert } = Object.fromEntries(URL.parse(text)?.searchParams ?? []);
    if (sslmode !== undefined && !TLS_MODES.includes(sslmode))
      context.addIssue({ code: 'custom', message: `has an sslmode that is not one of ${TLS_MODES.join(', ')}` });
    if (sslmode === 'verify-ca' && !sslrootcert)
      context.addIssue({ code: 'custom', message: 'has sslmode=verify-ca, which needs sslrootcert=<file>' });
  },
);
export const redisUrl = serverUrl(/^rediss?:\/\//, 'redis://user:password@host:6379');

/** The address of a server, with what logs in there. The faults quote nothing of it. */
function serverUrl(scheme: RegExp, example: string) {
  return z.string().superRefine((text, context) => {
    if (!scheme.test(text)) context.addIssue({ code: 'custom', message: `must look like ${example}` });
    else if (!isReadable(text))
      context.addIssue({
        code: 'custom',
        message:
          `can't be read as ${example}: where its user or password has other characters than letters, digits ` +
          'and - . _ ~, they must be percent-encoded (# is %23, / is %2F, ? is %3F, @ is %40, : is %3A, % is %25)',
      });
  });
}

/** A `#`, `/` or `?` in a password ends it, and leaves its `@` where no other URL of a server has one. */
function isReadable(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  if (url.hash !== '' || url.pathname.includes('@') || /^\?[^=]*@/.test(url.search)) return false;
  try {
    decodeURIComponent(url.username + url.password + url.pathname);
    return true;
  } catch {
    return false;
  }
}

/** What can be sent as a header's value. */
const secretText = /^[\x21-\x7e]+$/;
const UNSENDABLE = 'must be of printable ASCII characters without spaces';
export const secret = z.string().regex(secretText, UNSENDABLE);

/** Part of an URL, not yet encoded. */
export const password = z.string().min(1).optional();

/** By commas, or by lines in a file. */
const list = z.string().transform((text) =>
  text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter(Boolean),
);
export const secrets = list
  .refine((items) => items.length > 0, 'holds no key')
  .refine((items) => items.every((item) => secretText.test(item)), UNSENDABLE);

/** `*`, or origins as browsers send them: no path, no slash at the end. */
export const origins = list
  .refine((items) => items.length === 1 || !items.includes('*'), '* stands alone')
  .refine(
    (items) => items.every((item) => item === '*' || isOrigin(item)),
    'must be origins, like https://app.example.com, separated by commas',
  );

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.parse(text)?.origin === text;
}

/** `30s`, `1 minute`, or a number of milliseconds; a second or more. */
export const duration = z.string().transform((text, context) => {
  const value = /^\d+$/.test(text) ? Number(text) : (ms(text as StringValue) as number | undefined);
  if (value !== undefined && value >= 1000 && value <= MAX_TIMER_MS) return value;
  context.addIssue({
    code: 'custom',
    message: 'must be a duration from a second to 24 days, like "1 minute" or "30s"',
  });
  return z.NEVER;
});

/** `false`, a number of proxies, or a comma-separated list of addresses and CIDR ranges (Express `trust proxy`). */
export const trustProxy = z
  .string()
  .default('false')
  .refine(
    (text) => text === 'false' || /^\d{1,2}$/.test(text) || text.split(',').every((item) => isProxyRange(item.trim())),
    'must be a number of proxies, or addresses and CIDR ranges separated by commas; never all addresses',
  )
  .transform((text) => (text === 'false' ? false : /^\d+$/.test(text) ? Number(text) : text));

function isProxyRange(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  // A range of all addresses would take any client's word for who it is.
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128))
  );
}
