import { describe, expect, it } from "vitest";
import { planRounds, survivors } from "./halving.ts";

const newItems = (models: number, top: number, items: number, rounds?: number) =>
  planRounds(models, top, items, rounds).map(({ begin, end }) => end - begin);

describe("planRounds", () => {
  it.each([
    { models: 35, items: 800, expected: [25, 50, 100, 200, 425], left: [35, 17, 8, 4, 2] },
    { models: 16, items: 640, expected: [40, 80, 160, 360], left: [16, 8, 4, 2] },
    { models: 8, items: 640, expected: [80, 160, 400], left: [8, 4, 2] },
  ])("gives $models models and $items items the paper's ranges", ({ models, items, expected, left }) => {
    expect(newItems(models, 1, items)).toEqual(expected);
    expect(planRounds(models, 1, items).map((round) => round.models)).toEqual(left);
  });

  it("scores a lone model once, on everything", () => {
    expect(planRounds(1, 1, 100)).toEqual([{ round: 1, models: 1, begin: 0, end: 100 }]);
  });

  it("never keeps fewer than top", () => {
    expect(planRounds(16, 5, 640).map((round) => round.models)).toEqual([16, 8]);
    expect(survivors(9, 5)).toBe(5);
    expect(planRounds(4, 10, 100).map((round) => round.models)).toEqual([4]);
  });

  it("takes each training item exactly once, however few there are", () => {
    for (const items of [1, 2, 3, 7, 31, 33, 100, 801]) {
      for (const models of [1, 2, 3, 5, 16, 35, 100]) {
        const rounds = planRounds(models, 1, items);
        expect(rounds[0]?.begin).toBe(0);
        expect(rounds.at(-1)?.end).toBe(items);
        rounds.slice(1).forEach((round, index) => expect(round.begin).toBe(rounds[index]?.end));
      }
    }
  });

  it("takes the number of rounds that it is told", () => {
    expect(newItems(35, 1, 800, 2)).toEqual([200, 600]);
    expect(newItems(4, 1, 800, 3)).toEqual([100, 200, 500]);
    expect(planRounds(4, 1, 800, 3).map((round) => round.models)).toEqual([4, 2, 1]);
  });
});
