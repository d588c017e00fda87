import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { DomainError, toError } from './errors.ts';

export interface MultipartOptions {
  /** Name of the one part that is a file, with or without a file name: not every client sends one. */
  fileField: string;
  /**
   * Reads the file; sees the fields that came before it.
   * @param fileName as it was sent, with its path; empty where there is none.
   */
  onFile: (fileName: string, source: Readable, fields: Readonly<Record<string, string>>) => Promise<void>;
}

/**
 * Reads a multipart/form-data body with one file, as a stream and under its back pressure. It settles, whatever the client
 * does, and did before.
 * @returns the fields beside the file.
 * @throws DomainError `INVALID_REQUEST` for a body that is malformed, cut off, or has what nobody asked for; whatever `onFile` throws.
 */
export function readMultipart(request: IncomingMessage, options: MultipartOptions): Promise<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null);
  const parser = openParser(request, options.fileField);
  let file: Promise<void> | undefined;
  let open: Readable | undefined;

  return new Promise((resolve, reject) => {
    let isSettled = false;
    const settle = () => {
      const isFirst = !isSettled;
      isSettled = true;
      // The rest is read and dropped: closing now would reset the connection under the answer.
      request.off('data', feed).resume();
      return isFirst;
    };
    const fail = (error: unknown) => {
      if (!settle()) return;
      // Without an error, its reader would wait for bytes that never come.
      open?.destroy(toError(error));
      reject(error);
    };
    const cutOff = () => fail(invalid('The upload was cut off.'));
    // Not by `pipe`: what a parser throws would be an uncaught exception of the request's event.
    const feed = (piece: Buffer) => {
      try {
        if (parser.write(piece)) return;
        request.pause();
        parser.once('drain', () => request.resume());
      } catch (error) {
        fail(invalid('The multipart body is malformed.', toError(error)));
      }
    };
    parser.on('field', (name, value, nameCut, valueCut) => {
      if (isSettled) return;
      if (name === undefined) fail(invalid('A part has no name.'));
      else if (nameCut || valueCut) fail(invalid('A field is too long.'));
      else fields[name] = value;
    });
    parser.on('file', (name, source, fileName) => {
      // From the first moment: whoever destroys it, nobody else may be listening yet, or any more.
      source.on('error', ignore);
      if (isSettled) return void source.resume();
      if (name !== options.fileField || file) {
        source.resume();
        return fail(invalid(`Send one file, as the part "${options.fileField}".`));
      }
      open = source;
      file = Promise.try(options.onFile, fileName ?? '', source, fields);
      // The parser waits for what was not read.
      file.then(() => source.resume(), fail);
    });
    for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const)
      parser.on(limit, () => fail(invalid('There are too many parts.')));
    parser.on('error', (error) => fail(invalid('The multipart body is malformed.', error)));
    parser.on('finish', () => Promise.resolve(file).then(() => settle() && resolve(fields), fail));
    // Gone before anybody read it: no event will tell.
    if (request.destroyed) return cutOff();
    request.on('error', cutOff);
    request.once('close', () => request.readableEnded || cutOff());
    request.once('end', () => parser.end());
    request.on('data', feed);
  });
}

const ignore = () => undefined;

function openParser(request: IncomingMessage, fileField: string): BusboyInstance {
  const headers = { ...request.headers, 'content-type': request.headers['content-type'] ?? '' };
  try {
    return new Busboy({
      headers,
      preservePath: true,
      // Content types say nothing of it: clients send fields as application/octet-stream, and files as text/plain.
      isPartAFile: (name, _contentType, fileName) => name === fileField || fileName !== undefined,
      limits: { files: 1, fields: 8, parts: 10, fieldNameSize: 64, fieldSize: 64 * 1024, headerPairs: 16 },
    });
  } catch (error) {
    throw invalid('The multipart body has no boundary.', toError(error));
  }
}

const invalid = (message: string, cause?: unknown): DomainError =>
  new DomainError('INVALID_REQUEST', message, { cause });
