import type { EmbeddingSpace } from '../documents/job.ts';

/**
 * The space of the vectors of one process. A remote model whose width is not configured may not say it for as long as
 * it is away: until then the space is not known, and from then on it does not change.
 */
export class OwnSpace {
  readonly #model: string;
  #known: EmbeddingSpace | undefined;

  /** @param dimensions width of its vectors, where the model or the settings say it. */
  constructor(model: string, dimensions?: number) {
    this.#model = model;
    if (dimensions !== undefined) this.settle(dimensions);
  }

  /** Undefined until it is known. */
  get current(): EmbeddingSpace | undefined {
    return this.#known;
  }

  /** Takes a width that was learnt. The first one stays. */
  settle(dimensions: number): void {
    this.#known ??= { model: this.#model, dimensions };
  }
}
