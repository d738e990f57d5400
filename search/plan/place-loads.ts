import { Account } from "./account.ts";
import type { Segment, Step } from "./step.ts";

/**
 * Adds the steps that load and unload segments. A segment stays loaded while the budget allows and it is needed again;
 * when room is needed, the one whose next use is farthest away goes first (Belady's rule, which the plan can follow
 * because it knows the future).
 * @param steps a plan without loads, whose results alone fit the budget
 */
export function placeLoads(
  steps: readonly Step[],
  segments: Readonly<Record<string, Segment>>,
  budget: number,
): Step[] {
  const uses = nextUses(steps);
  const weights = (segment: string) => segments[segment]?.weightBytes ?? 0;
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
  steps.forEach((step, index) => {
    if (step.kind === "run") {
      const { segment } = step;
      const isLoaded = loaded.has(segment);
      makeRoom(step.bytes + (isLoaded ? 0 : weights(segment)), segment);
      if (!isLoaded) push({ kind: "load", segment, bytes: weights(segment) });
      push(step);
      const next = uses[index] ?? Infinity;
      loaded.set(segment, next);
      if (next === Infinity) unload(segment);
    } else {
      if (step.kind === "input" || step.kind === "score") makeRoom(step.bytes, null);
      push(step);
    }
  });
  return placed;
}

/** For each run step, the index of the next run of the same segment. */
function nextUses(steps: readonly Step[]): number[] {
  const seen = new Map<string, number>();
  const next = new Array<number>(steps.length).fill(Infinity);
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index];
    if (step?.kind !== "run") continue;
    next[index] = seen.get(step.segment) ?? Infinity;
    seen.set(step.segment, index);
  }
  return next;
}
