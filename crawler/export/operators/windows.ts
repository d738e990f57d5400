import { elementCount, type Attributes, type TensorInfo } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute } from "./shapes.ts";
import { ints } from "./tokens.ts";

/** How Swin (arXiv 2103.14030) divides a picture's tokens into square windows that attend within themselves. */
export type Windowing = Readonly<{
  /** Side of a window, in tokens. */
  window: number;
  /** Rows and columns by which the picture is rolled up and to the left first; 0: not at all. */
  shift: number;
  /** A grid with a side no longer than the window is not divided along it: smaller windows, and no shift. */
  shrinks: boolean;
}>;

/** The windows of a grid. */
export interface WindowLayout {
  readonly window: number;
  readonly shift: number;
  /** Rows and columns of tokens, with those that were added to fill the last windows. */
  readonly padded: readonly [rows: number, columns: number];
  /** Tokens of all windows. */
  readonly tokens: number;
  readonly windows: number;
}

export function windowLayout({ grid = [0, 0] }: TensorInfo, attributes: Attributes): WindowLayout {
  const stated = numberAttribute(attributes, "window");
  const isWhole = attributes.shrinks === true && Math.min(...grid) <= stated;
  const window = isWhole ? Math.min(...grid) : stated;
  const [rows, columns] = [Math.ceil(grid[0] / window) * window, Math.ceil(grid[1] / window) * window];
  const tokens = rows * columns;
  const shift = isWhole ? 0 : numberAttribute(attributes, "shift");
  return { window, shift, padded: [rows, columns], tokens, windows: tokens / window ** 2 };
}

/** Moves the first `by` rows (axis 1) or columns (axis 2) of [batch, rows, columns, C] to the end. */
function roll(l: Lowering, x: string, axis: 1 | 2, by: number): string {
  const slice = (from: number, to: number) => l.node("Slice", [x, ints(l, from), ints(l, to), ints(l, axis)]);
  return l.node("Concat", [slice(by, Number.MAX_SAFE_INTEGER), slice(0, by)], { axis });
}

/** Exchanges rows of windows with rows of tokens: [batch, a, b, c, d, C] -> [batch, a, c, b, d, C]. */
const exchange = (l: Lowering, x: string, shape: readonly number[]): string =>
  l.node("Transpose", [l.node("Reshape", [x, ints(l, 0, ...shape)])], { perm: [0, 1, 3, 2, 4, 5] });

const isTokensOf = ({ inputs: [x] }: OperatorSite): boolean =>
  x?.dims.length === 2 && x.grid !== undefined && x.dims[0] === elementCount(x.grid);

/** Tokens of a picture, [L, C] -> windows of tokens, [windows, window², C]; zeros fill the last windows. */
export const partitionWindowsOperator: Operator = {
  name: "partitionWindows",
  infer(site) {
    const [x] = site.inputs;
    expectShape(isTokensOf(site), "partitionWindows", "the tokens of a picture", site);
    const { windows, window } = windowLayout(x ?? { dims: [] }, site.attributes);
    return { ...x, dims: [windows, window ** 2, x?.dims[1] ?? 0] };
  },
  flops: () => 0,
  lower(l) {
    const [info = { dims: [] }] = l.inputs;
    const [rows, columns] = info.grid ?? [0, 0];
    const { window, shift, padded, windows } = windowLayout(info, l.attributes);
    const width = info.dims[1] ?? 0;
    let x = l.node("Reshape", [l.inputNames[0] ?? "", ints(l, 0, rows, columns, width)]);
    const missing = [padded[0] - rows, padded[1] - columns] as const;
    if (missing[0] + missing[1] > 0) x = l.node("Pad", [x, ints(l, 0, 0, 0, 0, 0, ...missing, 0)]);
    if (shift > 0) x = roll(l, roll(l, x, 1, shift), 2, shift);
    const divided = exchange(l, x, [padded[0] / window, window, padded[1] / window, window, width]);
    return l.node("Reshape", [divided, ints(l, 0, windows, window ** 2, width)]);
  },
};

/** Windows of tokens -> tokens of the picture: what `partitionWindows` did, undone. */
export const mergeWindowsOperator: Operator = {
  name: "mergeWindows",
  infer(site) {
    const [x] = site.inputs;
    const { windows, window } = windowLayout(x ?? { dims: [] }, site.attributes);
    expectShape(x?.dims[0] === windows && x.dims[1] === window ** 2, "mergeWindows", "windows of tokens", site);
    return { ...x, dims: [elementCount(x?.grid ?? []), x?.dims[2] ?? 0] };
  },
  flops: () => 0,
  lower(l) {
    const [info = { dims: [] }] = l.inputs;
    const [rows, columns] = info.grid ?? [0, 0];
    const { window, shift, padded } = windowLayout(info, l.attributes);
    const width = info.dims[2] ?? 0;
    const whole = exchange(l, l.inputNames[0] ?? "", [padded[0] / window, padded[1] / window, window, window, width]);
    let x = l.node("Reshape", [whole, ints(l, 0, ...padded, width)]);
    if (shift > 0) x = roll(l, roll(l, x, 1, padded[0] - shift), 2, padded[1] - shift);
    if (padded[0] > rows || padded[1] > columns) {
      x = l.node("Slice", [x, ints(l, 0, 0), ints(l, rows, columns), ints(l, 1, 2)]);
    }
    return l.node("Reshape", [x, ints(l, 0, -1, width)]);
  },
};

export const partitionWindows = (g: Ops, x: Value<3>, windowing: Windowing): Value<4> =>
  g.apply<4>(partitionWindowsOperator, [x], [], windowing);

export const mergeWindows = (g: Ops, x: Value<4>, windowing: Windowing): Value<3> =>
  g.apply<3>(mergeWindowsOperator, [x], [], windowing);
