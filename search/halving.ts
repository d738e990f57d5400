/** The rounds of a successive halving: how many models each scores, and which training items each adds. */
export interface RoundPlan {
  /** Counted from 1. */
  readonly round: number;
  readonly models: number;
  /** The range: new training items `begin` (included) to `end` (excluded) in shuffled order. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Lays out the rounds (DESIGN section 4; SHiFT, VLDB 2023, and Alsatian, SIGMOD 2025). After each round floor(m / 2)
 * of its m models go on, never fewer than `top`. The first range has ceil(N / 2^R) items, each next one twice the one
 * before, the last takes what is left.
 * @param models candidates, at least 1
 * @param top how many to keep in the end, at least 1
 * @param items training items N
 * @param rounds overrides R, the number of halvings from `models` to `top` (at least 1)
 */
export function planRounds(models: number, top: number, items: number, rounds?: number): RoundPlan[] {
  const total = rounds ?? Math.max(1, countHalvings(models, top));
  const first = Math.ceil(items / 2 ** total);
  const plans: RoundPlan[] = [];
  let left = models;
  let begin = 0;
  for (let round = 1; round <= total; round++) {
    const end = round === total ? items : Math.min(items, begin + first * 2 ** (round - 1));
    plans.push({ round, models: left, begin, end });
    begin = end;
    left = survivors(left, top);
  }
  return plans;
}

/** How many of `models` go on after a round. */
export const survivors = (models: number, top: number): number =>
  Math.min(models, Math.max(top, Math.floor(models / 2)));

function countHalvings(models: number, top: number): number {
  let halvings = 0;
  for (let left = models; left > top; left = survivors(left, top)) halvings++;
  return halvings;
}
