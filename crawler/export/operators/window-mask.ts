import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { windowLayout, type WindowLayout, type Windowing } from "./windows.ts";

/** What transformers adds to the scores of tokens that are no neighbours in the picture. */
const FAR = -100;

/**
 * Rolling brings opposite sides of a picture into one window; the mask keeps them from attending to each other:
 * windows -> [windows, 1, L, L], of the windows only the grid matters.
 */
export const windowMaskOperator: Operator = {
  name: "windowMask",
  infer(site) {
    const { windows, window, shift } = windowLayout(site.inputs[0] ?? { dims: [] }, site.attributes);
    return { dims: shift === 0 ? [1, 1, 1, 1] : [windows, 1, window ** 2, window ** 2] };
  },
  flops: () => 0,
  lower(l) {
    const layout = windowLayout(l.inputs[0] ?? { dims: [] }, l.attributes);
    if (layout.shift === 0) return l.constant(Float32Array.of(0), [1, 1, 1, 1, 1]);
    // all windows but those of the last row and column have the same mask: four, and which of them a window has
    const length = layout.window ** 2;
    const masks = l.constant(edgeMasks(layout), [4, length, length]);
    const [rows, columns] = layout.padded.map((side) => side / layout.window);
    const kinds = BigInt64Array.from({ length: layout.windows }, (_, index) => {
      const [row, column] = [Math.floor(index / (columns ?? 1)), index % (columns ?? 1)];
      return (row + 1 === rows ? 2n : 0n) + (column + 1 === columns ? 1n : 0n);
    });
    return l.node("Gather", [masks, l.constant(kinds, [1, layout.windows, 1])], { axis: 0 });
  },
};

/** Masks of a window in the middle, in the last column, in the last row, and in both. */
function edgeMasks({ window, shift }: WindowLayout): Float32Array {
  const length = window ** 2;
  const rolled = (place: number) => place >= window - shift;
  return Float32Array.from({ length: 4 * length ** 2 }, (_, index) => {
    const kind = Math.floor(index / length ** 2);
    const [a, b] = [Math.floor(index / length) % length, index % length];
    const parted = (from: number, to: number) => rolled(from) !== rolled(to);
    const rowsPart = kind >= 2 && parted(Math.floor(a / window), Math.floor(b / window));
    const columnsPart = kind % 2 === 1 && parted(a % window, b % window);
    return rowsPart || columnsPart ? FAR : 0;
  });
}

export const windowMask = (g: Ops, windows: Value<4>, windowing: Windowing): Value<5> =>
  g.apply<5>(windowMaskOperator, [windows], [], windowing);
