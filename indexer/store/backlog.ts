/**
 * Work that goes on behind its caller, up to a bound. The caller waits only while too much is under way; the first
 * failure is thrown at whoever comes next, and again when all is awaited.
 */
export class Backlog {
  readonly #bound: number;
  readonly #running = new Set<Promise<void>>();
  #size = 0;
  #failure: { readonly cause: unknown } | null = null;

  /** @param bound how much may be under way, in the unit of `add`'s sizes; a piece larger than all of it goes alone */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /** Waits until there is room, then starts the work and returns. @throws the first failure of earlier work */
  async add(size: number, work: () => Promise<void>): Promise<void> {
    this.#size += size;
    while (this.#running.size > 0 && this.#size > this.#bound) await Promise.race(this.#running);
    if (this.#failure) {
      this.#size -= size;
      throw this.#failure.cause;
    }
    const running = work()
      .catch((cause: unknown) => void (this.#failure ??= { cause }))
      .finally(() => {
        this.#size -= size;
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  /** Waits for all of it. @throws the first failure */
  async finish(): Promise<void> {
    await this.settle();
    if (this.#failure) throw this.#failure.cause;
  }

  /** Waits for all of it, whatever became of it. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
  }
}
