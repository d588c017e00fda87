/** Control characters that text files hold: tab, line ends, form feed, the DOS end of file, escape. */
const TEXT_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x1a, 0x1b]);
/** A few stray ones don't make a text binary. */
const MAX_CONTROL_SHARE = 0.005;

/** Whether bytes are text of any encoding: no zeros but those of UTF-16, next to no control characters. */
export function looksLikeText(head: Uint8Array): boolean {
  const zeros = [0, 0];
  let controls = 0;
  for (const [index, byte] of head.entries()) {
    if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
    else if ((byte < 0x20 && !TEXT_CONTROLS.has(byte)) || byte === 0x7f) controls++;
  }
  const [even = 0, odd = 0] = zeros;
  const isMarked = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  if (isMarked) return true;
  const isUtf16 = Math.max(even, odd) > head.length / 8 && Math.min(even, odd) * 8 < Math.max(even, odd);
  if (even + odd > 0 && !isUtf16) return false;
  return controls <= head.length * MAX_CONTROL_SHARE;
}
