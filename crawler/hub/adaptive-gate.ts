/** A request that was let through. */
export interface Pass {
  /** Reductions of the limit before it: trouble of older requests has been answered already. */
  readonly era: number;
}

/**
 * Lets a number of requests through at a time that adapts to what the other side bears: trouble (429, 5xx, a broken or
 * silent connection) halves it, once for all requests that were under way together; every request that goes well adds
 * its share of one more, so that a full round of them adds one.
 */
export class AdaptiveGate {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #limit: number;
  #active = 0;
  #era = 0;

  /** @param most requests at a time, which it begins with */
  constructor(most: number) {
    this.#most = most;
    this.#limit = most;
  }

  /** How many requests may be under way now. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Waits for a place; every pass must be given back by `leave`. @throws the signal's reason when it is aborted */
  async enter(signal?: AbortSignal | null): Promise<Pass> {
    signal?.throwIfAborted();
    if (this.#active >= this.limit || this.#waiting.length > 0) await this.#wait(signal);
    else this.#active++;
    return { era: this.#era };
  }

  leave({ era }: Pass, wentWell: boolean): void {
    this.#active--;
    if (wentWell) this.#limit = Math.min(this.#most, this.#limit + 1 / this.#limit);
    else if (era === this.#era) {
      this.#limit = Math.max(1, this.#limit / 2);
      this.#era++;
    }
    while (this.#active < this.limit) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#active++;
      next();
    }
  }

  #wait(signal?: AbortSignal | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener("abort", give);
        resolve();
      };
      const give = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      signal?.addEventListener("abort", give, { once: true });
      this.#waiting.push(enter);
    });
  }
}
