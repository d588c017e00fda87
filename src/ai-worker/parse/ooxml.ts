import { strFromU8, unzipSync, zipSync } from 'fflate';
import { ProcessingError } from '../../documents/job.ts';

/** What the parts of one document may inflate to. Honest files of the largest size that is taken stay far below. */
const MAX_INFLATED_BYTES = 256 * 1024 * 1024;
const MAX_ENTRIES = 20_000;
/** Deflate makes at most so many bytes of one. @see https://zlib.net/zlib_tech.html */
const MAX_DEFLATE_RATIO = 1032;
const STORED = 0;
const OLE_MAGIC = [0xd0, 0xcf, 0x11, 0xe0];

/**
 * Vets a docx, xlsx or pptx and returns it as an uncompressed ZIP of its XML parts alone. The
 * readers get what was inflated and counted here, so that an entry that lies about its size, or that
 * two ZIP readers see differently, can't reach them. Pictures and other media are left out.
 * @param options.mend makes of a part what the reader gets.
 * @throws ProcessingError `ENCRYPTED_FILE`, `CORRUPT_FILE` or `TOO_LARGE_EXPANDED`.
 */
export function vetOoxml(
  bytes: Uint8Array,
  required: string,
  { mend = (_name, part) => part }: { mend?: (name: string, part: Uint8Array) => Uint8Array } = {},
): Uint8Array {
  if (OLE_MAGIC.every((byte, index) => bytes[index] === byte)) throw oleError(bytes);
  const parts = inflateParts(bytes);
  if (!Object.keys(parts).some((name) => name.startsWith(required))) {
    throw new ProcessingError(
      'CORRUPT_FILE',
      `The file is a ZIP archive without the ${required} part that its format needs.`,
    );
  }
  for (const [name, part] of Object.entries(parts)) {
    // ECMA-376 part 2 forbids DTDs; entities declared in one can expand without end.
    if (strFromU8(part.subarray(0, 4096), true).includes('<!DOCTYPE')) {
      throw new ProcessingError('CORRUPT_FILE', 'The file declares an XML document type, which its format forbids.');
    }
    parts[name] = mend(name, part);
  }
  return zipSync(parts, { level: 0 });
}

function inflateParts(bytes: Uint8Array): Record<string, Uint8Array> {
  const isXml = (name: string): boolean => /\.(xml|rels)$/i.test(name);
  let unpacked = 0;
  let packed = 0;
  let entries = 0;
  let lies = false;
  try {
    unzipSync(bytes, {
      filter: ({ name, size, originalSize, compression }) => {
        entries++;
        packed += size;
        if (!isXml(name)) return false;
        // fflate makes room for the declared size, and copies a stored entry whatever it declares.
        unpacked += compression === STORED ? Math.max(size, originalSize) : originalSize;
        lies ||= compression === STORED ? size !== originalSize : originalSize > (size + 1) * MAX_DEFLATE_RATIO;
        return false;
      },
    });
    if (unpacked > MAX_INFLATED_BYTES || entries > MAX_ENTRIES) throw tooLarge();
    if (lies) throw new Error('an entry lies about its size');
    // A few kilobytes would be unpacked again and again.
    if (packed > bytes.length) throw new Error('entries share their bytes');
    // fflate never writes beyond the declared size, so the sum of those sizes is a real limit.
    return unzipSync(bytes, { filter: ({ name }) => isXml(name) });
  } catch (error) {
    if (error instanceof ProcessingError) throw error;
    const message = 'The file is damaged or cut off: it is not a readable ZIP archive.';
    throw new ProcessingError('CORRUPT_FILE', message, { cause: error });
  }
}

function tooLarge(): ProcessingError {
  const limit = MAX_INFLATED_BYTES / 1024 / 1024;
  return new ProcessingError('TOO_LARGE_EXPANDED', `The file holds more than ${limit} MB once it is unpacked.`);
}

/** Office keeps a file with a password in an OLE container, under this stream. @see [MS-OFFCRYPTO] 1.3.3 */
function oleError(bytes: Uint8Array): ProcessingError {
  const encrypted = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(
    'EncryptedPackage',
    0,
    'utf16le',
  );
  return encrypted
    ? new ProcessingError(
        'ENCRYPTED_FILE',
        'The file is protected by a password. Remove the password and upload it again.',
      )
    : new ProcessingError(
        'CORRUPT_FILE',
        'The file is in the old binary Office format. Save it in the current one and upload it again.',
      );
}
