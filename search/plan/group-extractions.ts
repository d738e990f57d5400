import type { Candidate } from "./candidate.ts";
import type { Extraction } from "./plan-round.ts";
import type { ItemRange } from "./step.ts";

/** A model, and the ranges that it still lacks features of. */
export interface Missing {
  readonly candidate: Candidate;
  readonly ranges: readonly ItemRange[];
}

/**
 * What a round has to extract: ranges that lie side by side become one, and models that lack the same go together, so
 * that a segment's weights are brought into memory once for all of its items.
 */
export function groupExtractions(missing: readonly Missing[]): Extraction[] {
  const groups = new Map<string, { readonly items: ItemRange; readonly candidates: Candidate[] }>();
  for (const { candidate, ranges } of missing) {
    for (const items of joinRanges(ranges)) {
      const key = `${items.begin}-${items.end}`;
      const group = groups.get(key);
      if (group) group.candidates.push(candidate);
      else groups.set(key, { items, candidates: [candidate] });
    }
  }
  return [...groups.values()].sort((a, b) => a.items.begin - b.items.begin || a.items.end - b.items.end);
}

function joinRanges(ranges: readonly ItemRange[]): ItemRange[] {
  const joined: ItemRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.begin - b.begin)) {
    const last = joined.at(-1);
    if (last?.end === range.begin) joined[joined.length - 1] = { begin: last.begin, end: range.end };
    else joined.push(range);
  }
  return joined;
}
