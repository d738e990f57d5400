import { CheckpointError } from "../errors.ts";
import { HubError } from "./hub-error.ts";
import { leastBytes, SlowBodyError } from "./paced-response.ts";

/** How often a body that breaks off may go on from where it broke, without a byte in between, or too slowly. */
export const MAX_BREAKS = 5;
/** A connection after a slow one is as it should be when it has brought so much: as much as takes 30 s at the least rate. */
const RECOVERED_BYTES = leastBytes(30_000);

/**
 * Streams bytes `begin` to `end` of what `open` opens; a body that breaks off is opened again where it broke.
 * @param what is read, for messages
 * @param onBytes told of every byte that came over the wire
 * @throws CheckpointError when an answer is of another range, HubError when it breaks off again and again
 */
export async function* readThroughBreaks(options: {
  readonly what: string;
  readonly begin: number;
  readonly end: number;
  readonly open: (begin: number, end: number) => Promise<Response>;
  readonly onBytes: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}): AsyncGenerator<Uint8Array> {
  const { what, begin, end, open, onBytes, signal } = options;
  let position = begin;
  let breaks = 0;
  let wasSlow = false;
  while (position < end) {
    const opened = position;
    const response = await open(position, end);
    await checkRange(response, what, position, end);
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        const wanted = chunk.subarray(0, end - position);
        position += wanted.byteLength;
        onBytes(wanted.byteLength);
        // a server that is as slow every time brings some bytes each time too
        if (!wasSlow || position - opened >= RECOVERED_BYTES) breaks = 0;
        yield wanted;
        if (position === end) break;
      }
    } catch (cause) {
      if (signal?.aborted || cause instanceof CheckpointError) throw cause;
      wasSlow = cause instanceof SlowBodyError;
    }
    if (position < end && ++breaks > MAX_BREAKS) {
      throw new HubError(`${what} breaks off at byte ${position} of ${end}`, response.status, "");
    }
  }
}

async function checkRange(response: Response, what: string, begin: number, end: number): Promise<void> {
  const said = response.headers.get("content-range");
  const [, first] = /^bytes (\d+)-/.exec(said ?? "") ?? [];
  if (response.status === 206 && Number(first) === begin) return;
  await response.body?.cancel();
  throw new CheckpointError(
    `${what}: bytes ${begin}-${end} were asked for; the hub answered ${response.status} with range ${said ?? "none"}`,
  );
}
