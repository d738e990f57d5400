import type { Plan, Step } from "./step.ts";

/**
 * Into how many parts runs are split. Those that read the same result and that no other run waits for go through a lane as a
 * whole, which reads their weights alone; what is left over of them is dealt to all lanes.
 * @returns the runs that go as a whole, with 1
 */
export function partsOfRuns({ steps, lanes }: Pick<Plan, "steps" | "lanes">): ReadonlyMap<Step, number> {
  const siblings = new Map<string, Step[]>();
  const read = new Set(steps.flatMap((step) => (step.kind === "run" ? [step.from] : [])));
  for (const step of steps) {
    if (step.kind !== "run" || read.has(step.to)) continue;
    const runs = siblings.get(step.from);
    if (runs) runs.push(step);
    else siblings.set(step.from, [step]);
  }
  const whole = [...siblings.values()].flatMap((runs) => runs.slice(0, lanes * Math.floor(runs.length / lanes)));
  return new Map(whole.map((step) => [step, 1]));
}
