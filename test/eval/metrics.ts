/** How relevant each document is to a query, by its id; what is missing is not relevant. */
export type Judgements = ReadonlyMap<string, number>;

/** What a ranking of documents is worth. */
export interface Quality {
  ndcgAt10: number;
  recallAt100: number;
}

/**
 * Normalised discounted cumulative gain of the first ten (gain: the relevance; discount: log2), and
 * the part of the relevant documents that is among the first hundred.
 * @param ranking ids of documents, best first, each once.
 * @returns undefined where no document is relevant: there is nothing to find.
 */
export function qualityOf(ranking: readonly string[], judgements: Judgements): Quality | undefined {
  const relevances = [...judgements.values()].filter((relevance) => relevance > 0).sort((a, b) => b - a);
  if (relevances.length === 0) return undefined;
  const gains = ranking.map((id) => Math.max(judgements.get(id) ?? 0, 0));
  return {
    ndcgAt10: discounted(gains.slice(0, 10)) / discounted(relevances.slice(0, 10)),
    recallAt100: gains.slice(0, 100).filter((gain) => gain > 0).length / relevances.length,
  };
}

const discounted = (gains: readonly number[]): number =>
  gains.reduce((sum, gain, index) => sum + gain / Math.log2(index + 2), 0);

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The smallest value that at least the given part of the values does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(Math.ceil(part * sorted.length) - 1, 0)] ?? Number.NaN;
}
