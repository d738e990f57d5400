import type { Backbone, Block } from "../../crawler/export/graph.ts";
import type { KnownFile, KnownFileTensor } from "../catalog/known-files.ts";
import type { Evidence } from "../catalog/records.ts";
import { graphHash } from "../hash-block.ts";

/** A tensor whose bytes need not be read, because they are those of one that was. */
export interface KnownTensor {
  readonly hash: string;
  readonly evidence: Evidence;
  /** The slots of the backbone's blocks that it fills: by index of the block, then slot, where the store has the values. */
  readonly fills: ReadonlyMap<number, ReadonlyMap<number, SlotSource>>;
}

/** A slot of a block in the store, and the hash of what is in it. */
export interface SlotSource {
  readonly blockId: string;
  readonly slot: number;
  readonly hash: string;
}

/** What of another model's file can stand for a tensor of a backbone. */
export interface TensorSource {
  readonly file: KnownFile;
  readonly tensor: KnownFileTensor;
  readonly evidence: Evidence;
  /** Hashes of what fills the slots of the source's block. */
  readonly slotHashes: readonly string[] | undefined;
}

/**
 * What is known of a tensor, by its source. Its slots count as filled where the source fills the same slots of the same
 * block: same architecture, name and graph, so that both take the same part of it.
 * @returns null when the values of a slot are nowhere in the store, so that it has to be read
 */
export function knownTensor(
  name: string,
  targets: BlocksByTensor,
  backbone: Backbone,
  { file, tensor, evidence, slotHashes }: TensorSource,
): KnownTensor | null {
  if (tensor.hash === null) return null;
  const fills = new Map<number, Map<number, SlotSource>>();
  for (const { index, block, slots } of targets.get(name) ?? []) {
    const from = tensor.fills;
    const isSame =
      file.architecture === backbone.architecture &&
      from?.block === block.name &&
      from.graphHash === graphHash(block.graph);
    if (!from || !isSame) return null;
    const sources = new Map<number, SlotSource>();
    for (const slot of slots) {
      const hash = from.slots.includes(slot) ? slotHashes?.[slot] : undefined;
      if (hash === undefined) return null;
      sources.set(slot, { blockId: from.blockId, slot, hash });
    }
    fills.set(index, sources);
  }
  return { hash: tensor.hash, evidence, fills };
}

export type BlocksByTensor = ReadonlyMap<
  string,
  readonly { readonly index: number; readonly block: Block; readonly slots: readonly number[] }[]
>;

/** Which slots of which blocks each tensor fills. */
export function blocksByTensor(backbone: Backbone): BlocksByTensor {
  const found = new Map<string, { index: number; block: Block; slots: number[] }[]>();
  backbone.blocks.forEach((block, index) =>
    block.tensors.forEach(({ name }, slot) => {
      const list = found.get(name) ?? [];
      found.set(name, list);
      const last = list.at(-1);
      if (last?.index === index) last.slots.push(slot);
      else list.push({ index, block, slots: [slot] });
    }),
  );
  return found;
}
