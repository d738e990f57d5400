import { elementCount, type TensorRef } from "../graph.ts";
import type { Operator, OperatorSite } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute } from "./shapes.ts";

const isIds = ({ inputs: [ids] }: OperatorSite): boolean => ids?.dims.length === 1;

/** Rows of a table [V, C] by their numbers: ids [L] -> [L, C]. */
export const embedTokensOperator: Operator = {
  name: "embedTokens",
  integerInputs: [0],
  infer(site) {
    const [table] = site.slots;
    expectShape(isIds(site) && table?.length === 2, "embedTokens", "token ids and a table", site);
    return { dims: [site.inputs[0]?.dims[0] ?? 0, table?.[1] ?? 0] };
  },
  flops: () => 0,
  lower: (l) => l.node("Gather", [...l.slotNames, ...l.inputNames], { axis: 0 }),
};

/** Adds the first L rows of a table [P, C] to tokens [L, C]. */
export const addTokenPositionsOperator: Operator = {
  name: "addTokenPositions",
  infer(site) {
    const [x] = site.inputs;
    const [positions = 0, width] = site.slots[0] ?? [];
    const [length = 0] = x?.dims ?? [];
    expectShape(
      x?.dims.length === 2 && width === x.dims[1] && length <= positions,
      "addTokenPositions",
      `at most ${positions} tokens`,
      site,
    );
    return x ?? { dims: [] };
  },
  flops: (_site, output) => elementCount(output.dims),
  lower(l) {
    const [x = ""] = l.inputNames;
    const [table = ""] = l.slotNames;
    const length = l.node("Shape", [x], { start: 1, end: 2 });
    const first = l.constant(BigInt64Array.of(0n), [1]);
    return l.node("Add", [x, l.node("Slice", [table, first, length, first])]);
  },
};

/**
 * Position embeddings that count the tokens that are not padding, from `padding` + 1 on, and give row `padding` to
 * padding itself (fairseq's make_positions): ids [L] -> [L, C]; slot: table [P, C].
 */
export const embedPositionsOperator: Operator = {
  name: "embedPositionsPastPadding",
  integerInputs: [0],
  infer(site) {
    const padding = numberAttribute(site.attributes, "padding");
    const [positions = 0, width = 0] = site.slots[0] ?? [];
    const length = site.inputs[0]?.dims[0] ?? 0;
    const most = positions - padding - 1;
    expectShape(isIds(site) && length <= most, "embedPositionsPastPadding", `at most ${most} tokens`, site);
    return { dims: [length, width] };
  },
  flops: () => 0,
  lower(l) {
    const [ids = ""] = l.inputNames;
    const [table = ""] = l.slotNames;
    const padding = l.constant(BigInt64Array.of(BigInt(numberAttribute(l.attributes, "padding"))), []);
    const isToken = l.node("Cast", [l.node("Not", [l.node("Equal", [ids, padding])])], { to: 7 });
    const count = l.node("CumSum", [isToken, l.constant(BigInt64Array.of(1n), [])]);
    const positions = l.node("Add", [l.node("Mul", [count, isToken]), padding]);
    return l.node("Gather", [table, positions], { axis: 0 });
  },
};

export const embedTokens = (g: Ops, ids: Value<2>, table: TensorRef): Value<3> =>
  g.apply<3>(embedTokensOperator, [ids], [table]);

export const addTokenPositions = (g: Ops, x: Value<3>, table: TensorRef): Value<3> =>
  g.apply<3>(addTokenPositionsOperator, [x], [table]);

export const embedPositionsPastPadding = (g: Ops, ids: Value<2>, table: TensorRef, padding: number): Value<3> =>
  g.apply<3>(embedPositionsOperator, [ids], [table], { padding });
