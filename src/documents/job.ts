/**
 * The contract between backend and ai-worker, and the only file they share: what a job carries
 * through the queue, what the worker asks of the backend's internal port, and what it sends back.
 */
import { z } from 'zod';
import { FORMAT_NAMES, type Lane } from './formats.ts';

/** Name of the bee-queue queue of a lane. */
export const queueName = (lane: Lane): string => `documents-${lane}`;

/** What went wrong with a document, as the API shows it. */
export const PROCESSING_ERROR_CODES = [
  'CORRUPT_FILE',
  'ENCRYPTED_FILE',
  'NO_TEXT',
  'PARSE_TIMEOUT',
  'WORKER_CRASHED',
  'EMBEDDING_FAILED',
  'TOO_LARGE_EXPANDED',
] as const;
export type ProcessingErrorCode = (typeof PROCESSING_ERROR_CODES)[number];

/** Why a document could not be processed. The message is shown to clients: no document text in it. */
export class ProcessingError extends Error {
  override readonly name = 'ProcessingError';
  readonly code: ProcessingErrorCode;
  /** True where another attempt may succeed. A corrupt file stays corrupt. */
  readonly retryable: boolean;

  constructor(code: ProcessingErrorCode, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/**
 * A job: the document's id and which attempt it is meant to be, never content. It says that there is work; which
 * document is worked on is settled when a worker asks, by turns. The queue adds the trace context.
 */
export const jobSchema = z.object({
  documentId: z.uuid(),
  /** Number of the attempt that this job is for; also what makes its id in the queue. */
  attempt: z.int().positive(),
});
export type Job = z.infer<typeof jobSchema>;

/** Ids are ours: Redis would reuse its own from 1 after losing its data. Saving one twice is one job. */
export const jobId = (job: Pick<Job, 'documentId' | 'attempt'>): string => `${job.documentId}.${job.attempt}`;

/** Which editions of this contract a process speaks: its own, and back to which. The one before had no number: 1. */
export const contractSchema = z.object({ version: z.int().positive(), oldest: z.int().positive() });
export type Contract = z.infer<typeof contractSchema>;

/** Of this code. A change that the edition before can't bear raises both. */
export const CONTRACT: Contract = { version: 2, oldest: 1 };
const FIRST_CONTRACT: Contract = { version: 1, oldest: 1 };

/** What vectors must have in common to be compared. */
export const spaceSchema = z.object({ model: z.string().min(1), dimensions: z.int().positive() });
export type EmbeddingSpace = z.infer<typeof spaceSchema>;

/**
 * Answer of `GET /internal/contract`: what a worker must agree with before it takes jobs. Without a space while the
 * model has not said how wide its vectors are: no document is given out until then.
 */
export const agreementSchema = z.object({ contract: contractSchema, space: spaceSchema.optional() });
export type Agreement = z.infer<typeof agreementSchema>;

/**
 * Why a worker can't work for a backend, and what to do about it; undefined where it can.
 * @param worker.space undefined where it is not known yet, or a worker of an older edition does not say.
 */
export function disagreement(
  worker: { contract: Contract; space?: EmbeddingSpace | undefined },
  backend: Agreement,
): string | undefined {
  const [mine, theirs] = [worker.contract, backend.contract];
  if (mine.version < theirs.oldest || theirs.version < mine.oldest)
    return `The ai-worker speaks edition ${mine.version} of the job contract, the backend ${theirs.version}. Run both from one version.`;
  if (!worker.space || !backend.space || isSameSpace(worker.space, backend.space)) return undefined;
  const [here, there] = [worker.space, backend.space].map(
    ({ model, dimensions }) => `${model} (${dimensions} dimensions)`,
  );
  return `The ai-worker embeds with ${here}, but the database holds vectors of ${there}. Give both the same EMBEDDING_ settings.`;
}

/** Whether vectors of two spaces can be compared. */
export const isSameSpace = (one: EmbeddingSpace, other: EmbeddingSpace): boolean =>
  one.model === other.model && one.dimensions === other.dimensions;

/**
 * Body of `POST /internal/documents/:id/attempts`: asks for the document, which counts the attempt. 412: the worker
 * can't work for this backend, and nothing was counted.
 */
export const claimSchema = z.object({
  attempt: z.int().positive(),
  worker: z.string().min(1).max(128),
  contract: contractSchema.default(FIRST_CONTRACT),
  space: spaceSchema.optional(),
  /** Documents that the worker is at: it goes on with them, even where it was taken for lost meanwhile. */
  holding: z.array(z.uuid()).max(100).default([]),
});

/** Body of `POST /internal/lanes/:lane/attempts`: asks, without a job, for a document of others than those in hand. */
export const turnSchema = claimSchema.omit({ attempt: true }).extend({
  /** The worker's own: asked again, it is answered the same. */
  ticket: z.string().min(1).max(128),
  exceptOwners: z.array(z.string()).max(100).default([]),
  exceptShares: z
    .array(z.object({ owner: z.string(), collection: z.string() }))
    .max(100)
    .default([]),
});
/** What a worker that has free hands for others says. */
export type Turn = Pick<z.output<typeof turnSchema>, 'ticket' | 'holding' | 'exceptOwners' | 'exceptShares'>;

/**
 * Answer to a claim (200): the document whose turn it is, which need not be the job's. 404: the job's document is
 * gone. 409: nothing waits. Drop the job, either way.
 */
export const claimedSchema = z.object({
  documentId: z.uuid(),
  attempt: z.int().positive(),
  name: z.string(),
  format: z.enum(FORMAT_NAMES),
  bytes: z.int().nonnegative(),
  /** The attempt is the worker's for this long after each sign of life. */
  leaseMs: z.int().positive(),
  contract: contractSchema.default(FIRST_CONTRACT),
  /** Whose document it is: the fingerprint of a key. Opaque, as is the next. */
  owner: z.string().default(''),
  collection: z.string().default(''),
  /** W3C trace context of the upload. */
  traceContext: z.record(z.string(), z.string()).default({}),
});
export type Claimed = z.infer<typeof claimedSchema>;

/** Where a document is in the worker. */
export const STAGES = ['fetch', 'parse', 'embed', 'store'] as const;
export type Stage = (typeof STAGES)[number];

/** Body of `POST …/attempts/:attempt/progress`: a sign of life. 409: stop, the attempt is no longer yours. */
export const progressSchema = z.object({ stage: z.enum(STAGES), percent: z.int().min(0).max(100) });
export type Progress = z.infer<typeof progressSchema>;

/** A piece of a document's text that is embedded and found as one. */
export interface Chunk {
  text: string;
  /** Headings above it, outermost first. */
  headings: string[];
  /** From 1; null where the format has no pages. */
  page: number | null;
  /** Half-open range [start, end) of UTF-16 units in the document's extracted text. */
  startOffset: number;
  endOffset: number;
  /** Tokens by the embedding model's own tokenizer, headings included. */
  tokens: number;
}

/** What is embedded and indexed for a chunk: its headings give it the context its text may lack. */
export const indexedText = (chunk: Pick<Chunk, 'text' | 'headings'>): string =>
  chunk.headings.length === 0 ? chunk.text : `${chunk.headings.join(' > ')}\n${chunk.text}`;

/**
 * Body of `PUT …/attempts/:attempt/result`: NDJSON, a line a chunk, then one line `resultEnd`.
 * A stream without its end stores nothing.
 */
export const resultChunkSchema = z.object({
  text: z.string().min(1),
  headings: z.array(z.string()),
  page: z.int32().positive().nullable(),
  startOffset: z.int32().nonnegative(),
  endOffset: z.int32().nonnegative(),
  tokens: z.int32().nonnegative(),
  /** float32, little-endian, base64. */
  embedding: z.base64(),
});
export type ResultChunk = z.infer<typeof resultChunkSchema>;

/** The last line of a result. */
export const resultEndSchema = z.object({
  end: z.literal(true),
  chunks: z.int().positive(),
  parseMs: z.number().nonnegative(),
  embedMs: z.number().nonnegative(),
  /** Of the vectors: a result of another than the database's is refused (412), and its attempt is not counted. */
  space: spaceSchema.optional(),
});
export type ResultEnd = z.infer<typeof resultEndSchema>;

/** Body of `POST …/attempts/:attempt/failure`. */
export const failureSchema = z.object({
  code: z.enum(PROCESSING_ERROR_CODES),
  message: z.string().max(500),
  retryable: z.boolean(),
  /** The surroundings were at fault, not the document: does not use up an attempt. */
  surroundings: z.boolean().default(false),
  /** Wait at least this long before the next attempt. */
  retryAfterMs: z.int().nonnegative().optional(),
});
export type Failure = z.output<typeof failureSchema>;
