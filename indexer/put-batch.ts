import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { IndexedModelWithDetails } from "./catalog/records.ts";

/** A transaction for each model takes ten times the processor time of one for so many. */
const BATCH_MODELS = 64;
/** Rows that wait at most, so that models of many tensors do not fill the memory: some 20 MB. */
const BATCH_ROWS = 20_000;
/** A crawl that is killed has to read what waited again; so long it may wait, in milliseconds. */
const MAX_AGE_MS = 500;

interface Waiting {
  readonly indexed: IndexedModelWithDetails;
  readonly onWritten: () => void;
}

/**
 * Writes models to the catalog behind their readers, many in one transaction. What a model of which blocks were stored
 * brings is written at once, with all that waits: the next models may find their weights in it. A failure is thrown at
 * whoever adds next, and at the end.
 */
export class PutBatch {
  readonly #catalog: Pick<CatalogWriter, "putModels">;
  #waiting = new Map<string, Waiting>();
  #rows = 0;
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<void> = Promise.resolve();
  #failure: { readonly cause: unknown } | null = null;

  constructor(catalog: Pick<CatalogWriter, "putModels">) {
    this.#catalog = catalog;
  }

  /**
   * Takes a model, and waits where a batch is to be written now.
   * @param onWritten called once the rows are durable
   * @throws the first failure of this or an earlier batch
   */
  async add(indexed: IndexedModelWithDetails, onWritten: () => void): Promise<void> {
    this.#throwFailure();
    const { model, files, tensors, blocks } = indexed;
    if (this.#waiting.has(model.modelId)) await this.finish(); // the later rows replace the earlier ones
    this.#waiting.set(model.modelId, { indexed, onWritten });
    this.#rows += 1 + files.length + tensors.length;
    const isFull = this.#waiting.size >= BATCH_MODELS || this.#rows >= BATCH_ROWS;
    if (isFull || blocks.length > 0) await this.finish();
    else this.#timer ??= setTimeout(() => this.#write(), MAX_AGE_MS);
  }

  /** Waits until all that was added is durable. @throws the first failure */
  async finish(): Promise<void> {
    this.#write();
    await this.#last;
    this.#throwFailure();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = [...this.#waiting.values()];
    if (batch.length === 0) return;
    this.#waiting = new Map();
    this.#rows = 0;
    this.#last = this.#last
      .then(async () => {
        if (this.#failure) return;
        await this.#catalog.putModels(batch.map(({ indexed }) => indexed));
        for (const { onWritten } of batch) onWritten();
      })
      .catch((cause: unknown) => void (this.#failure ??= { cause }));
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.cause;
  }
}
