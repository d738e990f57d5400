import type { Candidate } from "./candidate.ts";
import { bytesOf } from "./extent.ts";

/** Of a text of usual length. */
const TOKENS = 128;

/** Operations of an item. */
export const flopsOf = ({ blocks }: Pick<Candidate, "blocks">): number =>
  blocks.reduce((sum, { flopsPerItem }) => sum + flopsPerItem, 0);

/** Bytes of the largest result of an item. */
export const largestResult = ({ blocks }: Pick<Candidate, "blocks">): number =>
  blocks.reduce((most, { outputBytes }) => Math.max(most, bytesOf(outputBytes, { items: 1, tokens: TOKENS })), 0);
