import { CheckpointError } from "../../errors.ts";
import { elementCount, type TensorRef } from "../graph.ts";
import { CONTRIB_DOMAIN } from "../onnx-model.ts";
import type { Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import type { Params } from "../params.ts";
import { expectShape } from "./shapes.ts";

/** An affine map of the last axis; slots: weight [out, in], then a bias [out] where there is one. */
export const linearOperator: Operator = {
  name: "linear",
  infer(site) {
    const [x] = site.inputs;
    const [weight, bias] = site.slots;
    const out = weight?.[0] ?? 0;
    expectShape(
      x !== undefined &&
        weight?.length === 2 &&
        x.dims.at(-1) === weight[1] &&
        (bias === undefined || (bias.length === 1 && bias[0] === out)),
      "linear",
      `a last axis of ${weight?.[1]}`,
      site,
    );
    return { ...x, dims: [...(x?.dims.slice(0, -1) ?? []), out] };
  },
  flops: (site, output) => 2 * (site.slots[0]?.[1] ?? 0) * elementCount(output.dims),
  lower(l) {
    const [x = ""] = l.inputNames;
    const [weight = "", bias] = l.slotNames;
    const product = l.weightsInPlace
      ? l.node("FusedMatMul", [x, weight], { transB: 1 }, CONTRIB_DOMAIN)
      : l.node("MatMul", [x, l.node("Transpose", [weight], { perm: [1, 0] })]);
    return bias === undefined ? product : l.node("Add", [product, bias]);
  },
};

/** `x` times a weight, plus a bias: tensors, or rows of a tensor. */
export const linearWith = <R extends number>(g: Ops, x: Value<R>, weight: TensorRef, bias?: TensorRef): Value<R> =>
  g.apply<R>(linearOperator, [x], bias ? [weight, bias] : [weight]);

/** @throws CheckpointError when there is a bias although the configuration says there is none */
export function expectNoBias(p: Params): void {
  if (!p.has("bias")) return;
  throw new CheckpointError(
    `checkpoint has a tensor "${p.tensor("bias").name}", but config.json says there is no bias`,
  );
}

/** Linear layer with `p`'s weight, and its bias unless the configuration says that there is none. */
export function linear<R extends number>(g: Ops, x: Value<R>, p: Params, { bias = true } = {}): Value<R> {
  if (!bias) expectNoBias(p);
  return linearWith(g, x, p.tensor("weight", 2), bias ? p.tensor("bias", 1) : undefined);
}
