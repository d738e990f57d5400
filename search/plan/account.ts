import { assertNever, type Step } from "./step.ts";

/** The byte account of a plan: what is in memory after each step, and the most there ever was. */
export class Account {
  #live = 0;
  #peak = 0;

  get live(): number {
    return this.#live;
  }

  get peak(): number {
    return this.#peak;
  }

  take(bytes: number): void {
    this.#live += bytes;
    this.#peak = Math.max(this.#peak, this.#live);
  }

  free(bytes: number): void {
    if (bytes > this.#live) throw new Error(`${bytes} bytes are freed, ${this.#live} are in use`);
    this.#live -= bytes;
  }

  /** Books a step as a runner would. */
  book(step: Step): void {
    switch (step.kind) {
      case "load":
      case "input":
      case "run":
      case "score":
        return this.take(step.bytes);
      case "unload":
      case "release":
      case "scored":
        return this.free(step.bytes);
      case "keep":
        return;
      default:
        return assertNever(step);
    }
  }
}

/** The most bytes that steps ever hold. @param before bytes that are in memory when they begin */
export function peakOf(steps: readonly Step[], before = 0): number {
  const account = new Account();
  account.take(before);
  for (const step of steps) account.book(step);
  return account.peak;
}
