import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { DomainError, toError } from './errors.ts';

export interface MultipartOptions {
  /** Name of the one part that is a file. */
  fileField: string;
  /** Reads the file; sees the fields that came before it. */
  onFile: (fileName: string, source: Readable, fields: Readonly<Record<string, string>>) => Promise<void>;
}

/**
 * Reads a multipart/form-data body with one file, as a stream and under its back pressure.
 * @returns the fields beside the file.
 * @throws DomainError `INVALID_REQUEST` for a body that is malformed, cut off, or has what nobody asked for; whatever `onFile` throws.
 */
export function readMultipart(request: IncomingMessage, options: MultipartOptions): Promise<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null);
  const parser = openParser(request);
  let file: Promise<void> | undefined;
  let open: Readable | undefined;

  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      request.unpipe(parser);
      // The rest is read and dropped: closing now would reset the connection under the answer.
      request.resume();
      // Without an error, its reader would wait for bytes that never come.
      open?.destroy(toError(error));
      reject(error);
    };
    parser.on('field', (name, value, nameCut, valueCut) => {
      if (nameCut || valueCut) fail(invalid('A field is too long.'));
      else fields[name] = value;
    });
    parser.on('file', (name, source, fileName) => {
      if (name !== options.fileField || file) {
        source.resume();
        return fail(invalid(`Send one file, as the part "${options.fileField}".`));
      }
      open = source;
      file = options.onFile(fileName ?? '', source, fields);
      file.catch(fail);
    });
    for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const)
      parser.on(limit, () => fail(invalid('There are too many parts.')));
    parser.on('error', (error) => fail(invalid('The multipart body is malformed.', error)));
    parser.on('finish', () => Promise.resolve(file).then(() => resolve(fields), reject));
    request.once('aborted', () => fail(invalid('The upload was cut off.')));
    request.pipe(parser);
  });
}

function openParser(request: IncomingMessage): BusboyInstance {
  const headers = { ...request.headers, 'content-type': request.headers['content-type'] ?? '' };
  try {
    return new Busboy({
      headers,
      limits: { files: 1, fields: 8, parts: 10, fieldNameSize: 64, fieldSize: 64 * 1024, headerPairs: 16 },
    });
  } catch (error) {
    throw invalid('The multipart body has no boundary.', toError(error));
  }
}

const invalid = (message: string, cause?: unknown): DomainError =>
  new DomainError('INVALID_REQUEST', message, { cause });
