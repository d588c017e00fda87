import { TextDecoder } from 'node:util';
import { analyse } from 'chardet';

/** Bytes that encoding detection looks at: enough for its statistics, and it is slow. */
const SAMPLE = 64 * 1024;

/**
 * Decodes text of any encoding: byte order mark, then UTF-8 where every byte fits, then UTF-16
 * without a mark, then `hint` (what the file says of itself), then the likeliest legacy encoding.
 */
export function decodeText(bytes: Uint8Array, options: { hint?: string } = {}): string {
  const marked = encodingOfMark(bytes) ?? unmarkedUtf16(bytes);
  if (marked !== undefined) return new TextDecoder(marked).decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return decoderFor([options.hint, ...likelyEncodings(bytes)]).decode(bytes);
  }
}

function encodingOfMark([first, second]: Uint8Array): string | undefined {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  return undefined;
}

/** UTF-16 of mostly Latin text has a zero in every other byte; no other text encoding has zeros. */
function unmarkedUtf16(bytes: Uint8Array): string | undefined {
  const sample = bytes.subarray(0, 4096);
  let even = 0;
  let odd = 0;
  for (const [index, byte] of sample.entries()) if (byte === 0) index % 2 === 0 ? even++ : odd++;
  if (odd > sample.length / 8 && even * 8 < odd) return 'utf-16le';
  if (even > sample.length / 8 && odd * 8 < even) return 'utf-16be';
  return undefined;
}

/** Encodings by likelihood, judged around the first byte beyond ASCII, which may stand late. */
function likelyEncodings(bytes: Uint8Array): string[] {
  const first = bytes.findIndex((byte) => byte >= 0x80);
  const start = Math.max(0, first - 1024);
  return analyse(bytes.subarray(start, start + SAMPLE)).map((match) => match.name);
}

/** The first of these encodings that the platform knows; the web's fallback otherwise. */
function decoderFor(labels: readonly (string | undefined)[]): TextDecoder {
  for (const label of labels) {
    try {
      if (label !== undefined) return new TextDecoder(label);
    } catch {
      // chardet names a few encodings that the Encoding Standard leaves out.
    }
  }
  return new TextDecoder('windows-1252');
}
