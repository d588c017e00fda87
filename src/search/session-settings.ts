/** Candidates that HNSW keeps while it walks its graph: more find more, and take longer. */
export const EF_SEARCH = 200;

/**
 * What every connection that searches must run first. On the connection and not in each search, where
 * they would cost a round trip. Iterative scans go on where filters or hidden chunks leave too few
 * results; in any order, since the results are sorted again.
 */
export const SEARCH_SESSION_SETTINGS: readonly string[] = [
  `SET hnsw.ef_search = ${EF_SEARCH}`,
  'SET hnsw.iterative_scan = relaxed_order',
  // Beyond it a scan ends with what it has. Sets of which so much must be read are scanned exactly.
  'SET hnsw.max_scan_tuples = 40000',
  // Compiling a search takes longer than any of them.
  'SET jit = off',
];
