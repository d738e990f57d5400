import { InputError } from "../../crawler/errors.ts";
import type { CatalogReader } from "../catalog/catalog-reader.ts";
import type { CatalogEntry } from "../catalog/records.ts";
import type { BlockStore } from "../store/block-store.ts";
import { compareTensors, type TensorComparison } from "./compare-tensors.ts";

/** The blocks of two chains at one position; a null id where a chain has ended. */
export interface BlockComparison {
  readonly position: number;
  /** In `a`, or in `b` behind the end of `a`. */
  readonly name: string;
  readonly shared: boolean;
  readonly sameGraph: boolean;
  readonly a: string | null;
  readonly b: string | null;
}

export interface ModelComparison {
  readonly a: { readonly model: string; readonly revision: string };
  readonly b: { readonly model: string; readonly revision: string };
  readonly blocks: readonly BlockComparison[];
  /** In the checkpoint order of `a`, then those that only `b` has, in its order. */
  readonly tensors: readonly TensorComparison[];
}

/**
 * Compares two indexed models block by block and tensor by tensor. Values of backbone tensors that differ are read from
 * the store in pieces.
 * @throws InputError when a model is not indexed
 */
export async function compareModels(
  reader: CatalogReader,
  store: BlockStore,
  a: string,
  b: string,
  signal?: AbortSignal,
): Promise<ModelComparison> {
  const [left, right] = [await readIndexed(reader, a), await readIndexed(reader, b)];
  const tensors: TensorComparison[] = [];
  for await (const comparison of compareTensors(left, right, store, signal)) tensors.push(comparison);
  return { a: nameOf(left), b: nameOf(right), blocks: compareChains(left, right), tensors };
}

const nameOf = ({ model }: CatalogEntry) => ({ model: model.modelId, revision: model.revision });

async function readIndexed(reader: CatalogReader, id: string): Promise<CatalogEntry> {
  const entry = await reader.readModel(id);
  if (entry?.model.status === "indexed") return entry;
  const state = entry ? `is ${entry.model.status}, not indexed` : "is not in the catalog";
  throw new InputError(`${id} ${state}: run \`alsatian crawl --model ${id}\``);
}

function compareChains(a: CatalogEntry, b: CatalogEntry): BlockComparison[] {
  const length = Math.max(a.blocks.length, b.blocks.length);
  return Array.from({ length }, (_, position) => {
    const [left, right] = [a.blocks[position], b.blocks[position]];
    return {
      position,
      name: left?.name ?? right?.name ?? "",
      shared: left?.blockId === right?.blockId,
      sameGraph: left?.graphHash === right?.graphHash,
      a: left?.blockId ?? null,
      b: right?.blockId ?? null,
    };
  });
}
