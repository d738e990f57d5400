import type { Plan, Slot, Step } from "./step.ts";

type Run = Extract<Step, { kind: "run" }>;

/**
 * The runs that go through a lane as a whole, which then reads their weights alone: those that read the same result, that no
 * other run waits for, and that can be under way beside as many others as there are other lanes. What is left over of them is
 * dealt to all lanes, as all others are.
 */
export function wholeRuns({ steps, lanes }: Pick<Plan, "steps" | "lanes">): ReadonlySet<Step> {
  const siblings = new Map<string, Run[]>();
  const read = new Set(steps.flatMap((step) => (step.kind === "run" ? [step.from] : [])));
  const together = runsTogether(steps, lanes);
  for (const step of steps) {
    if (step.kind !== "run" || read.has(step.to) || !together.has(step)) continue;
    const runs = siblings.get(step.from);
    if (runs) runs.push(step);
    else siblings.set(step.from, [step]);
  }
  return new Set([...siblings.values()].flatMap((runs) => runs.slice(0, lanes * Math.floor(runs.length / lanes))));
}

/** Runs of a result of which so many are under way at a time: no step between them waits for one of them to be done. */
function runsTogether(steps: readonly Step[], lanes: number): ReadonlySet<Run> {
  const found = new Set<Run>();
  const kept = new Map<string, Slot>(); // where a feature comes from
  let underWay: Run[] = [];
  for (const step of steps) {
    switch (step.kind) {
      case "run": {
        underWay.push(step);
        const same = underWay.filter(({ from }) => from === step.from);
        if (same.length >= lanes) for (const run of same) found.add(run);
        break;
      }
      case "keep":
        kept.set(step.feature, step.from);
        break;
      case "scored":
        underWay = underWay.filter(({ to }) => to !== kept.get(step.feature));
        break;
      case "unload":
        underWay = underWay.filter(({ segment }) => segment !== step.segment);
        break;
      case "release":
        underWay = underWay.filter(({ to }) => to !== step.slot);
        break;
      default:
        break;
    }
  }
  return found;
}
