import { ProcessingError } from '../documents/job.ts';

/** UTF-16 units of text that one document may hold. */
export const MAX_TEXT_CHARACTERS = 128 * 1024 * 1024;

/** What lies in the document, and is there at the next attempt too: none of these is retryable. */

export function tooMuchMemory(memoryMb: number): ProcessingError {
  return new ProcessingError('TOO_LARGE_EXPANDED', `The document needs more than ${memoryMb} MB of memory to be read.`);
}

export function tooManyChunks(maxChunks: number): ProcessingError {
  return new ProcessingError('TOO_LARGE_EXPANDED', `The document makes more than ${maxChunks} chunks.`);
}

export function tooMuchText(characters: number): ProcessingError {
  const millions = Math.round(characters / 1e6);
  return new ProcessingError(
    'TOO_LARGE_EXPANDED',
    `The document holds more than ${millions} million characters of text.`,
  );
}

export function tooMuchComputing(cpuMs: number): ProcessingError {
  const seconds = Math.ceil(cpuMs / 1000);
  return new ProcessingError(
    'PARSE_TIMEOUT',
    `The document needs more than ${seconds} seconds of computing to be read.`,
  );
}
