import type { CheckpointTensor } from "./checkpoint/open-checkpoint.ts";
import { DTYPE_BYTES } from "./checkpoint/dtype.ts";
import { CheckpointError } from "./errors.ts";
import { gatherRows } from "./gather-rows.ts";
import type { Repository } from "./repository.ts";

/** A run of bytes of one file that holds wanted tensors, and unwanted bytes only where a request would cost more. */
export interface TensorRange {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
  /** In the file's order. */
  readonly tensors: readonly CheckpointTensor[];
}

/** Part of a tensor's bytes: whole elements, row by row, in order. */
export interface TensorChunk {
  readonly tensor: CheckpointTensor;
  /** Byte offset inside the tensor. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Bytes between two wanted tensors that are read along rather than asked for apart: at 50 ms a request and 10 MB/s this
 * takes as long as a request.
 */
export const MAX_GAP_BYTES = 512 * 1024;

/**
 * Coalesces the places of tensors into few requests. Tensors that lie in the same bytes (tied weights in torch files)
 * get ranges of their own. Pure.
 */
export function planRanges(tensors: readonly CheckpointTensor[], maxGapBytes = MAX_GAP_BYTES): TensorRange[] {
  const byFile = groupByFile(tensors);
  return [...byFile].flatMap(([file, list]) => {
    const ranges: { file: string; begin: number; end: number; tensors: CheckpointTensor[] }[] = [];
    for (const tensor of list.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
      const last = ranges.at(-1);
      if (last && tensor.begin >= last.end && tensor.begin - last.end <= maxGapBytes) {
        last.end = tensor.end;
        last.tensors.push(tensor);
      } else {
        ranges.push({ file, begin: tensor.begin, end: tensor.end, tensors: [tensor] });
      }
    }
    return ranges;
  });
}

function groupByFile(tensors: readonly CheckpointTensor[]): Map<string, CheckpointTensor[]> {
  const groups = new Map<string, CheckpointTensor[]>();
  for (const tensor of tensors) {
    const group = groups.get(tensor.file);
    if (group) group.push(tensor);
    else groups.set(tensor.file, [tensor]);
  }
  return groups;
}

/** Weights that had to be put in order are passed on in pieces, so that nobody behind needs as much memory again. */
const PIECE_BYTES = 256 * 1024;

/** Resolves when nobody holds a tensor that is not in order: they may be large, so there is one at a time. */
let isFree: Promise<void> = Promise.resolve();

/**
 * Streams the bytes of tensors in the order in which they lie in their files. Memory is bounded by the chunks that the
 * repository delivers, and by one tensor of the whole process that does not lie row by row, twice.
 * @throws CheckpointError when the repository delivers fewer bytes than asked for
 */
export async function* fetchTensors(
  repository: Pick<Repository, "readRange">,
  ranges: readonly TensorRange[],
  signal?: AbortSignal,
): AsyncGenerator<TensorChunk> {
  let view: Uint8Array | null = null; // of the tensor that is not in order
  let release = (): void => undefined;
  try {
    for await (const chunk of fetchInFileOrder(repository, ranges, signal)) {
      const { tensor, offset, bytes } = chunk;
      if (!tensor.strides) {
        yield chunk;
        continue;
      }
      if (!view) {
        const others = isFree;
        isFree = new Promise((resolve) => (release = resolve));
        await others;
        view = new Uint8Array(tensor.end - tensor.begin);
      }
      view.set(bytes, offset);
      if (offset + bytes.byteLength < view.byteLength) continue;
      const rows = gatherRows(view, tensor.shape, tensor.strides, DTYPE_BYTES[tensor.dtype]);
      view = null;
      for (let at = 0; at < rows.byteLength; at += PIECE_BYTES) {
        yield { tensor, offset: at, bytes: rows.subarray(at, at + PIECE_BYTES) };
      }
      release();
    }
  } finally {
    release();
  }
}

async function* fetchInFileOrder(
  repository: Pick<Repository, "readRange">,
  ranges: readonly TensorRange[],
  signal?: AbortSignal,
): AsyncGenerator<TensorChunk> {
  for (const range of ranges) {
    let next = 0; // index of the first tensor that is not complete
    let position = range.begin;
    let rest: Uint8Array = new Uint8Array(0); // start of an element that the last chunk cut
    for await (const piece of repository.readRange(range.file, range.begin, range.end, signal)) {
      const bytes = rest.byteLength > 0 ? Buffer.concat([rest, piece]) : piece;
      const start = position - rest.byteLength;
      position += piece.byteLength;
      rest = new Uint8Array(0);
      for (; next < range.tensors.length; next++) {
        const tensor = range.tensors[next];
        if (!tensor || tensor.begin >= position) break;
        const from = Math.max(tensor.begin, start);
        const whole = Math.floor((Math.min(tensor.end, position) - tensor.begin) / DTYPE_BYTES[tensor.dtype]);
        const to = tensor.begin + whole * DTYPE_BYTES[tensor.dtype];
        if (to > from) {
          yield { tensor, offset: from - tensor.begin, bytes: bytes.subarray(from - start, to - start) };
        }
        if (position < tensor.end) {
          rest = Uint8Array.from(bytes.subarray(Math.max(from, to) - start));
          break;
        }
      }
    }
    if (position !== range.end) {
      throw new CheckpointError(
        `${range.file}: bytes ${range.begin}-${range.end} were asked for, ${position - range.begin} arrived`,
      );
    }
  }
}
