/** A parser process that tries what a document's name says, and answers what came of it. */
import { serveParser } from '../../src/ai-worker/serve-parser.ts';
import { errorType } from '../../src/platform/errors.ts';
import { DEEDS } from './wall-deeds.ts';

serveParser(async ({ name, bytes }) => {
  const aims = JSON.parse(new TextDecoder().decode(bytes));
  const text = await Promise.resolve()
    .then(() => DEEDS[name]?.(aims))
    .then(() => 'done', errorType);
  const chunk = { text, headings: [], page: null, startOffset: 0, endOffset: text.length, tokens: 1 };
  return { chunks: [chunk], characters: text.length, chunkMs: 0 };
});
