/** How often the resident set is looked at, in milliseconds. */
const PERIOD = 50;

/** Watches the memory of this process, its threads included, while something runs. */
export async function sampleMemory<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly peakRssBytes: number }> {
  let peakRssBytes = 0;
  const sample = (): void => void (peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss()));
  sample();
  const timer = setInterval(sample, PERIOD);
  try {
    const result = await work();
    sample();
    return { result, peakRssBytes };
  } finally {
    clearInterval(timer);
  }
}
