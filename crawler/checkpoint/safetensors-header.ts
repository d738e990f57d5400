import { checkJson } from "../check-json.ts";
import { CheckpointError } from "../errors.ts";
import { DTYPE_BYTES, isDtype, type Dtype } from "./dtype.ts";

/** A tensor's place in a file: `begin` and `end` are byte offsets in the whole file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  /**
   * Steps between elements along each axis, counted in elements from the one at `begin`, where they do not lie row by
   * row (views in torch files). The bytes between `begin` and `end` then hold all of them, and maybe others.
   */
  readonly strides?: readonly number[];
}

/**
 * Readers of the reference implementation refuse headers of more than 100 MB; a quarter of it holds as many tensors as
 * are read here with 125 bytes each, and bounds what parsing takes.
 */
export const MAX_HEADER_BYTES = 25_000_000;
/** The largest checkpoints on the Hub have some 10^4 tensors a file; ten times that is a lie or an attack. */
export const MAX_TENSORS = 200_000;
/** Real weights have at most 6 axes. */
export const MAX_RANK = 8;
/** A header, its entries, their lists; what else may stand in the metadata is text. */
const MAX_DEPTH = 4;
/** Members of an entry, its shape and its offsets. */
const VALUES_PER_TENSOR = 16;

/**
 * Length of the JSON header, from the file's first 8 bytes (u64, little endian).
 * @param fileBytes size of the whole file, which the header must fit in
 */
export function parseHeaderLength(first: Uint8Array, fileBytes: number): number {
  if (first.byteLength < 8) throw new CheckpointError(`the file has ${first.byteLength} bytes, a header needs 8`);
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new CheckpointError(`the header claims ${length} bytes, more than the limit of ${MAX_HEADER_BYTES}`);
  }
  if (Number(length) + 8 > fileBytes) {
    throw new CheckpointError(`the header claims ${length} bytes, the whole file has ${fileBytes}`);
  }
  return Number(length);
}

/**
 * Reads a safetensors header (https://huggingface.co/docs/safetensors#format). Every offset is checked against the
 * file, the type's size and the other tensors before anything is allocated by it.
 * @param json the header's bytes, without the 8 bytes of its length
 * @param fileBytes size of the whole file
 * @returns the tensors in the file's order
 */
export function parseSafetensorsHeader(json: Uint8Array, fileBytes: number): TensorEntry[] {
  const dataStart = 8 + json.byteLength;
  const header = parseJsonObject(json);
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  if (names.length > MAX_TENSORS) {
    throw new CheckpointError(`the header lists ${names.length} tensors, the limit is ${MAX_TENSORS}`);
  }
  const tensors = names.map((name) => parseEntry(name, header[name], dataStart, fileBytes));
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let previous: TensorEntry | undefined;
  for (const tensor of tensors) {
    if (previous && tensor.begin < previous.end) {
      throw new CheckpointError(`tensors "${previous.name}" and "${tensor.name}" overlap in the file`);
    }
    previous = tensor;
  }
  return tensors;
}

function parseJsonObject(json: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(json);
    const limits = { maxDepth: MAX_DEPTH, maxValues: MAX_TENSORS * VALUES_PER_TENSOR, hasUniqueKeys: true };
    const problem = checkJson(text, limits);
    if (problem !== null) throw new CheckpointError(`the header is refused: ${problem}`);
    header = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError("the header is not JSON", { cause });
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new CheckpointError("the header is not a JSON object");
  }
  return { ...header };
}

function parseEntry(name: string, entry: unknown, dataStart: number, fileBytes: number): TensorEntry {
  const fail = (problem: string): never => {
    throw new CheckpointError(`tensor ${JSON.stringify(name.slice(0, 200))}: ${problem}`);
  };
  if (typeof entry !== "object" || entry === null) return fail("its entry is not an object");
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (typeof dtype !== "string" || !isDtype(dtype)) return fail(`unknown data type ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || shape.length > MAX_RANK) return fail(`its shape is not a list of up to ${MAX_RANK}`);
  let elements = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return fail(`bad dimension ${JSON.stringify(dim)}`);
    elements *= dim;
    if (!Number.isSafeInteger(elements)) return fail(`its shape [${shape.join(", ")}] overflows`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2) return fail("data_offsets is not a pair");
  const [from, to] = offsets as unknown[];
  if (!isOffset(from) || !isOffset(to) || to < from) return fail(`bad data_offsets ${JSON.stringify(offsets)}`);
  if (dataStart + to > fileBytes) {
    return fail(`it ends at byte ${dataStart + to}, beyond the file's ${fileBytes} bytes`);
  }
  const expected = elements * DTYPE_BYTES[dtype];
  if (to - from !== expected) {
    return fail(`${dtype} [${shape.join(", ")}] takes ${expected} bytes, its offsets say ${to - from}`);
  }
  return { name, dtype, shape: shape as number[], begin: dataStart + from, end: dataStart + to };
}

const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
