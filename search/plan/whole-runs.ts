import type { Plan, Step } from "./step.ts";

/**
 * The runs that go through a lane as a whole, which then reads their weights alone: those that read the same result and that
 * no other run waits for. What is left over of them is dealt to all lanes, as all others are.
 */
export function wholeRuns({ steps, lanes }: Pick<Plan, "steps" | "lanes">): ReadonlySet<Step> {
  const siblings = new Map<string, Step[]>();
  const read = new Set(steps.flatMap((step) => (step.kind === "run" ? [step.from] : [])));
  for (const step of steps) {
    if (step.kind !== "run" || read.has(step.to)) continue;
    const runs = siblings.get(step.from);
    if (runs) runs.push(step);
    else siblings.set(step.from, [step]);
  }
  return new Set([...siblings.values()].flatMap((runs) => runs.slice(0, lanes * Math.floor(runs.length / lanes))));
}
