/**
 * Runs work with a signal of its own that follows another one. Whatever listens to it goes with the work: undici keeps
 * a listener for each request until memory is collected, which on one signal for all models would be a leak.
 */
export async function withOwnSignal<T>(signal: AbortSignal, work: (own: AbortSignal) => Promise<T>): Promise<T> {
  const own = new AbortController();
  const follow = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  if (signal.aborted) follow();
  try {
    return await work(own.signal);
  } finally {
    signal.removeEventListener("abort", follow);
  }
}
