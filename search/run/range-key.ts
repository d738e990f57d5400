import { hash } from "node:crypto";
import type { ItemRange } from "../plan/step.ts";

/** Names the items of a range by their contents, in their order. */
export function rangeKeyOf(itemHashes: readonly string[]): (range: ItemRange) => string {
  const known = new Map<string, string>();
  return ({ begin, end }) => {
    const place = `${begin}-${end}`;
    const key = known.get(place) ?? hash("sha256", itemHashes.slice(begin, end).join("\n"));
    known.set(place, key);
    return key;
  };
}
