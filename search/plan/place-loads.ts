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
  /** Most scores under way at a time, at least 1. */
  readonly scorers: number;
  /** Whether the runner begins a run before the one ahead of it is done. */
  readonly overlaps: boolean;
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
 * before the one that runs; no more of them than cost no further loads. And where there is room, what a run leaves to be kept
 * and freed waits until the next one has begun, for a runner that has no pause between the two.
 * @param steps a plan without loads, whose results alone fit the budget
 */
export function placeLoads(
  steps: readonly Step[],
  segments: Readonly<Record<string, Segment>>,
  options: PlaceLoadsOptions,
): PlacedLoads {
  const shallow = placeAt(0, steps, segments, options);
  for (let depth = options.loadAhead; depth > 0; depth--) {
    const deep = placeAt(depth, steps, segments, options);
    if (loadBytes(deep.steps) <= loadBytes(shallow.steps)) return deep;
  }
  return shallow;
}

/** Bytes of weights that steps load, each time they do. */
export const loadBytes = (steps: readonly Step[]): number =>
  steps.reduce((sum, step) => sum + (step.kind === "load" ? step.bytes : 0), 0);

function placeAt(
  depth: number,
  steps: readonly Step[],
  segments: Readonly<Record<string, Segment>>,
  { budgets, loadedBefore, keepLoaded, scorers, overlaps }: PlaceLoadsOptions,
): PlacedLoads {
  const { first, next, upcoming } = uses(steps);
  const known = new Map(loadedBefore.map((segment) => [segment.segment, segment]));
  for (const { id, on, weightBytes } of Object.values(segments)) {
    known.set(id, { segment: id, memory: on, bytes: weightBytes });
  }
  const weights = (segment: string): LoadedSegment => {
    const found = known.get(segment);
    if (!found) throw new Error(`the plan has no segment ${segment}`);
    return found;
  };
  const loaded = new Map<string, number>(); // segment -> index of its next use
  const account = new Account();
  const placed: Step[] = [];
  const push = (step: Step) => {
    account.book(step);
    placed.push(step);
  };
  const waiting: Step[] = [];
  const pushLater = (step: Step) => {
    if (overlaps) waiting.push(step);
    else push(step);
  };
  const catchUp = () => {
    for (const step of waiting.splice(0)) push(step);
  };
  /** Trees that don't share name their results alike. */
  const freeName = (slot: string) => {
    if (waiting.some((step) => step.kind === "release" && step.slot === slot)) catchUp();
  };
  const load = (segment: string, use: number, beside: boolean) => {
    push({ kind: "load", ...weights(segment), beside });
    loaded.set(segment, use);
  };
  const unload = (segment: string) => {
    loaded.delete(segment);
    push({ kind: "unload", ...weights(segment) });
  };
  const unloadLater = (segment: string) => {
    loaded.delete(segment);
    pushLater({ kind: "unload", ...weights(segment) });
  };
  const begun: ScoreStep[] = [];
  const awaitScore = () => {
    const oldest = begun.shift();
    if (oldest) push({ kind: "scored", feature: oldest.feature, bytes: oldest.bytes });
  };
  const isFull = (bytes: number, memory: Memory) => account.live[memory] + bytes > budgets[memory];
  const makeRoom = (bytes: number, memory: Memory, keep: string | null) => {
    if (isFull(bytes, memory)) catchUp();
    while (isFull(bytes, memory)) {
      const [victim] =
        [...loaded].filter(([id]) => id !== keep && weights(id).memory === memory).sort(([, a], [, b]) => b - a)[0] ??
        [];
      if (memory === "host" && begun.length > 0) awaitScore();
      else if (victim !== undefined) unload(victim);
      else return;
    }
  };
  /** Loads the segments that are needed next, where there is room for them and for what the step takes. */
  const loadNext = (index: number, taken: Pick<LoadedSegment, "bytes" | "memory">) => {
    let soon = upcoming[index];
    for (let left = Math.max(1, depth); soon && left > 0; left--) {
      if (!loaded.has(soon.segment)) {
        const { bytes, memory } = weights(soon.segment);
        if (isFull(bytes + (taken.memory === memory ? taken.bytes : 0), memory)) return;
        load(soon.segment, soon.index, depth > 0);
      }
      soon = upcoming[soon.index];
    }
  };
  for (const { segment, bytes, memory } of loadedBefore) {
    account.take(bytes, memory);
    loaded.set(segment, first.get(segment) ?? Infinity);
  }
  // models that have fallen since take their segments with them
  for (const { segment } of loadedBefore) if (!first.has(segment)) unload(segment);
  steps.forEach((step, index) => {
    switch (step.kind) {
      case "run": {
        const { segment, bytes } = step;
        const memory = memoryOf(step.place);
        freeName(step.to);
        if (!loaded.has(segment)) {
          const needed = weights(segment);
          makeRoom(needed.bytes + (needed.memory === memory ? bytes : 0), needed.memory, segment);
          load(segment, index, false);
        }
        makeRoom(bytes, memory, segment);
        loadNext(index, { bytes, memory });
        push(step);
        catchUp();
        loaded.set(segment, next[index] ?? Infinity);
        if (next[index] === Infinity && !keepLoaded) unloadLater(segment);
        return;
      }
      case "score":
        catchUp();
        while (begun.length >= scorers) awaitScore();
        makeRoom(step.bytes, "host", null);
        push(step);
        begun.push(step);
        return;
      case "input": {
        freeName(step.to);
        makeRoom(step.bytes, "host", null);
        // items may still be prepared: a session is opened meanwhile
        loadNext(index, { bytes: step.bytes, memory: "host" });
        return push(step);
      }
      default:
        return pushLater(step);
    }
  });
  catchUp();
  while (begun.length > 0) awaitScore();
  if (!keepLoaded) for (const segment of [...loaded.keys()]) unload(segment);
  const loadedAfter = [...loaded.keys()].map(weights);
  return { steps: placed, loadedAfter };
}

type ScoreStep = Extract<Step, { kind: "score" }>;

interface Use {
  readonly segment: string;
  readonly index: number;
}

/** The first run of each segment; for each run step the next run of the same segment, and for each step the next run. */
function uses(steps: readonly Step[]): {
  readonly first: ReadonlyMap<string, number>;
  readonly next: readonly number[];
  readonly upcoming: readonly (Use | undefined)[];
} {
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
