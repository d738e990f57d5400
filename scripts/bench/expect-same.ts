import type { SearchResult } from "../../search/search-result.ts";

/** @throws Error when two searches disagree about a score by more than rounding may turn: one test item */
export function expectSame(a: SearchResult, b: SearchResult, testItems: number): void {
  const scores = new Map(a.ranking.map(({ model, items, score }) => [`${model} on ${items} items`, score]));
  for (const { model, items, score } of b.ranking) {
    const other = scores.get(`${model} on ${items} items`);
    if (other === undefined || Math.abs(other - score) <= 1.01 / testItems) continue;
    throw new Error(
      `${model} on ${items} items scores ${score} with a budget of ${b.cost.budget} bytes, ${b.tuned.how} settings, and ${other} with ${a.cost.budget} bytes, ${a.tuned.how}`,
    );
  }
}
