import type { Format, Lane } from './formats.ts';
import type { ProcessingErrorCode, Stage } from './job.ts';

export const DOCUMENT_STATUSES = ['queued', 'processing', 'completed', 'failed'] as const;
export type DocumentStatus = (typeof DOCUMENT_STATUSES)[number];

export type Metadata = Record<string, unknown>;

/** A document as the database holds it, without its bytes and chunks. */
export interface DocumentRow {
  id: string;
  collection: string;
  /** Fingerprint of the API key that sent it. */
  owner: string;
  name: string;
  format: Format;
  lane: Lane;
  metadata: Metadata;
  /** int8 comes as text. */
  bytes: string;
  sha256: string;
  status: DocumentStatus;
  stage: Stage | null;
  percent: number;
  attempts: number;
  last_attempt: number;
  visible_attempt: number | null;
  chunks: number;
  error_code: ProcessingErrorCode | null;
  error_message: string | null;
  trace_context: Record<string, string>;
  requested_by: Record<string, string> | null;
  trace_id: string | null;
  queued_ms: number | null;
  parse_ms: number | null;
  embed_ms: number | null;
  store_ms: number | null;
  total_ms: number | null;
  created_at: Date;
  queued_at: Date;
  updated_at: Date;
  completed_at: Date | null;
}

/** A document as the API shows it. */
export function presentDocument(row: DocumentRow) {
  return {
    id: row.id,
    name: row.name,
    format: row.format,
    lane: row.lane,
    status: row.status,
    collection: row.collection,
    metadata: row.metadata,
    bytes: Number(row.bytes),
    sha256: row.sha256,
    chunks: row.chunks,
    attempts: row.attempts,
    progress: { stage: row.stage ?? row.status, percent: row.percent },
    ...(row.error_code && { error: { code: row.error_code, message: row.error_message ?? '' } }),
    traceId: row.trace_id,
    timings: {
      queuedMs: row.queued_ms,
      parseMs: row.parse_ms,
      embedMs: row.embed_ms,
      storeMs: row.store_ms,
      totalMs: row.total_ms,
    },
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    completedAt: row.completed_at?.toISOString() ?? null,
  };
}
