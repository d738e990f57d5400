export interface TurnLimits {
  readonly turns: number;
  /** No other turn begins then. */
  readonly mostSeconds: number;
}

/**
 * Seconds that two things take, turn by turn; each begins every other turn.
 * @returns null where there was no time for all turns
 */
export async function inTurns(
  { turns, mostSeconds }: TurnLimits,
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<[first: number, second: number][] | null> {
  const start = performance.now();
  const seconds: [number, number][] = [];
  for (let turn = 0; turn < turns; turn++) {
    if ((performance.now() - start) / 1000 > mostSeconds) return null;
    const before = turn % 2 === 0 ? await secondsOf(first) : null;
    const other = await secondsOf(second);
    seconds.push([before ?? (await secondsOf(first)), other]);
  }
  return seconds;
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
