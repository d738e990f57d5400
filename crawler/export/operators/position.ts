import { elementCount, type TensorRef } from "../graph.ts";
import type { Lowering, Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { resampleGrid, type GridSize, type ResampleMode } from "../resample-grid.ts";
import { expectShape, numberAttribute } from "./shapes.ts";
import { asRows } from "./tokens.ts";

/**
 * Adds learnt position embeddings; slot: [before + rows * columns + after, C], trained for a grid of rows x columns
 * patches, with further ones for the tokens before and after the patches. At another grid those of the patches are
 * interpolated.
 */
export const addPositionsOperator: Operator = {
  name: "addPositions",
  readsWeights: true,
  infer(site) {
    const [x] = site.inputs;
    const [rows = 0, columns = 0] = x?.grid ?? [];
    const { before, after, trained } = settings(site);
    const [positions, width] = site.slots[0] ?? [];
    const others = before + after;
    expectShape(
      x?.grid !== undefined && x.dims[0] === rows * columns + others && width === x.dims[1],
      "addPositions",
      `tokens of a picture and ${others} others`,
      site,
    );
    expectShape(
      positions === trained[0] * trained[1] + others,
      "addPositions",
      `embeddings of ${trained.join(" x ")} patches and ${others} others`,
      site,
    );
    return x ?? { dims: [] };
  },
  flops: (_site, output) => elementCount(output.dims),
  lower(l) {
    const [x = ""] = l.inputNames;
    const [positions = ""] = l.slotNames;
    const { before, after, trained, mode } = settings(l);
    const [, width = 0] = l.slots[0] ?? [];
    if (l.gridName !== undefined) return l.node("Add", [x, resized(l, l.gridName)]);
    const grid = l.inputs[0]?.grid ?? trained;
    if (grid[0] === trained[0] && grid[1] === trained[1]) return l.node("Add", [x, positions]);
    const stored = l.slotValues(0);
    const end = stored.length - after * width;
    const patches = resampleGrid(stored.subarray(before * width, end), width, trained, grid, mode);
    const values = new Float32Array((before + after) * width + patches.length);
    values.set(stored.subarray(0, before * width));
    values.set(patches, before * width);
    values.set(stored.subarray(end), before * width + patches.length);
    return l.node("Add", [x, l.constant(values, [values.length / width, width])]);
  },
};

/** The embeddings for a grid that is known when the file runs; at the trained one, ONNX's Resize copies them. */
function resized(l: Lowering, grid: string): string {
  const { before, after, trained, mode } = settings(l);
  const [length = 0, width = 0] = l.slots[0] ?? [];
  const ints = (...values: number[]) => l.constant(BigInt64Array.from(values, BigInt), [values.length]);
  const rows = (from: number, to: number) => l.node("Slice", [l.slotNames[0] ?? "", ints(from), ints(to), ints(0)]);
  const map = l.node("Reshape", [rows(before, length - after), ints(1, ...trained, width)]);
  const sizes = l.node("Concat", [ints(1, width), grid], { axis: 0 });
  const patches = l.node("Resize", [l.node("Transpose", [map], { perm: [0, 3, 1, 2] }), "", "", sizes], {
    mode: "cubic",
    coordinate_transformation_mode: "half_pixel",
    cubic_coeff_a: { float: mode === "bicubic" ? -0.75 : -0.5 },
    ...(mode === "bicubicAntialias" && { antialias: 1, exclude_outside: 1 }),
  });
  const flat = l.node("Reshape", [l.node("Transpose", [patches], { perm: [0, 2, 3, 1] }), ints(-1, width)]);
  const others = [...(before > 0 ? [rows(0, before)] : []), flat, ...(after > 0 ? [rows(length - after, length)] : [])];
  return others.length === 1 ? flat : l.node("Concat", others, { axis: 0 });
}

function settings({ attributes }: OperatorSite) {
  const trained: GridSize = [numberAttribute(attributes, "rows"), numberAttribute(attributes, "columns")];
  const mode: ResampleMode = attributes.antialias === true ? "bicubicAntialias" : "bicubic";
  return { before: numberAttribute(attributes, "before"), after: numberAttribute(attributes, "after"), trained, mode };
}

export interface PositionOptions {
  /** Patches that the embeddings were trained for. */
  readonly grid: GridSize;
  /** Tokens before the patches that have embeddings of their own. Default: none. */
  readonly before?: number;
  readonly after?: number;
  /** Whether the interpolation widens its kernel where it shrinks. */
  readonly antialias?: boolean;
}

/** @param positions embeddings of any shape, [..., C] */
export function addPositions(g: Ops, x: Value<3>, positions: TensorRef, options: PositionOptions): Value<3> {
  const { grid, before = 0, after = 0, antialias = false } = options;
  const attributes = { rows: grid[0], columns: grid[1], before, after, antialias };
  return g.apply<3>(addPositionsOperator, [x], [asRows(positions)], attributes);
}
