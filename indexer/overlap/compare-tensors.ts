import type { BlockRecord, CatalogEntry, TensorRecord } from "../catalog/records.ts";
import type { BlockStore } from "../store/block-store.ts";
import { compareSlots, type SlotPair } from "./compare-slots.ts";

/** A tensor of `a` and what it became in `b`, or a tensor that only one of them has. */
export interface TensorComparison {
  /** In `a`, or in `b` where only `b` has it. */
  readonly name: string;
  /** Names in `b`, where they are spelled otherwise. */
  readonly otherNames: readonly string[];
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Null where it is not known, because the bytes of the tensor were not read. */
  readonly same: boolean | null;
  /** Null where no values could be compared. */
  readonly maxAbsDiff: number | null;
  readonly meanAbsDiff: number | null;
  readonly block: string | null;
  readonly in: "both" | "a" | "b";
  /** What a person should know: another shape, values that were not read. */
  readonly note: string | null;
}

const NOT_READ = "outside the backbone, values not read; `alsatian crawl --tensors all` reads them";

/**
 * Compares the tensors of two models. A backbone tensor's counterpart is what fills the same slots of the block at the
 * same position, so that two spellings of one architecture compare; any other's is the tensor of the same name.
 */
export async function* compareTensors(
  a: CatalogEntry,
  b: CatalogEntry,
  store: BlockStore,
  signal?: AbortSignal,
): AsyncGenerator<TensorComparison> {
  const [left, right] = [new Side(a), new Side(b)];
  const matched = new Set<string>();
  for (const tensor of a.tensors) {
    signal?.throwIfAborted();
    const others = counterparts(tensor, left, right);
    for (const other of others) matched.add(other.name);
    yield await compareTensor(tensor, others, left, right, store, signal);
  }
  for (const tensor of b.tensors) if (!matched.has(tensor.name)) yield alone(tensor, "b");
}

/** A model with its tensors by name and by place. */
class Side {
  readonly byName: ReadonlyMap<string, TensorRecord>;
  readonly #blocks: ReadonlyMap<string, BlockRecord>;
  readonly #bySlot = new Map<string, TensorRecord>();
  readonly #chain: readonly BlockRecord[];

  constructor({ tensors, blocks }: CatalogEntry) {
    this.byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.#chain = blocks;
    this.#blocks = new Map(blocks.map((block) => [block.name, block]));
    for (const tensor of tensors)
      for (const slot of tensor.slots ?? []) this.#bySlot.set(`${this.blockOf(tensor)?.position}:${slot}`, tensor);
  }

  blockOf(tensor: TensorRecord): BlockRecord | undefined {
    return tensor.block === null ? undefined : this.#blocks.get(tensor.block);
  }

  blockAt = (position: number): BlockRecord | undefined => this.#chain[position];

  inSlot = (position: number, slot: number): TensorRecord | undefined => this.#bySlot.get(`${position}:${slot}`);
}

function counterparts(tensor: TensorRecord, a: Side, b: Side): TensorRecord[] {
  const block = a.blockOf(tensor);
  if (block && b.blockAt(block.position)?.graphHash === block.graphHash) {
    const found = (tensor.slots ?? []).flatMap((slot) => b.inSlot(block.position, slot) ?? []);
    if (found.length > 0) return [...new Set(found)];
  }
  const twin = b.byName.get(tensor.name);
  return twin ? [twin] : [];
}

async function compareTensor(
  tensor: TensorRecord,
  others: readonly TensorRecord[],
  a: Side,
  b: Side,
  store: BlockStore,
  signal?: AbortSignal,
): Promise<TensorComparison> {
  const [first, ...more] = others;
  if (!first) return alone(tensor, "a");
  const names = others.map(({ name }) => name).filter((name) => name !== tensor.name);
  const row = { ...describe(tensor), otherNames: names, in: "both" as const };
  const pairs = slotPairs(tensor, first, a, b);
  if (pairs === undefined && more.length === 0 && tensor.shape.join() !== first.shape.join())
    return { ...row, same: false, note: `its shape is [${first.shape.join(", ")}] in the other model` };
  if (tensor.hash !== null && tensor.hash === first.hash) return { ...row, same: true, maxAbsDiff: 0, meanAbsDiff: 0 };
  if (pairs === undefined) {
    const known = tensor.hash !== null && first.hash !== null;
    return { ...row, same: known ? false : null, note: known ? null : NOT_READ };
  }
  const { notNumbers, ...difference } = await compareSlots(store, pairs, signal);
  return {
    ...row,
    ...difference,
    note: notNumbers === 0 ? null : `${notNumbers} without a difference: not finite numbers`,
  };
}

/** The slots in which the values of both lie; undefined where they have none, or slots of other shapes. */
function slotPairs(tensor: TensorRecord, other: TensorRecord, a: Side, b: Side): SlotPair[] | undefined {
  const left = a.blockOf(tensor);
  const twin = left && b.blockAt(left.position);
  if (!left || !tensor.slots) return undefined;
  if (twin?.graphHash === left.graphHash)
    return tensor.slots.map((slot) => ({ a: { block: left, slot }, b: { block: twin, slot } }));
  const right = b.blockOf(other);
  if (!right || other.slots?.length !== tensor.slots.length || tensor.shape.join() !== other.shape.join())
    return undefined;
  return tensor.slots.map((slot, index) => ({
    a: { block: left, slot },
    b: { block: right, slot: other.slots?.[index] ?? 0 },
  }));
}

const alone = (tensor: TensorRecord, side: "a" | "b"): TensorComparison => ({
  ...describe(tensor),
  same: false,
  in: side,
  note: `only in ${side}`,
});

const describe = ({ name, dtype, shape, block }: TensorRecord) => ({
  name,
  otherNames: [],
  dtype,
  shape,
  block,
  maxAbsDiff: null,
  meanAbsDiff: null,
  note: null,
});
