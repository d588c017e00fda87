/**
 * Cuts a list of texts into batches, in order, none longer than `maxTexts` and none of more than `maxChars` UTF-16
 * units, unless a single text is.
 */
export function* batchesOf(
  texts: readonly string[],
  { maxTexts, maxChars }: { maxTexts: number; maxChars: number },
): Generator<string[]> {
  let batch: string[] = [];
  let chars = 0;
  for (const text of texts) {
    if (batch.length > 0 && (batch.length === maxTexts || chars + text.length > maxChars)) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(text);
    chars += text.length;
  }
  if (batch.length > 0) yield batch;
}
