import type { FileTerm } from "./file-term.ts";

/** Chunks that a later term needs again are kept up to this; beyond it they are fetched again. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
/** So many later terms of a xorb are looked at. */
const MAX_LOOKAHEAD = 32;

/**
 * Chunks that came with one term of a file and belong to a later one: a link may cover the chunks of several terms, and
 * a file may hold a chunk again and again (zeros). Terms are taken in the file's order.
 */
export class KeptChunks {
  readonly #later = new Map<string, FileTerm[]>();
  readonly #chunks = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(terms: readonly FileTerm[]) {
    for (const term of terms.toReversed()) {
      const list = this.#later.get(term.xorb);
      if (list)
        list.push(term); // the next one is the last
      else this.#later.set(term.xorb, [term]);
    }
  }

  /** Whether a later term needs one of the chunks `start` to `end`. */
  isWanted(xorb: string, start: number, end: number): boolean {
    const later = this.#later.get(xorb)?.slice(-MAX_LOOKAHEAD) ?? [];
    return later.some((term) => term.start < end && term.end > start);
  }

  put(xorb: string, index: number, chunk: Uint8Array): void {
    const key = `${xorb}/${index}`;
    if (this.#chunks.has(key) || this.#bytes + chunk.byteLength > MAX_KEPT_BYTES) return;
    this.#chunks.set(key, Uint8Array.from(chunk)); // not a view that holds more
    this.#bytes += chunk.byteLength;
  }

  /** The chunks of the next term, if all are here. What nobody needs any more is dropped. */
  take({ xorb, start, end }: FileTerm): readonly { readonly index: number; readonly chunk: Uint8Array }[] | undefined {
    this.#later.get(xorb)?.pop();
    const found = [];
    for (let index = start; index < end; index++) {
      const key = `${xorb}/${index}`;
      const chunk = this.#chunks.get(key);
      if (!chunk) continue;
      found.push({ index, chunk });
      if (this.isWanted(xorb, index, index + 1)) continue;
      this.#chunks.delete(key);
      this.#bytes -= chunk.byteLength;
    }
    return found.length === end - start ? found : undefined;
  }
}
