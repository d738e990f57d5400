import { rangeLength, type ItemRange } from "../plan/step.ts";
import type { Batch } from "./batch.ts";

/** Collects the rows of a feature for some items, which lie in several batches. */
export class FeatureRows {
  readonly #items: ItemRange;
  /** One row an item, in their order; empty as long as no batch was added. */
  rows = new Float32Array(0);

  constructor(items: ItemRange) {
    this.#items = items;
  }

  /** Whether a batch has some of the items. */
  wants({ items }: Batch): boolean {
    return items.some((item) => this.#has(item));
  }

  /** @param values of all rows of the batch */
  add({ items, rows }: Batch, values: Float32Array): void {
    const width = values.length / rows;
    if (this.rows.length === 0) this.rows = new Float32Array(rangeLength(this.#items) * width);
    items.forEach((item, index) => {
      if (!this.#has(item)) return;
      this.rows.set(values.subarray(index * width, (index + 1) * width), (item - this.#items.begin) * width);
    });
  }

  #has(item: number): boolean {
    return item >= this.#items.begin && item < this.#items.end;
  }
}
