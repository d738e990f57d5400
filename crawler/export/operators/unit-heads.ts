import { elementCount, type TensorRef } from "../graph.ts";
import type { Lowering, Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { expectShape, numberAttribute } from "./shapes.ts";
import { ints } from "./tokens.ts";

/** Below this a vector is divided by it instead of by its length; PyTorch's default. */
const SHORTEST = 1e-12;
/** Largest factor, as a logarithm (arXiv 2111.09883, section 3.2: the temperature is at least 0.01). */
const LARGEST_SCALE = Math.log(100);

/**
 * Each head's part of a vector brought to length 1, so that dot products are cosines: [..., heads * d] -> the same.
 * Slot, where there is one: the logarithm of a factor [heads, 1, 1], at most 100.
 */
export const unitHeadsOperator: Operator = {
  name: "unitHeads",
  infer(site) {
    const [x] = site.inputs;
    const heads = numberAttribute(site.attributes, "heads");
    expectShape((x?.dims.at(-1) ?? 1) % heads === 0, "unitHeads", `${heads} heads`, site);
    const fits = site.slots.every((slot) => slot[0] === heads && elementCount(slot) === heads);
    expectShape(fits, "unitHeads", "a factor a head", site);
    return x ?? { dims: [] };
  },
  flops: (_site, output) => 4 * elementCount(output.dims),
  lower: (l) => l.exactly(() => lowerUnit(l)), // squares of more than 255 are infinite in float16, and SHORTEST is 0
};

function lowerUnit(l: Lowering): string {
  const heads = numberAttribute(l.attributes, "heads");
  const number = (value: number) => l.constant(Float32Array.of(value), []);
  const open = [0, ...(l.inputs[0]?.dims.slice(0, -1) ?? []).map(() => 0)];
  const split = l.node("Reshape", [l.inputNames[0] ?? "", ints(l, ...open, heads, -1)]);
  const norms = l.node("ReduceL2", [split, ints(l, -1)], { keepdims: 1 });
  let unit = l.node("Div", [split, l.node("Max", [norms, number(SHORTEST)])]);
  const [scale] = l.slotNames;
  if (scale !== undefined) {
    const factors = l.node("Exp", [l.node("Min", [scale, number(LARGEST_SCALE)])]);
    unit = l.node("Mul", [unit, l.node("Reshape", [factors, ints(l, heads, 1)])]);
  }
  return l.node("Reshape", [unit, ints(l, ...open, -1)]);
}

/** @param scale logarithm of a factor for each head */
export const unitHeads = <R extends number>(g: Ops, x: Value<R>, heads: number, scale?: TensorRef): Value<R> =>
  g.apply<R>(unitHeadsOperator, [x], scale ? [scale] : [], { heads });
