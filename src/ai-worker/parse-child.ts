/** The process that opens untrusted files, and may die of any of them. Started by `parse-process.ts` alone. */
import { openTokenizer } from '../embeddings/tokenizer.ts';
import { chunkBlocks } from './chunk.ts';
import { extractedText } from './outline.ts';
import { parseDocument } from './parse/parse-document.ts';
import { serveParser } from './serve-parser.ts';

const tokenizer = openTokenizer();

serveParser(async (request) => {
  const blocks = await parseDocument(request);
  const started = performance.now();
  const chunks = chunkBlocks(blocks, {
    countTokens: (text) => tokenizer.countTokens(text),
    maxTokens: tokenizer.maxContentTokens + 2,
    maxChunks: request.maxChunks,
  });
  return { chunks, characters: extractedText(blocks).length, chunkMs: performance.now() - started };
});
