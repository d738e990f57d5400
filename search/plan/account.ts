import { assertNever, memoryOf, type LoadedSegment, type Memory, type MemoryBytes, type Step } from "./step.ts";

/** The byte account of a plan: what is in each memory after each step, and the most there ever was. */
export class Account {
  readonly #live = { host: 0, device: 0 };
  readonly #peak = { host: 0, device: 0 };

  get live(): MemoryBytes {
    return { ...this.#live };
  }

  get peak(): MemoryBytes {
    return { ...this.#peak };
  }

  take(bytes: number, memory: Memory = "host"): void {
    this.#live[memory] += bytes;
    this.#peak[memory] = Math.max(this.#peak[memory], this.#live[memory]);
  }

  free(bytes: number, memory: Memory = "host"): void {
    if (bytes > this.#live[memory]) {
      throw new Error(`${bytes} bytes of the ${memory} are freed, ${this.#live[memory]} are in use`);
    }
    this.#live[memory] -= bytes;
  }

  /** Books a step as a runner would. */
  book(step: Step): void {
    switch (step.kind) {
      case "load":
        return this.take(step.bytes, step.memory);
      case "run":
        return this.take(step.bytes, memoryOf(step.place));
      case "input":
      case "score":
        return this.take(step.bytes);
      case "unload":
      case "release":
        return this.free(step.bytes, step.memory);
      case "scored":
        return this.free(step.bytes);
      case "keep":
        return;
      default:
        return assertNever(step);
    }
  }
}

/** The most bytes that steps ever hold. @param before what is in memory when they begin */
export function peakOf(steps: readonly Step[], before: readonly LoadedSegment[] = []): MemoryBytes {
  const account = new Account();
  for (const { bytes, memory } of before) account.take(bytes, memory);
  for (const step of steps) account.book(step);
  return account.peak;
}
