/** How far a preprocessed picture is from the expected one, in 8-bit levels before normalisation. */
export interface LevelError {
  readonly mean: number;
  readonly max: number;
}

/** JPEG decoders differ by a level or two; a wrong filter, crop or rounding is off by far more. */
export const TOLERANCE: LevelError = { mean: 0.5, max: 3 };

export function levelError(got: ArrayLike<number>, expected: ArrayLike<number>): LevelError {
  let sum = 0;
  let max = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs((got[i] ?? NaN) - (expected[i] ?? NaN));
    sum += distance;
    if (!(distance <= max)) max = distance; // NaN too
  }
  return { mean: sum / expected.length, max };
}
