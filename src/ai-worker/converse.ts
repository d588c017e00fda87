import { type Chunk, indexedText, ProcessingError } from '../documents/job.ts';
import { MAX_TEXT_CHARACTERS, tooManyChunks, tooMuchText } from './limit-errors.ts';
import { OcrNeededError } from './parse/parser.ts';
import type { ParserChannel } from './parse-channel.ts';
import type { ParseLimits } from './parse-limits.ts';
import { type ParseAnswer, type ParseRequest, parseAnswerSchema } from './parse-messages.ts';
import { watchParse } from './parse-watch.ts';
import type { Usage } from './process-usage.ts';

export interface ConverseOptions {
  /** Ends the process. */
  kill(): void;
  limits: ParseLimits;
  signal: AbortSignal;
  usage(): Promise<Usage | undefined>;
  /** Resolves once the process is gone, with what is to be said of it. */
  ended: Promise<Error>;
}

/** A document's chunks, as the process tells them. */
export interface Answered {
  chunks: Chunk[];
  characters: number;
  chunkMs: number;
}

/** One document asked of a parser process, and its answer. Ends the process when it takes too much or nobody waits. */
export function converse(channel: ParserChannel, request: ParseRequest, options: ConverseOptions): Promise<Answered> {
  const { limits, signal, usage, ended, kill } = options;
  const chunks: Chunk[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const give = (reason: unknown) => {
    reject(reason);
    kill();
  };
  const watch = watchParse({ limits, usage, onExceeded: give });
  let hasBegun = false;
  let characters = 0;
  const onAnswer = (answer: ParseAnswer) => {
    if (answer.type === 'began') {
      // Each time again, its clock would never run out.
      if (hasBegun) throw new Error('it began already');
      hasBegun = true;
      // The start of the process is not the document's time.
      watch.restart();
    } else if (answer.type === 'chunks') {
      for (const chunk of answer.chunks) {
        chunks.push(chunk);
        characters += indexedText(chunk).length;
      }
      if (chunks.length > limits.maxChunks) give(tooManyChunks(limits.maxChunks));
      else if (characters > MAX_TEXT_CHARACTERS) give(tooMuchText(MAX_TEXT_CHARACTERS));
    } else if (answer.type === 'done') {
      if (chunks.length === 0) throw new Error('it has no chunks');
      resolve({ chunks, characters: answer.characters, chunkMs: answer.chunkMs });
    } else if (answer.type === 'needs-ocr') {
      // Where pictures are read already, it would be asked for ever.
      if (request.ocr !== 'elsewhere') throw new Error('it reads pictures itself');
      reject(new OcrNeededError());
    } else reject(failure(answer));
  };
  // What a parser says may be what a document made it say.
  const onLine = (answer: unknown) => {
    try {
      onAnswer(parseAnswerSchema.parse(answer));
    } catch (cause) {
      give(new ProcessingError('WORKER_CRASHED', 'The parser gave no answer that can be read.', { cause }));
    }
  };
  const onAbort = () => give(signal.reason);
  const stopListening = channel.onAnswer(onLine);
  signal.addEventListener('abort', onAbort, { once: true });
  void ended.then(reject);
  channel.send(request);
  if (signal.aborted) onAbort();
  return promise.finally(() => {
    watch.stop();
    stopListening();
    signal.removeEventListener('abort', onAbort);
  });
}

function failure(answer: Extract<ParseAnswer, { type: 'failed' }>): ProcessingError {
  const { code, message, retryable, cause } = answer;
  return new ProcessingError(code, message, { retryable, cause: cause === '' ? undefined : new Error(cause) });
}
