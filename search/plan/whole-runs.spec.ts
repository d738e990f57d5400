import { expect, it } from "vitest";
import { wholeRuns } from "./whole-runs.ts";
import type { Step } from "./step.ts";

const run = (from: string, to: string): Step => ({
  ...{ kind: "run", segment: `${from} ${to}`, from, to, inputs: "root", place: "memory" },
  ...{ items: { begin: 0, end: 8 }, bytes: 32 },
});
const wholeOf = (steps: readonly Step[], lanes: number): string[] =>
  [...wholeRuns({ steps, lanes })].map((step) => (step.kind === "run" ? step.to : ""));

it("sends those through a lane as a whole that read one result and that nobody waits for", () => {
  const steps = [run("root", "trunk"), run("trunk", "a"), run("trunk", "b")];
  expect(wholeOf(steps, 2)).toEqual(["a", "b"]);
});

it("deals what is left over to all lanes", () => {
  const steps = ["a", "b", "c", "d", "e"].map((name) => run("trunk", name));
  expect(wholeOf(steps, 2)).toEqual(["a", "b", "c", "d"]);
  expect(wholeOf(steps, 3)).toEqual(["a", "b", "c"]);
  expect(wholeOf(steps, 8)).toEqual([]);
});

it("deals those to all lanes whose results are read", () => {
  const steps = [run("root", "a"), run("a", "b"), run("a", "c"), run("root", "d")];
  expect(wholeOf(steps, 2)).toEqual(["b", "c"]);
});
