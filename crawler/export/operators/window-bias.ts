import { elementCount, type TensorRef } from "../graph.ts";
import type { Lowering, Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { expectShape, numberAttribute } from "./shapes.ts";
import { windowLayout, type Windowing } from "./windows.ts";

/**
 * Row of a table of offsets, (2 side - 1)² of them row by row, for each pair of tokens in a window.
 * @param side of the windows that the table is made for; smaller ones use its middle
 */
function offsetRows(window: number, side: number): BigInt64Array {
  const length = window ** 2;
  return BigInt64Array.from({ length: length ** 2 }, (_, pair) => {
    const [a, b] = [Math.floor(pair / length), pair % length];
    const down = Math.floor(a / window) - Math.floor(b / window) + side - 1;
    return BigInt(down * (2 * side - 1) + (a % window) - (b % window) + side - 1);
  });
}

/** A table [(2 side - 1)², heads] -> [1, 1, heads, L, L] */
function gatherOffsets(l: Lowering, table: string, window: number, side: number): string {
  const length = window ** 2;
  const pairs = l.node("Gather", [table, l.constant(offsetRows(window, side), [1, 1, length, length])], { axis: 0 });
  return l.node("Transpose", [pairs], { perm: [0, 1, 4, 2, 3] });
}

/**
 * Swin's relative position bias: windows -> [1, heads, L, L], of the windows only the grid matters.
 * Slot: table [(2 window - 1)², heads].
 */
export const windowBiasOperator: Operator = {
  name: "windowBias",
  infer(site) {
    const rows = (2 * numberAttribute(site.attributes, "window") - 1) ** 2;
    const [table] = site.slots;
    expectShape(table?.length === 2 && table[0] === rows, "windowBias", `a table of ${rows} offsets`, site);
    const length = windowLayout(site.inputs[0] ?? { dims: [] }, site.attributes).window ** 2;
    return { dims: [1, table?.[1] ?? 0, length, length] };
  },
  flops: () => 0,
  lower(l) {
    const { window } = windowLayout(l.inputs[0] ?? { dims: [] }, l.attributes);
    return gatherOffsets(l, l.slotNames[0] ?? "", window, numberAttribute(l.attributes, "window"));
  },
};

/**
 * Swin V2's continuous position bias (arXiv 2111.09883, section 3.3): a small network says the bias of each offset.
 * Slots: weight [n, 2] and bias [n] of its first layer, weight [heads, n] of its second. Attribute `trained`: side of
 * the windows that offsets are relative to, 0 for those at hand.
 */
export const continuousBiasOperator: Operator = {
  name: "continuousBias",
  infer(site) {
    const [first, bias, second] = site.slots;
    const fits = first?.length === 2 && first[1] === 2 && second?.length === 2 && second[1] === first[0];
    expectShape(fits && elementCount(bias ?? []) === first[0], "continuousBias", "a network on two numbers", site);
    const length = numberAttribute(site.attributes, "window") ** 2;
    return { dims: [1, second?.[0] ?? 0, length, length] };
  },
  flops: () => 0,
  lower: (l) => l.exactly(() => lowerContinuous(l)), // it hangs on weights alone, so it costs nothing
};

function lowerContinuous(l: Lowering): string {
  const window = numberAttribute(l.attributes, "window");
  const offsets = logOffsets(window, numberAttribute(l.attributes, "trained"));
  const [first = "", bias = "", second = ""] = l.slotNames;
  const transposed = (weight: string) => l.node("Transpose", [weight], { perm: [1, 0] });
  const coordinates = l.constant(offsets, [offsets.length / 2, 2]);
  const hidden = l.node("Relu", [l.node("Add", [l.node("MatMul", [coordinates, transposed(first)]), bias])]);
  const table = l.node("Sigmoid", [l.node("MatMul", [hidden, transposed(second)])]);
  return gatherOffsets(l, l.node("Mul", [table, l.constant(Float32Array.of(16), [])]), window, window);
}

/** Offsets in both directions on a logarithmic scale, [(2 window - 1)², 2]; up to 8 times the window's they stay in [-1, 1]. */
function logOffsets(window: number, trained = 0): Float32Array {
  const side = 2 * window - 1;
  const unit = trained > 0 ? trained - 1 : Math.max(window - 1, 1);
  const scaled = (offset: number) => {
    const distance = (8 * (offset - window + 1)) / unit;
    return (Math.sign(distance) * Math.log2(Math.abs(distance) + 1)) / 3;
  };
  return Float32Array.from({ length: 2 * side ** 2 }, (_, index) => {
    const row = Math.floor(index / 2);
    return scaled(index % 2 === 0 ? Math.floor(row / side) : row % side);
  });
}

export const windowBias = (g: Ops, windows: Value<4>, table: TensorRef, windowing: Windowing): Value<5> =>
  g.apply<5>(windowBiasOperator, [windows], [table], windowing);

/**
 * @param p a linear layer, an activation, a linear layer
 * @param trained side of the windows that the network was trained for, 0 for those at hand
 */
export function continuousBias(g: Ops, windows: Value<4>, p: Params, window: number, trained = 0): Value<5> {
  const [first, second] = [p.at("0"), p.at("2")];
  const tensors = [first.tensor("weight", 2), first.tensor("bias", 1), second.tensor("weight", 2)];
  return g.apply<5>(continuousBiasOperator, [windows], tensors, { window, trained });
}
