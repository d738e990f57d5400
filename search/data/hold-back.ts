import { InputError } from "../../crawler/errors.ts";
import type { Item } from "./data-set.ts";

/** Share of each class that is held back for testing where the data set has no test part. */
export const HELD_BACK_SHARE = 0.2;

/**
 * Splits off a test part: of each class a fifth (rounded, at least one), drawn by the seed. Both parts keep the order
 * of the items.
 * @throws InputError when a class has fewer than two items
 */
export function holdBack<I extends Item>(
  items: readonly I[],
  classes: readonly string[],
  seed: number,
): { train: I[]; test: I[] } {
  const random = seededRandom(seed);
  const held = new Set<I>();
  const lonely: string[] = [];
  classes.forEach((name, label) => {
    const members = items.filter((item) => item.label === label);
    if (members.length < 2) lonely.push(name);
    const count = Math.max(1, Math.round(members.length * HELD_BACK_SHARE));
    for (const member of draw(members, count, random)) held.add(member);
  });
  if (lonely.length > 0) {
    throw new InputError(
      `without a test part each class needs at least 2 items, one to learn from and one to test on; too few: ${lonely.slice(0, 10).join(", ")}`,
    );
  }
  return { train: items.filter((item) => !held.has(item)), test: items.filter((item) => held.has(item)) };
}

/** `count` of the members, by a partial Fisher-Yates shuffle. */
function draw<T>(members: readonly T[], count: number, random: () => number): T[] {
  const pool = [...members];
  const drawn: T[] = [];
  while (drawn.length < count && pool.length > 0) drawn.push(...pool.splice(Math.floor(random() * pool.length), 1));
  return drawn;
}

/** Numbers from 0 up to 1 (mulberry32): the same on every machine for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
