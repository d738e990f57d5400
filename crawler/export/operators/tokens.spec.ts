import { describe, expect, it } from "vitest";
import { furthest, ranked, runGraph, waves, weight } from "../../../test/export/run-graph.ts";
import type { Ops, Value } from "../ops.ts";
import { flattenMap, insertTokens, meanTokens, takeToken, unflattenMap } from "./tokens.ts";

/** Two items of three tokens with two features: 0 … 5 and 6 … 11. */
const tokens = {
  info: { dims: [3, 2], grid: [1, 3] as const },
  values: Float32Array.from({ length: 12 }, (_, i) => i),
};
const [a, b, c, d] = waves(4, 1);
const learnt = [a, b, c, d].map((value) => value ?? NaN);

const run = (build: (g: Ops, x: Value<3>) => Value<number>) => runGraph([tokens], (g, [x]) => build(g, ranked(x, 3)));

describe("tokens", () => {
  it("come from a map row by row, and go back", async () => {
    const map = { info: { dims: [2, 2, 3] }, values: Float32Array.from({ length: 12 }, (_, i) => i) };
    const flat = await runGraph([map], (g, [x]) => flattenMap(g, ranked(x, 4)));
    expect(flat.info).toEqual({ dims: [6, 2], grid: [2, 3] });
    expect(flat.values).toEqual([0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]);
    const back = await runGraph([map], (g, [x]) => unflattenMap(g, flattenMap(g, ranked(x, 4))));
    expect(back.values).toEqual([...map.values]);
    expect(back.dims).toEqual([1, 2, 2, 3]);
  });

  it("get learnt ones in front, behind and in between, in every item of the batch", async () => {
    const pair = weight(1, 1, 2, 2);
    const front = await run((g, x) => insertTokens(g, x, [pair]));
    expect(front.info).toEqual({ dims: [5, 2], grid: [1, 3] });
    expect(furthest(front.values, [...learnt, 0, 1, 2, 3, 4, 5, ...learnt, 6, 7, 8, 9, 10, 11])).toBe(0);
    const behind = await run((g, x) => insertTokens(g, x, [pair], "end"));
    expect(furthest(behind.values, [0, 1, 2, 3, 4, 5, ...learnt, 6, 7, 8, 9, 10, 11, ...learnt])).toBe(0);
    const between = await run((g, x) => insertTokens(g, x, [pair], 1));
    expect(furthest(between.values, [0, 1, ...learnt, 2, 3, 4, 5, 6, 7, ...learnt, 8, 9, 10, 11])).toBe(0);
  });

  it("make a vector: one of them, or the mean from one on", async () => {
    expect((await run((g, x) => takeToken(g, x, 1))).values).toEqual([2, 3, 8, 9]);
    expect((await run((g, x) => meanTokens(g, x))).values).toEqual([2, 3, 8, 9]);
    expect((await run((g, x) => meanTokens(g, x, 1))).values).toEqual([3, 4, 9, 10]);
  });
});
