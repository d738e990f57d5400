import { elementCount } from "../graph.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape } from "./shapes.ts";
import { ints } from "./tokens.ts";

/**
 * Swin's patch merging: four neighbouring tokens become one, [L, C] -> [ceil(rows / 2) * ceil(columns / 2), 4 C], in
 * the order upper left, lower left, upper right, lower right; zeros fill an odd side.
 */
export const mergePatchesOperator: Operator = {
  name: "mergePatches",
  infer(site) {
    const [x] = site.inputs;
    const [rows, columns] = x?.grid ?? [0, 0];
    const fits = x?.dims.length === 2 && x.grid !== undefined && x.dims[0] === elementCount(x.grid);
    expectShape(fits, "mergePatches", "the tokens of a picture", site);
    const grid = [Math.ceil(rows / 2), Math.ceil(columns / 2)] as const;
    return { dims: [elementCount(grid), 4 * (x?.dims[1] ?? 0)], grid };
  },
  flops: () => 0,
  lower(l) {
    const [rows, columns] = l.inputs[0]?.grid ?? [0, 0];
    const width = l.inputs[0]?.dims[1] ?? 0;
    let x = l.node("Reshape", [l.inputNames[0] ?? "", ints(l, 0, rows, columns, width)]);
    if (rows % 2 === 1 || columns % 2 === 1) {
      x = l.node("Pad", [x, ints(l, 0, 0, 0, 0, 0, rows % 2, columns % 2, 0)]);
    }
    const [down, across] = [Math.ceil(rows / 2), Math.ceil(columns / 2)];
    const divided = l.node("Reshape", [x, ints(l, 0, down, 2, across, 2, width)]);
    const turned = l.node("Transpose", [divided], { perm: [0, 1, 3, 4, 2, 5] });
    return l.node("Reshape", [turned, ints(l, 0, down * across, 4 * width)]);
  },
};

export const mergePatches = (g: Ops, x: Value<3>): Value<3> => g.apply<3>(mergePatchesOperator, [x]);
