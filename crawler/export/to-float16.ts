/** The largest binary16, and the exponent of the smallest that has all its digits. */
const LARGEST = 65504;
const LEAST_EXPONENT = -14;
const DIGITS = 10;

/**
 * The bits of the nearest IEEE 754 binary16, ties to even. What is too large for it becomes the largest, not infinite:
 * graphs add the lowest number to what a mask leaves out, and two infinities make no number.
 */
export const toFloat16 = (values: ArrayLike<number>): Uint16Array => Uint16Array.from(values, halfBits);

function halfBits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === Infinity) return sign | 0x7c00;
  const exponent = Math.max(exponentOf(size), LEAST_EXPONENT);
  const steps = roundToEven(size * 2 ** (DIGITS - exponent)); // in units of the last digit
  // a carry out of the digits raises the exponent, and the first digit of a number that has all is implied
  const bits = ((exponent - LEAST_EXPONENT) << DIGITS) + steps;
  return sign | Math.min(bits, 0x7bff);
}

/** Of the power of two at or below a number of at most `LARGEST`; larger ones count as that. */
function exponentOf(size: number): number {
  const known = Math.min(size, LARGEST);
  const exponent = Math.floor(Math.log2(known));
  if (2 ** exponent > known) return exponent - 1;
  return 2 ** (exponent + 1) <= known ? exponent + 1 : exponent;
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
