/** What a setting may be made of: each reads the text of an environment variable. */
import { isIP } from 'node:net';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';

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
/** Characters that end a part of a URL must be written otherwise in a password. */
const ENCODE = 'in a user name or password write # / ? @ : % as %23 %2F %3F %40 %3A %25';
const hasReadableCredentials = (text: string): boolean => {
  const { username = '', password = '' } = URL.parse(text) ?? {};
  return !/%(?![0-9a-f]{2})/i.test(username + password);
};
const malformed = `holds a % that encodes nothing: ${ENCODE}`;

export const postgresUrl = z
  .url({
    protocol: /^postgres(ql)?$/,
    error: `must look like postgres://user:password@host:5432/name; ${ENCODE}`,
  })
  .refine(hasReadableCredentials, malformed);
export const redisUrl = z.url({ protocol: /^rediss?$/, error: 'must look like redis://host:6379' });

/** What can be sent as a header's value. */
const secretText = /^[\x21-\x7e]+$/;
const UNSENDABLE = 'must be of printable ASCII characters without spaces';
export const secret = z.string().regex(secretText, UNSENDABLE);

const list = z.string().transform((text) =>
  text
    .split(',')
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
