import { Account } from "./account.ts";
import { memoryOf, type LoadedSegment, type Memory, type MemoryBytes, type Segment, type Step } from "./step.ts";

export interface PlacedLoads {
  readonly steps: readonly Step[];
  /** What stays loaded behind the last step. */
  readonly loadedAfter: readonly LoadedSegment[];
}

export interface PlaceLoadsOptions {
  readonly budgets: MemoryBytes;
  /** What an earlier plan has left loaded. */
  readonly loadedBefore: readonly LoadedSegment[];
  /** Whether segments stay loaded after their last use, for the next plan, while there is room. */
  readonly keepLoaded: boolean;
  /** Most scores that are begun and not waited for yet, at least 1. */
  readonly mostScores: number;
  /** Runs that the runner may be at together; 0 where it does one step after the other. */
  readonly overlap: number;
  /**
   * How many of the segments that run next are loaded beside the one that runs. 0: none; then the next one is loaded
   * before it, which is time well spent where items are still being prepared.
   */
  readonly loadAhead: number;
}

/**
 * Adds the steps that load and unload segments, and those that wait for scores. A segment stays loaded while the budget
 * allows and it is needed again; when room is needed, the one whose next use is farthest away goes first (Belady's rule,
 * which the plan can follow because it knows the future). Where there is room, the segments that are needed next are loaded
 * before the one that runs; no more of them than cost no further loads. Scores begin where they stand if there is room, else
 * behind all runs. And where there is room, what a run leaves to be kept and freed waits until others have begun, for a runner
 * that is at several at a time.
 * @param steps a plan without loads, whose results alone fit the budget
 */
export function placeLoads(
  steps: readonly Step[],
  segments: Readonly<Record<string, Segment>>,
  options: PlaceLoadsOptions,
): PlacedLoads {
  const place = (depth: number) => new LoadPlacer(steps, segments, { ...options, loadAhead: depth }).run();
  const shallow = place(0);
  for (let depth = options.loadAhead; depth > 0; depth--) {
    const deep = place(depth);
    if (loadBytes(deep.steps) <= loadBytes(shallow.steps)) return deep;
  }
  return shallow;
}

/** Bytes of weights that steps load, each time they do. */
export const loadBytes = (steps: readonly Step[]): number =>
  steps.reduce((sum, step) => sum + (step.kind === "load" ? step.bytes : 0), 0);

class LoadPlacer {
  readonly #steps: readonly Step[];
  readonly #options: PlaceLoadsOptions;
  readonly #uses: Uses;
  readonly #known: ReadonlyMap<string, LoadedSegment>;
  /** Segment -> index of its next use. */
  readonly #loaded = new Map<string, number>();
  readonly #account = new Account();
  readonly #placed: Step[] = [];
  /** What each of the last runs has left, the oldest first: it comes once others have begun. */
  readonly #waiting: Step[][] = [[]];
  readonly #begun: ScoreStep[] = [];
  /** What there was no room for as soon as its features were there. */
  readonly #postponed: ScoreStep[] = [];

  constructor(steps: readonly Step[], segments: Readonly<Record<string, Segment>>, options: PlaceLoadsOptions) {
    this.#steps = steps;
    this.#options = options;
    this.#uses = usesOf(steps);
    this.#known = new Map([
      ...options.loadedBefore.map((segment) => [segment.segment, segment] as const),
      ...Object.values(segments).map(
        ({ id, on, weightBytes }) => [id, { segment: id, memory: on, bytes: weightBytes }] as const,
      ),
    ]);
  }

  run(): PlacedLoads {
    const { loadedBefore, keepLoaded } = this.#options;
    for (const { segment, bytes, memory } of loadedBefore) {
      this.#account.take(bytes, memory);
      this.#loaded.set(segment, this.#uses.first.get(segment) ?? Infinity);
    }
    // models that have fallen since take their segments with them; there is time for that once something runs
    for (const { segment } of loadedBefore) {
      if (this.#uses.first.has(segment)) continue;
      this.#loaded.delete(segment);
      this.#pushLater({ kind: "unload", ...this.#weights(segment) });
    }
    this.#steps.forEach((step, index) => this.#place(step, index));
    this.#catchUp();
    for (const step of this.#postponed) {
      this.#makeRoom(step.bytes, "host", null);
      this.#beginScore(step);
    }
    while (this.#begun.length > 0) this.#awaitScore();
    if (!keepLoaded) for (const segment of [...this.#loaded.keys()]) this.#unload(segment);
    const loadedAfter = [...this.#loaded.keys()].map((segment) => this.#weights(segment));
    return { steps: this.#placed, loadedAfter };
  }

  #place(step: Step, index: number): void {
    switch (step.kind) {
      case "run":
        return this.#placeRun(step, index);
      case "input":
        this.#freeName(step.to);
        this.#makeRoom(step.bytes, "host", null);
        // items may still be prepared: a session is opened meanwhile
        this.#loadNext(index, { bytes: step.bytes, memory: "host" });
        return this.#push(step);
      default:
        return this.#pushLater(step);
    }
  }

  #placeRun(step: Extract<Step, { kind: "run" }>, index: number): void {
    const { segment, bytes } = step;
    const memory = memoryOf(step.place);
    this.#freeName(step.to);
    if (!this.#loaded.has(segment)) {
      const needed = this.#weights(segment);
      this.#makeRoom(needed.bytes + (needed.memory === memory ? bytes : 0), needed.memory, segment);
      this.#load(segment, index, false);
    }
    this.#makeRoom(bytes, memory, segment);
    this.#loadNext(index, { bytes, memory });
    this.#push(step);
    this.#waiting.push([]);
    while (this.#waiting.length > Math.max(1, this.#options.overlap)) this.#pushAll(this.#waiting.shift() ?? []);
    const next = this.#uses.next[index] ?? Infinity;
    if (next !== Infinity || this.#options.keepLoaded) return void this.#loaded.set(segment, next);
    this.#loaded.delete(segment);
    this.#pushLater({ kind: "unload", ...this.#weights(segment) });
  }

  /** Loads the segments that are needed next, where there is room for them and for what the step takes. */
  #loadNext(index: number, taken: Pick<LoadedSegment, "bytes" | "memory">): void {
    const { loadAhead } = this.#options;
    let soon = this.#uses.upcoming[index];
    for (let left = Math.max(1, loadAhead); soon && left > 0; left--) {
      if (!this.#loaded.has(soon.segment)) {
        const { bytes, memory } = this.#weights(soon.segment);
        if (this.#isFull(bytes + (taken.memory === memory ? taken.bytes : 0), memory)) return;
        this.#load(soon.segment, soon.index, loadAhead > 0);
      }
      soon = this.#uses.upcoming[soon.index];
    }
  }

  #makeRoom(bytes: number, memory: Memory, keep: string | null): void {
    if (this.#isFull(bytes, memory)) this.#catchUp();
    while (this.#isFull(bytes, memory)) {
      const [victim] =
        [...this.#loaded]
          .filter(([id]) => id !== keep && this.#weights(id).memory === memory)
          .sort(([, a], [, b]) => b - a)[0] ?? [];
      if (memory === "host" && this.#begun.length > 0) this.#awaitScore();
      else if (victim !== undefined) this.#unload(victim);
      else return;
    }
  }

  #isFull(bytes: number, memory: Memory): boolean {
    return this.#account.live[memory] + bytes > this.#options.budgets[memory];
  }

  #load(segment: string, use: number, beside: boolean): void {
    this.#push({ kind: "load", ...this.#weights(segment), beside });
    this.#loaded.set(segment, use);
  }

  #unload(segment: string): void {
    this.#loaded.delete(segment);
    this.#push({ kind: "unload", ...this.#weights(segment) });
  }

  #beginScore(step: ScoreStep): void {
    while (this.#begun.length >= this.#options.mostScores) this.#awaitScore();
    this.#push(step);
    this.#begun.push(step);
  }

  #awaitScore(): void {
    const oldest = this.#begun.shift();
    if (oldest) this.#push({ kind: "scored", feature: oldest.feature, bytes: oldest.bytes });
  }

  #weights(segment: string): LoadedSegment {
    const found = this.#known.get(segment);
    if (!found) throw new Error(`the plan has no segment ${segment}`);
    return found;
  }

  /** Trees that don't share name their results alike. */
  #freeName(slot: string): void {
    if (this.#waiting.flat().some((step) => step.kind === "release" && step.slot === slot)) this.#catchUp();
  }

  #catchUp(): void {
    this.#pushAll(this.#waiting.splice(0, Infinity, []).flat());
  }

  #pushAll(steps: readonly Step[]): void {
    for (const step of steps) this.#pushNow(step);
  }

  #pushLater(step: Step): void {
    const left = this.#options.overlap > 0 ? this.#waiting.at(-1) : undefined;
    if (left) left.push(step);
    else this.#pushNow(step);
  }

  #pushNow(step: Step): void {
    if (step.kind !== "score") this.#push(step);
    else if (this.#isFull(step.bytes, "host")) this.#postponed.push(step);
    else this.#beginScore(step);
  }

  #push(step: Step): void {
    this.#account.book(step);
    this.#placed.push(step);
  }
}

type ScoreStep = Extract<Step, { kind: "score" }>;

interface Use {
  readonly segment: string;
  readonly index: number;
}

/** The first run of each segment; for each run step the next run of the same segment, and for each step the next run. */
interface Uses {
  readonly first: ReadonlyMap<string, number>;
  readonly next: readonly number[];
  readonly upcoming: readonly (Use | undefined)[];
}

function usesOf(steps: readonly Step[]): Uses {
  const first = new Map<string, number>();
  const next = new Array<number>(steps.length).fill(Infinity);
  const upcoming = new Array<Use | undefined>(steps.length);
  let later: Use | undefined;
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index];
    upcoming[index] = later;
    if (step?.kind !== "run") continue;
    const { segment } = step;
    next[index] = first.get(segment) ?? Infinity;
    first.set(segment, index);
    later = { segment, index };
  }
  return { first, next, upcoming };
}
