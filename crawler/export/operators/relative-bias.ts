import { elementCount, type TensorRef } from "../graph.ts";
import type { Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { resampleGrid, type GridSize } from "../resample-grid.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

/** Rows of the table beyond the distances: class token to patch, patch to class token, class token to itself. */
const CLASS_ROWS = 3;

/** How many offsets there are between two patches of a grid, in each direction. */
const offsets = ([rows, columns]: GridSize): GridSize => [2 * rows - 1, 2 * columns - 1];

/**
 * BEiT's relative position bias (arXiv 2106.08254) for a class token and a picture's patches: x -> [heads, L, L], of x
 * only its grid matters. Slot: table [(2 rows - 1)(2 columns - 1) + 3, heads]. At another grid the table is
 * interpolated (bilinear, as MiDaS 3.1 does it, arXiv 2307.14460).
 */
export const relativeBiasOperator: Operator = {
  name: "relativeBias",
  readsWeights: true,
  infer(site) {
    const [x] = site.inputs;
    const [length = 0, heads = 0] = site.slots[0] ?? [];
    const [rows = 0, columns = 0] = x?.grid ?? [];
    const tokens = rows * columns + 1;
    expectShape(x?.dims[0] === tokens, "relativeBias", "a class token and the patches of a picture", site);
    const expected = elementCount(offsets(trainedGrid(site))) + CLASS_ROWS;
    expectShape(length === expected, "relativeBias", `a table of ${expected} rows`, site);
    return { dims: [heads, tokens, tokens] };
  },
  flops: () => 0,
  lower(l) {
    const [, heads = 0] = l.slots[0] ?? [];
    const trained = offsets(trainedGrid(l));
    const grid = l.inputs[0]?.grid ?? [0, 0];
    const target = offsets(grid);
    // transformers reads the trained table with rows and columns exchanged, which shows only where they differ
    const from: GridSize = [trained[1], trained[0]];
    let [table = ""] = l.slotNames;
    if (from[0] !== target[0] || from[1] !== target[1]) {
      const stored = l.slotValues(0);
      const end = stored.length - CLASS_ROWS * heads;
      const distances = resampleGrid(stored.subarray(0, end), heads, from, target, "bilinear");
      const values = new Float32Array(distances.length + CLASS_ROWS * heads);
      values.set(distances);
      values.set(stored.subarray(end), distances.length);
      table = l.constant(values, [values.length / heads, heads]);
    }
    const tokens = grid[0] * grid[1] + 1;
    const index = l.constant(tableRows(grid), [1, tokens, tokens]);
    return l.node("Transpose", [l.node("Gather", [table, index], { axis: 0 })], { perm: [0, 3, 1, 2] });
  },
};

const trainedGrid = ({ attributes }: OperatorSite): GridSize => [
  numberAttribute(attributes, "rows"),
  numberAttribute(attributes, "columns"),
];

/** The table's row for each pair of tokens. */
function tableRows([rows, columns]: GridSize): BigInt64Array {
  const [down, across] = offsets([rows, columns]);
  const distances = down * across;
  const tokens = rows * columns + 1;
  const row = (from: number, to: number): number => {
    if (from === 0) return to === 0 ? distances + 2 : distances;
    if (to === 0) return distances + 1;
    const [a, b] = [from - 1, to - 1];
    const vertical = Math.floor(a / columns) - Math.floor(b / columns) + rows - 1;
    return vertical * across + (a % columns) - (b % columns) + columns - 1;
  };
  return BigInt64Array.from({ length: tokens ** 2 }, (_, i) => BigInt(row(Math.floor(i / tokens), i % tokens)));
}

/** @param grid patches that the table was trained for */
export const relativeBias = (g: Ops, x: Value<3>, table: TensorRef, [rows, columns]: GridSize): Value<4> =>
  g.apply<4>(relativeBiasOperator, [x], [table], { rows, columns });
