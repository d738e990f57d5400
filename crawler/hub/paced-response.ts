/**
 * A body must bring so many bytes a second: on a line of 128 kbit/s each of 16 connections gets as much, and a file of
 * 1 GB would take 11 days below it. A server that sends a byte now and then would hold a crawl for ever.
 */
export const MIN_BYTES_PER_SECOND = 1000;

/** A body comes more slowly than anyone can wait for. Asking for the rest may find a better connection. */
export class SlowBodyError extends Error {
  override name = "SlowBodyError";
}

/** The bytes that must come within a window, or it counts as too slow. */
export const leastBytes = (windowMs: number): number => (MIN_BYTES_PER_SECOND * windowMs) / 1000;

/**
 * The same answer, whose body breaks off with a SlowBodyError where it comes too slowly. Only time in which someone waits
 * for bytes counts, so a reader may take as long as it likes.
 * @param windowMs how long the waiting may be in which too little comes, in milliseconds
 */
export function pacedResponse(response: Response, windowMs: number): Response {
  if (!response.body) return response;
  const reader = response.body.getReader();
  let waitedMs = 0;
  let bytes = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const start = performance.now();
        const { done, value } = await reader.read();
        if (done) return controller.close();
        controller.enqueue(value);
        waitedMs += performance.now() - start;
        bytes += value.byteLength;
        if (waitedMs < windowMs) return;
        if (bytes < leastBytes(windowMs)) {
          const error = new SlowBodyError(`only ${bytes} bytes came in ${Math.round(waitedMs / 1000)} s`);
          await reader.cancel(error).catch(() => undefined); // it is given up anyway
          throw error;
        }
        waitedMs = 0;
        bytes = 0;
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}
