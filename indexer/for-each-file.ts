import type { TensorRange } from "../crawler/fetch-tensors.ts";

/** Weight files of one model that are read at the same time: enough for a network, few enough for its memory. */
const FILES_AT_A_TIME = 4;

/**
 * Reads ranges file by file, several files at the same time; those of one file in their order.
 * @throws the first failure, which stops the others
 */
export async function forEachFile(
  ranges: readonly TensorRange[],
  read: (part: readonly TensorRange[], signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const waiting = [...new Set(ranges.map(({ file }) => file))];
  const readers = Array.from({ length: Math.min(FILES_AT_A_TIME, waiting.length) }, async () => {
    try {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        const part = ranges.filter((range) => range.file === file);
        await read(part, either);
      }
    } catch (cause) {
      stop.abort(cause); // only the first counts: the others fail because of it
    }
  });
  await Promise.all(readers);
  stop.signal.throwIfAborted();
}
