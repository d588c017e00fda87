/** A value that a metadata key may have. */
export type FilterValue = string | number | boolean;

/** Which documents are searched. */
export interface Scope {
  /** One collection; all without it. */
  collection?: string | undefined;
  /** Each metadata key has the value, or one of the values; an array has it as an element. */
  filter?: Readonly<Record<string, FilterValue | readonly FilterValue[]>> | undefined;
}

/** Chunks that may be found, as `c`, and their documents, as `d`: those of the attempt that is searchable. */
export const VISIBLE_CHUNKS = 'chunks c JOIN documents d ON d.id = c.document_id AND d.visible_attempt = c.attempt';

/** The conditions of a scope on `d`, whose parameters are $1 and $2: see `scopeParameters`. */
export const DOCUMENT_IN_SCOPE =
  '($1::text IS NULL OR d.collection = $1) AND ($2::jsonpath IS NULL OR d.metadata @@ $2::jsonpath)';

/** The same on `c` and `d`. */
export const CHUNK_IN_SCOPE =
  '($1::text IS NULL OR c.collection = $1) AND ($2::jsonpath IS NULL OR d.metadata @@ $2::jsonpath)';

/** The parameters $1 and $2 of the conditions above. */
export function scopeParameters({ collection, filter }: Scope): [string | null, string | null] {
  return [collection ?? null, filter && Object.keys(filter).length > 0 ? metadataPath(filter) : null];
}

/**
 * A filter as one jsonpath predicate, which a GIN index can answer: `$."year" == 2024 && …`. In
 * jsonpath's lax mode an array is compared by its elements. It writes strings as JSON does.
 */
function metadataPath(filter: NonNullable<Scope['filter']>): string {
  return Object.entries(filter)
    .map(([key, values]) => {
      const at = `$.${JSON.stringify(key)}`;
      return `(${[values]
        .flat()
        .map((value) => `${at} == ${JSON.stringify(value)}`)
        .join(' || ')})`;
    })
    .join(' && ');
}
