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

it("deals those to all lanes that memory has room for one by one only", () => {
  const unload = (segment: string): Step => ({ kind: "unload", segment, memory: "host", bytes: 8 });
  const release = (slot: string): Step => ({ kind: "release", slot, memory: "host", bytes: 32 });
  const keep = (from: string): Step => ({
    ...{ kind: "keep", feature: `feature ${from}`, from },
    ...{ range: { begin: 0, end: 8 }, items: { begin: 0, end: 8 } },
  });
  const scored = (from: string): Step => ({ kind: "scored", feature: `feature ${from}`, bytes: 8 });
  const [a, b, c] = ["a", "b", "c"].map((name) => run("trunk", name));
  if (!a || !b || !c) throw new Error("no runs");
  expect(wholeOf([a, unload("trunk a"), b, unload("trunk b")], 2)).toEqual([]);
  expect(wholeOf([a, release("a"), b, release("b")], 2)).toEqual([]);
  expect(wholeOf([a, keep("a"), scored("a"), b, keep("b"), scored("b")], 2)).toEqual([]);
  expect(wholeOf([a, keep("a"), b, keep("b"), scored("a"), unload("trunk a"), release("a")], 2)).toEqual(["a", "b"]);
  // two at a time, in turns: each is beside another
  expect(wholeOf([a, b, release("a"), c, release("b"), run("trunk", "d")], 2)).toEqual(["a", "b", "c", "d"]);
  expect(wholeOf([a, b, release("a"), release("b"), c, release("c")], 2)).toEqual(["a", "b"]);
  expect(wholeOf([a, b, release("a"), c, release("b"), run("trunk", "d")], 3)).toEqual([]);
});
