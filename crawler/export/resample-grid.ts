/**
 * How a grid of vectors becomes one of another size, as PyTorch's `interpolate(size=…, align_corners=False)` does it:
 * bicubic by Keys' kernel with a = -0.75; antialiased with a = -0.5 and a support that grows with the step.
 */
export type ResampleMode = "bilinear" | "bicubic" | "bicubicAntialias";

export type GridSize = readonly [rows: number, columns: number];

/** What one output position takes: a weight for each of some input positions. */
type Taps = readonly (readonly [position: number, weight: number])[];

/** Keys' cubic convolution kernel (1981). */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** Taps around a source position; positions beyond the edge count as the edge. PyTorch computes positions in float32. */
function pointTaps(length: number, step: number, index: number, mode: "bilinear" | "bicubic"): Taps {
  const real = Math.fround(Math.fround(step * Math.fround(index + 0.5)) - 0.5);
  const source = mode === "bilinear" ? Math.max(real, 0) : real;
  const floor = Math.floor(source);
  const part = Math.fround(source - floor);
  const clamp = (position: number) => Math.min(Math.max(position, 0), length - 1);
  const offsets = mode === "bilinear" ? [0, 1] : [-1, 0, 1, 2];
  const weight = (offset: number) => (mode === "bilinear" ? 1 - Math.abs(part - offset) : cubic(part - offset, -0.75));
  return offsets.map((offset) => [clamp(floor + offset), weight(offset)]);
}

/** Taps within the support of the kernel that is stretched by the step; those beyond the edge are left out. */
function areaTaps(length: number, step: number, index: number): Taps {
  const stretch = Math.max(step, 1);
  const support = 2 * stretch;
  const center = Math.fround(step * (index + 0.5));
  const begin = Math.max(Math.trunc(center - support + 0.5), 0);
  const end = Math.min(Math.trunc(center + support + 0.5), length);
  const taps = Array.from({ length: end - begin }, (_, offset) => {
    const position = begin + offset;
    return [position, cubic((position - center + 0.5) / stretch, -0.5)] as const;
  });
  const total = taps.reduce((sum, [, weight]) => sum + weight, 0);
  return taps.map(([position, weight]) => [position, weight / total]);
}

function axisTaps(from: number, to: number, mode: ResampleMode): readonly Taps[] {
  const step = Math.fround(from / to);
  return Array.from({ length: to }, (_, index) => {
    if (from === to) return [[index, 1]];
    return mode === "bicubicAntialias" ? areaTaps(from, step, index) : pointTaps(from, step, index, mode);
  });
}

/** @param values row by row, `channels` values a position */
export function resampleGrid(
  values: Float32Array,
  channels: number,
  from: GridSize,
  to: GridSize,
  mode: ResampleMode,
): Float32Array {
  const [fromRows, fromColumns] = from;
  const [toRows, toColumns] = to;
  const across = new Float32Array(fromRows * toColumns * channels);
  const result = new Float32Array(toRows * toColumns * channels);
  const columns = axisTaps(fromColumns, toColumns, mode);
  for (let row = 0; row < fromRows; row++) {
    columns.forEach((taps, column) => {
      const source = (position: number) => (row * fromColumns + position) * channels;
      mix(values, source, taps, across, (row * toColumns + column) * channels, channels);
    });
  }
  axisTaps(fromRows, toRows, mode).forEach((taps, row) => {
    const line = toColumns * channels;
    mix(across, (position) => position * line, taps, result, row * line, line);
  });
  return result;
}

/** Writes the weighted sum of some stretches of `length` values. */
function mix(
  from: Float32Array,
  startOf: (position: number) => number,
  taps: Taps,
  to: Float32Array,
  start: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    let sum = 0;
    for (const [position, weight] of taps) sum += weight * (from[startOf(position) + i] ?? NaN);
    to[start + i] = sum;
  }
}
