import { flopsOf } from "../plan/chain-cost.ts";
import { rangeLength, type Plan } from "../plan/step.ts";
import type { Loading } from "./measured.ts";

/** Of the time to load, what a run must hide for loading beside it to be taken: less is noise, or costs the run. */
const LEAST_HIDDEN = 0.5;
/** More than a few segments ahead take memory for nothing. */
const MOST_AHEAD = 4;

/**
 * How many segments to load beside the one that runs: as many as load while a step runs, and none where that doesn't hide
 * the time: onnxruntime opens sessions for a device in the thread that runs them.
 * @param stepSeconds that a run step takes
 */
export function chooseLoadAhead(loading: Loading | null, stepSeconds: number): number {
  if (!loading || loading.hidden < LEAST_HIDDEN) return 0;
  return Math.min(MOST_AHEAD, Math.max(1, Math.ceil(loading.seconds / stepSeconds)));
}

/**
 * On the CPU any idle lane loads the next segment. Where one loads longer than the others run, these load too instead of
 * waiting for it.
 */
export const aheadOnLanes = (threads: number): number => Math.min(MOST_AHEAD, threads);

/** Operations of a step beside which others are loaded: the mean of all but the heaviest segment's, if there are others. */
export function meanStepFlops({ steps, segments }: Plan, heaviest: string): number {
  const runs = steps.filter((step) => step.kind === "run");
  const others = runs.filter(({ segment }) => segment !== heaviest);
  const counted = others.length > 0 ? others : runs;
  const flops = counted.reduce((sum, { segment: id, items }) => {
    const segment = segments[id];
    return sum + (segment ? flopsOf(segment) * rangeLength(items) : 0);
  }, 0);
  return flops / Math.max(1, counted.length);
}

/**
 * How much of the time to load runs beside it hide: in the middle of the turns; 0 where any of them hid nothing, as it may
 * be noise then.
 * @param turns seconds of runs alone, and together with loads @param seconds of these loads alone
 */
export function hiddenShare(turns: readonly (readonly [alone: number, together: number])[], seconds: number): number {
  const shares = turns.map(([alone, together]) => 1 - (together - alone) / seconds).sort((a, b) => a - b);
  return (shares[0] ?? 0) > 0 ? Math.min(1, shares[shares.length >> 1] ?? 0) : 0;
}
