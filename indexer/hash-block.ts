import { createHash, type Hash } from "node:crypto";
import { canonicalGraph, type BlockGraph, type SlotShape } from "../crawler/export/graph.ts";

/**
 * Identities, all sha256 as hex. A block's graph and weights are hashed apart; the block id binds the two; prefix ids
 * are a Merkle chain of block ids. A change to any of these functions changes every id: raise `VERSION` with it.
 */
const VERSION = "alsatian 1";

const digest = (...parts: readonly string[]): string => createHash("sha256").update(parts.join("\n")).digest("hex");

/** Operators, attributes, names inside the block and the shapes of its weights; not the size of its input. */
export const graphHash = (graph: BlockGraph): string => digest(VERSION, "graph", canonicalGraph(graph));

/**
 * A running hash of a tensor's values: feed it float32 bytes (little endian) in order. For tensors that are not floats,
 * name their type and feed their bytes.
 */
export function startTensorHash(shape: SlotShape, dtype = "F32"): Hash {
  return createHash("sha256").update(`${VERSION}\ntensor\n${dtype}\n[${shape.join(",")}]\n`);
}

/** @param tensorHashes one a slot, in slot order */
export const weightsHash = (tensorHashes: readonly string[]): string => digest(VERSION, "weights", ...tensorHashes);

/** Equal id = equal function. */
export const blockId = (graph: string, weights: string): string => digest(VERSION, "block", graph, weights);

/**
 * Root of a chain of prefix ids: what makes the chain's input of an item.
 * @param furtherInputs names of what the chain reads besides its first input (an attention mask)
 */
export const rootPrefixId = (preprocessingKey: string, furtherInputs: readonly string[] = []): string =>
  digest(VERSION, "root", preprocessingKey, ...furtherInputs);

/** Names the result of a chain up to a block: equal prefix ids = shareable result. */
export const nextPrefixId = (prefix: string, block: string): string => digest(VERSION, "prefix", prefix, block);

/** The prefix id after each block of a chain. */
export function prefixIds(root: string, blockIds: readonly string[]): string[] {
  let prefix = root;
  return blockIds.map((id) => (prefix = nextPrefixId(prefix, id)));
}
