/** Seconds that two things take, turn by turn; each begins every other turn. */
export async function inTurns(
  turns: number,
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<[first: number, second: number][]> {
  const seconds: [number, number][] = [];
  for (let turn = 0; turn < turns; turn++) {
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
