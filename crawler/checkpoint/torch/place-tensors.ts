import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { elementCount } from "../../export/graph.ts";
import { DTYPE_BYTES } from "../dtype.ts";
import { MAX_TENSORS, type TensorEntry } from "../safetensors-header.ts";
import { isKind, type PickleValue, type TorchStorage, type TorchTensor } from "./pickle-value.ts";

/** Where a storage's bytes lie in the file. */
export interface StoragePlace {
  readonly begin: number;
  readonly end: number;
}

/** Names of the hub's tensors are below this by far. */
const MAX_NAME_LENGTH = 1000;
/** Weights in another order than rows are put in order in memory: the largest are embeddings of some 10^5 words. */
const MAX_GATHERED_BYTES = 2 ** 30;
/** Views that repeat elements are small buffers (position ids, masks). */
const MAX_REPEATED_BYTES = 16 * 2 ** 20;

/**
 * Places of a state dict's tensors in the file, in the file's order. What is not a tensor is left out.
 * @param place finds a storage, or throws
 * @throws CheckpointError when a tensor looks beyond its storage, UnsupportedModelError when it is no state dict
 */
export function placeTensors(state: PickleValue, place: (storage: TorchStorage) => StoragePlace): TensorEntry[] {
  const tensors = namedTensors(state);
  if (tensors.length > MAX_TENSORS) {
    throw new CheckpointError(`the state dict has ${tensors.length} tensors, the limit is ${MAX_TENSORS}`);
  }
  return tensors
    .map(([name, tensor]) => placeTensor(name, tensor, place(tensor.storage)))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
}

function namedTensors(state: PickleValue): [name: string, tensor: TorchTensor][] {
  const tensors: [string, TorchTensor][] = [];
  for (const [name, value] of isKind(state, "dict") ? state.entries : []) {
    if (!isKind(value, "tensor")) continue;
    if (typeof name !== "string" || name.length > MAX_NAME_LENGTH) throw new CheckpointError("a tensor has no name");
    tensors.push([name, value]);
  }
  if (tensors.length === 0) throw new UnsupportedModelError("its .bin file holds no state dict: there are no tensors");
  return tensors;
}

function placeTensor(name: string, tensor: TorchTensor, { begin, end }: StoragePlace): TensorEntry {
  const { dtype, shape, strides, storage } = tensor;
  const size = DTYPE_BYTES[dtype];
  const fail = (problem: string): never => {
    throw new CheckpointError(`tensor ${JSON.stringify(name.slice(0, 200))}: ${problem}`);
  };
  const bytes = elementCount(shape) * size;
  if (!Number.isSafeInteger(bytes)) return fail(`its shape [${shape.join(", ")}] overflows`);
  if (bytes === 0) return { name, dtype, shape, begin, end: begin };
  const span = 1 + shape.reduce((sum, length, axis) => sum + (length - 1) * (strides[axis] ?? 0), 0);
  const from = begin + (storage.first + tensor.offset) * size;
  const to = from + span * size;
  if (!Number.isSafeInteger(to) || to > end) return fail(`it ends at byte ${to}, beyond its storage's ${end}`);
  if (isRowMajor(shape, strides)) return { name, dtype, shape, begin: from, end: to };
  if (bytes > Math.max(Math.min(span * size, MAX_GATHERED_BYTES), MAX_REPEATED_BYTES)) {
    throw new UnsupportedModelError(`tensor "${name}" is a view of ${bytes} bytes that is not stored row by row`);
  }
  if (span * size > MAX_GATHERED_BYTES) {
    throw new UnsupportedModelError(`tensor "${name}" is a view that spans ${span * size} bytes`);
  }
  return { name, dtype, shape, begin: from, end: to, strides };
}

/** Whether elements follow each other as in C; the stride of an axis of length 1 says nothing. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis] ?? 0;
    if (length !== 1 && strides[axis] !== expected) return false;
    expected *= length;
  }
  return true;
}
