import { InterruptedError } from "./runner.ts";

interface Waiter {
  readonly root: string;
  readonly end: number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** How far the items of each root are prepared, and who waits for more. */
export class PreparedItems {
  readonly #ends = new Map<string, number>();
  #waiters: Waiter[] = [];
  #isInterrupted = false;

  /** Items of a root are prepared up to (without) this place in the search's order. */
  mark(root: string, end: number): void {
    this.#ends.set(root, end);
    const ready = this.#waiters.filter((waiter) => this.#has(waiter));
    this.#waiters = this.#waiters.filter((waiter) => !this.#has(waiter));
    for (const { resolve } of ready) resolve();
  }

  /** @throws InterruptedError when it is interrupted before */
  async wait(root: string, end: number): Promise<void> {
    if (this.#has({ root, end })) return;
    if (this.#isInterrupted) throw new InterruptedError();
    return new Promise((resolve, reject) => this.#waiters.push({ root, end, resolve, reject }));
  }

  interrupt(): void {
    this.#isInterrupted = true;
    for (const { reject } of this.#waiters) reject(new InterruptedError());
    this.#waiters = [];
  }

  #has({ root, end }: Pick<Waiter, "root" | "end">): boolean {
    return (this.#ends.get(root) ?? 0) >= end;
  }
}
