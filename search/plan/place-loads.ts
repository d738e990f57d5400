import { Account } from "./account.ts";
import type { LoadedSegment, Segment, Step } from "./step.ts";

export interface PlacedLoads {
  readonly steps: readonly Step[];
  /** What stays loaded behind the last step. */
  readonly loadedAfter: readonly LoadedSegment[];
}

export interface PlaceLoadsOptions {
  readonly budget: number;
  /** What an earlier plan has left loaded. */
  readonly loadedBefore: readonly LoadedSegment[];
  /** Whether segments stay loaded after their last use, for the next plan, while there is room. */
  readonly keepLoaded: boolean;
}

/**
 * Adds the steps that load and unload segments. A segment stays loaded while the budget allows and it is needed again;
 * when room is needed, the one whose next use is farthest away goes first (Belady's rule, which the plan can follow
 * because it knows the future).
 * @param steps a plan without loads, whose results alone fit the budget
 */
export function placeLoads(
  steps: readonly Step[],
  segments: Readonly<Record<string, Segment>>,
  { budget, loadedBefore, keepLoaded }: PlaceLoadsOptions,
): PlacedLoads {
  const { first, next } = uses(steps);
  const bytesOf = new Map(loadedBefore.map(({ segment, bytes }) => [segment, bytes]));
  for (const [id, segment] of Object.entries(segments)) bytesOf.set(id, segment.weightBytes);
  const weights = (segment: string) => bytesOf.get(segment) ?? 0;
  const loaded = new Map<string, number>(); // segment -> index of its next use
  const account = new Account();
  const placed: Step[] = [];
  const push = (step: Step) => {
    account.book(step);
    placed.push(step);
  };
  const unload = (segment: string) => {
    loaded.delete(segment);
    push({ kind: "unload", segment, bytes: weights(segment) });
  };
  const makeRoom = (bytes: number, keep: string | null) => {
    while (account.live + bytes > budget) {
      const [victim] = [...loaded].filter(([id]) => id !== keep).sort(([, a], [, b]) => b - a)[0] ?? [];
      if (victim === undefined) return;
      unload(victim);
    }
  };
  for (const { segment, bytes } of loadedBefore) {
    account.take(bytes);
    loaded.set(segment, first.get(segment) ?? Infinity);
  }
  // models that have fallen since take their segments with them
  for (const { segment } of loadedBefore) if (!first.has(segment)) unload(segment);
  steps.forEach((step, index) => {
    if (step.kind === "run") {
      const { segment } = step;
      const isLoaded = loaded.has(segment);
      makeRoom(step.bytes + (isLoaded ? 0 : weights(segment)), segment);
      if (!isLoaded) push({ kind: "load", segment, bytes: weights(segment) });
      push(step);
      loaded.set(segment, next[index] ?? Infinity);
      if (next[index] === Infinity && !keepLoaded) unload(segment);
    } else {
      if (step.kind === "input" || step.kind === "score") makeRoom(step.bytes, null);
      push(step);
    }
  });
  if (!keepLoaded) for (const segment of [...loaded.keys()]) unload(segment);
  const loadedAfter = [...loaded.keys()].map((segment) => ({ segment, bytes: weights(segment) }));
  return { steps: placed, loadedAfter };
}

/** The first run of each segment, and for each run step the next run of the same segment. */
function uses(steps: readonly Step[]): {
  readonly first: ReadonlyMap<string, number>;
  readonly next: readonly number[];
} {
  const first = new Map<string, number>();
  const next = new Array<number>(steps.length).fill(Infinity);
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index];
    if (step?.kind !== "run") continue;
    next[index] = first.get(step.segment) ?? Infinity;
    first.set(step.segment, index);
  }
  return { first, next };
}
