import type { Dtype } from "../dtype.ts";

/** What the pickle of a state dict is made of. Nothing here can be called. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleGlobal
  | TorchStorage
  | TorchTensor;

export interface PickleTuple {
  readonly kind: "tuple";
  readonly items: readonly PickleValue[];
}

export interface PickleList {
  readonly kind: "list";
  readonly items: PickleValue[];
}

/** A dict or an OrderedDict; keys other than strings and numbers are told apart by identity. */
export interface PickleDict {
  readonly kind: "dict";
  readonly entries: Map<PickleValue, PickleValue>;
}

/** A name that is on the list of what a state dict needs. */
export interface PickleGlobal {
  readonly kind: "global";
  /** `module.name` */
  readonly path: string;
}

/** A run of elements in the file, which tensors look at. */
export interface TorchStorage {
  readonly kind: "storage";
  readonly key: string;
  /** Null: untyped, and counted in bytes. */
  readonly dtype: Dtype | null;
  /** How many elements the whole storage has, of `dtype`, or bytes. */
  readonly elements: number;
  /** Elements of the whole storage before this one (older files have storages inside storages). */
  readonly first: number;
}

/** A view of a storage. Element [i, j, …] is element `offset + i * strides[0] + j * strides[1] + …` of the storage. */
export interface TorchTensor {
  readonly kind: "tensor";
  readonly storage: TorchStorage;
  readonly dtype: Dtype;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

type Kinds = Extract<PickleValue, { readonly kind: string }>;

export const isKind = <K extends Kinds["kind"]>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<Kinds, { readonly kind: K }> => typeof value === "object" && value !== null && value.kind === kind;
