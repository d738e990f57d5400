/** The middle value, or the lower one of the two in the middle. @throws RangeError without values */
export function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
  if (middle === undefined) throw new RangeError("nothing to take the median of");
  return middle;
}
