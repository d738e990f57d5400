import ort from "onnxruntime-node";
import { elementCount } from "../../crawler/export/graph.ts";
import type { RootInputs } from "./root-inputs.ts";

/** A batch of items that are like those of a search, for the inputs of a graph by these names. */
export function madeUpItems(root: RootInputs, items: number, names: readonly string[]): Record<string, ort.Tensor> {
  if (root.kind === "pictures") {
    const pixels = Uint8Array.from({ length: items * elementCount(root.dims) }, (_, index) => (index * 7919) % 251);
    return { x: new ort.Tensor("uint8", pixels, [items, ...root.dims]) };
  }
  // as long as the texts of the search are in the middle
  const length = Float64Array.from(root.lengths).sort()[root.lengths.length >> 1] ?? 1;
  const tensor = (value: bigint) =>
    new ort.Tensor("int64", new BigInt64Array(items * length).fill(value), [items, length]);
  return Object.fromEntries(names.map((name) => [name, tensor(name === "attention_mask" ? 1n : 0n)]));
}
