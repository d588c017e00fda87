import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const docSchema = z.object({ id: z.string(), title: z.string().default(''), text: z.string() });
const querySchema = z.object({ id: z.string(), text: z.string() });
const judgementSchema = z.object({ queryId: z.string(), docId: z.string(), rel: z.number() });

/** Documents, questions, and which documents answer them. */
export interface TestCollection {
  docs: z.output<typeof docSchema>[];
  queries: z.output<typeof querySchema>[];
  /** By query, then by document. */
  judgements: Map<string, Map<string, number>>;
}

/** Reads `docs.jsonl`, `queries.jsonl` and `qrels.jsonl` of a folder. */
export async function readTestCollection(folder: string): Promise<TestCollection> {
  const judgements = new Map<string, Map<string, number>>();
  for (const { queryId, docId, rel } of await readLines(join(folder, 'qrels.jsonl'), judgementSchema)) {
    const ofQuery = judgements.get(queryId) ?? new Map<string, number>();
    judgements.set(queryId, ofQuery.set(docId, rel));
  }
  return {
    docs: await readLines(join(folder, 'docs.jsonl'), docSchema),
    queries: await readLines(join(folder, 'queries.jsonl'), querySchema),
    judgements,
  };
}

async function readLines<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>[]> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  const values: z.output<T>[] = [];
  for await (const line of lines) if (line.trim() !== '') values.push(schema.parse(JSON.parse(line)));
  return values;
}
